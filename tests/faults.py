"""Faults that are planted into an exported folder, for checks that should find them."""

import re
from pathlib import Path

RUN = "static void run(work *a, uint32_t count)\n{\n"


def damage(path: Path, pattern: str, replace) -> None:
    """Replace the first match; there has to be one, and it has to change."""
    text = path.read_text()
    changed, count = re.subn(pattern, replace, text, count=1, flags=re.DOTALL)
    assert count == 1
    assert changed != text
    path.write_text(changed)


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
