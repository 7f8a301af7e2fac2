"""Faults that are planted into an exported folder, for checks that should find them."""

import hashlib
import json
import re
import struct
import zlib
from pathlib import Path

RUN = "static void run(work *a, uint32_t count)\n{\n"


def damage(path: Path, pattern: str, replace) -> None:
    """Replace the first match; there has to be one, and it has to change."""
    text = path.read_text()
    changed, count = re.subn(pattern, replace, text, count=1, flags=re.DOTALL)
    assert count == 1
    assert changed != text
    path.write_text(changed)
    sign(path)


def sign(path: Path) -> None:
    """Let the report of the export list the file as it is: what is to be found is not the changed file."""
    listing = path.parent / "report.json"
    if listing.is_file():
        report = json.loads(listing.read_text())
        report["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        listing.write_text(json.dumps(report))


def restate(export: Path, **changes: int) -> None:
    """Other bytes in the report."""
    listing = export / "report.json"
    report = json.loads(listing.read_text())
    assert changes.keys() <= report["bytes"].keys()
    report["bytes"] |= changes
    listing.write_text(json.dumps(report))


def at_start_of_run(export: Path, code: str, before: str = "") -> None:
    """Code as the first statements of every run, and what stands before that function."""
    damage(export / "model.c", re.escape(RUN), lambda _: f"{before}{RUN}{code}")


def wrong_shift(export: Path) -> None:
    """Of layer1.contract."""
    damage(
        export / "model.c",
        r"(op_layer1_contract = \{.*?\.shift = )(\d+)",
        lambda found: found[1] + str(int(found[2]) - 3),
    )


def wrong_logits_from_ids(export: Path) -> None:
    """What takes token ids adds one to its logits."""
    damage(export / "model.c", r"(logits\[i\] = a->\w+\[i\])", r"\1 + 1")


def wrong_label(export: Path) -> None:
    """Class 1, music, is called musik."""
    damage(export / "model.c", r'"music"', '"musik"')


def name_beyond_classes(export: Path) -> None:
    """A number that is no class has a name."""
    damage(export / "model.c", r"(model_label\(.*?)NULL", r'\1"nothing"')


def floating_point(export: Path) -> None:
    """In the norms, where every value and so every result is what it was; no compiler may see that."""
    damage(
        export / "embbert_norm.c",
        r"const int32_t square = \(int32_t\)x\[c\] \* x\[c\];\s*sum \+= \(uint32_t\)square;",
        lambda _: (
            "const double value = (double)x[c];\n        sum += (uint32_t)(value * 0.25 * value * 4.0);"
        ),
    )


def wrong_byte(export: Path, at: int) -> None:
    """Of the file of weights, whose checksum is right all the same."""
    path = export / "model_weights.bin"
    data = bytearray(path.read_bytes()[:-4])
    data[at] ^= 1
    path.write_bytes(bytes(data) + struct.pack("<I", zlib.crc32(data)))
    sign(path)


def unchecked_arena(export: Path) -> None:
    """Almost any size is accepted."""
    damage(export / "model.c", r"arena_bytes < MODEL_ARENA_BYTES", "arena_bytes < 8u")


def write_beyond_arena(export: Path) -> None:
    """One byte."""
    at_start_of_run(export, "    ((volatile char *)a)[sizeof(work)] = 1;\n")


def failing_self_test(export: Path) -> None:
    """It fails where it should end well."""
    damage(
        export / "model_self_test.c",
        r"return EMBBERT_OK;\n\}\n$",
        "return EMBBERT_SELF_TEST_FAILED;\n}\n",
    )


def wrong_first_entry(export: Path, file: str, array: str) -> None:
    """Of a constant array."""
    damage(
        export / file,
        rf"({array}\[\d+\][^=]*= \{{\s*)(-?\d+)(,)",
        lambda found: found[1] + str(int(found[2]) ^ 1) + found[3],
    )
