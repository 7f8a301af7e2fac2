"""Packages: every example runs on this machine and answers as the integer model does."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from embbert.cli.app import run as run_command
from embbert.emit.c99 import contents, export_c
from embbert.emit.packages import LAYOUTS, TARGETS
from embbert.errors import UsageError
from embbert.quant.reference import run
from embbert.verify.toolchain import STRICT
from packaged import EXAMPLES, KINDS, STUBS, files, package

STRICT_CPP = ["-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
LINES = [
    b"turn the lights on",
    b"what is the weather",
    "Musik \u00fcber \u6f22\u5b57 \U0001f642".encode(),
    b"\xff\xfe no text \x00 at all",
    b"stop the music " * 34,  # more tokens than the model takes
    b"x" * 512,
    b"play some music",
    b"lights off please",
]
QUICK = {("arduino", "pair"), ("zephyr", "regress")}
CASES = [
    pytest.param(
        target, kind, marks=[] if kind == "classify" or (target, kind) in QUICK else pytest.mark.slow
    )
    for target in EXAMPLES
    for kind in KINDS
]
TOO_LONG = "a line has more than 512 bytes"
NO_HEAP = re.compile(r"\b(malloc|calloc|realloc|free|_Zn[wa]\w*|_Zd[la]\w*)\b")


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    """Objects by digest: the packages of a model hold the same C."""
    return tmp_path_factory.mktemp("objects")


def compile_strictly(command, flags, source, out):
    if out.exists():
        return
    done = subprocess.run(
        [command, *flags, "-c", source, "-o", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def build(out, target, objects, tmp_path):
    """The program that the example is, with the stubs in place of the board."""
    headers = [f"-I{out / LAYOUTS[target].headers}"]
    digest = hashlib.sha256(b"".join(sorted(path.read_bytes() for path in out.glob("*/*.h"))))
    parts = []
    for source in sorted((out / "src").glob("*.c")):
        mark = digest.copy()
        mark.update(source.name.encode() + source.read_bytes())
        parts.append(objects / f"{mark.hexdigest()}.o")
        compile_strictly("gcc", [*STRICT, *headers, "-O0"], source, parts[-1])
    example = out / EXAMPLES[target]
    cpp = target in {"arduino", "platformio"}
    stubs = STUBS / ("arduino" if cpp else target)
    flags = [*headers, f"-I{stubs}", f"-I{tmp_path}", "-O1"]
    # As the IDE does: a sketch is C++ that begins with this header.
    sketch = ["-include", "Arduino.h", "-x", "c++"] if target == "arduino" else []
    main, board = tmp_path / "main.o", tmp_path / "board.o"
    compile_strictly(
        *("g++", [*STRICT_CPP, *flags, *sketch]) if cpp else ("gcc", [*STRICT, *flags]), example, main
    )
    compile_strictly("g++" if cpp else "gcc", flags, next(stubs.glob("board.*")), board)
    needed = subprocess.run(["nm", "-u", main], capture_output=True, text=True, check=True).stdout
    assert not NO_HEAP.search(needed)
    program = tmp_path / "program"
    subprocess.run(["g++" if cpp else "gcc", main, board, *parts, "-o", program], check=True)
    return program


def talk(program, data, **environment):
    done = subprocess.run(
        [program], input=data, capture_output=True, check=True, env={**os.environ, **environment}, timeout=60
    )
    return done.stdout.decode().splitlines()


def expected(models, kind, lines):
    folder, plan = models[kind]
    texts = [line.decode("utf-8", errors="replace") for line in lines]
    if folder.pair:
        asked = list(zip(texts[::2], texts[1::2], strict=True))
    else:
        asked = [(text, None) for text in texts]
    answers = []
    for text, pair in asked:
        logits = run(plan, folder.tokenizer.encode(text, pair, max_length=plan.max_length))
        if folder.labels:
            answers.append(folder.labels[int(logits.argmax())])
        else:
            size = (abs(int(logits[0])) * 10000 + 32768) // 65536
            sign = "-" if logits[0] < 0 and size else ""
            answers.append(f"{sign}{size // 10000}.{size % 10000:04}")
    return answers


@pytest.mark.parametrize(("target", "kind"), CASES)
def test_examples_answer_as_the_model_does(models, objects, tmp_path, target, kind):
    package(models, tmp_path / "out", target, kind)
    program = build(tmp_path / "out", target, objects, tmp_path)
    right = expected(models, kind, LINES)
    assert len(set(right)) > 1
    for ending in (b"\n", b"\r\n", b"\r", b"\n\n\n"):
        banner, *answers = talk(program, ending.join([b"", *LINES, b""]))
        assert banner.startswith("ready: two lines in" if kind == "pair" else "ready: a line in")
        assert answers == right
    assert talk(program, b"no end of the line") == [banner]


@pytest.mark.parametrize("kind", ["classify", "pair"])
def test_too_long_lines_are_refused_and_the_next_ones_answered(models, objects, tmp_path, kind):
    package(models, tmp_path / "out", "zephyr", kind)
    program = build(tmp_path / "out", "zephyr", objects, tmp_path)
    before, after = expected(models, kind, LINES[:2]), expected(models, kind, LINES[-2:])
    for length in (513, 514, 100_000):
        refused = [b"x" * length] if kind == "classify" else [b"x" * length, b"a", b"a", b"x" * length]
        answers = talk(program, b"\n".join([*LINES[:2], *refused, *LINES[-2:], b""]))[1:]
        assert answers == [*before, *[TOO_LONG] * (1 if kind == "classify" else 2), *after]


@pytest.mark.parametrize("target", ["zephyr", "esp-idf"])
def test_weights_in_a_file_reach_the_example(models, objects, tmp_path, target):
    out = tmp_path / "out"
    report = package(models, out, target, weights="blob")
    weights = out / LAYOUTS[target].weights / "model_weights.bin"
    assert weights.stat().st_size == report["bytes"]["blob"]
    data = weights.read_bytes()
    if target == "zephyr":  # its build does this
        (tmp_path / "model_weights.bin.inc").write_text("".join(f"{byte:#x}," for byte in data))
    program = build(out, target, objects, tmp_path)
    lines = b"\n".join([*LINES, b""])
    assert talk(program, lines, STUB_PARTITION=weights)[1:] == expected(models, "classify", LINES)
    if target == "esp-idf":
        erased = tmp_path / "erased"
        erased.write_bytes(b"\xff" * len(data))
        for partition in (erased, tmp_path / "absent"):
            (said,) = talk(program, lines, STUB_PARTITION=partition)
            assert not said.startswith("ready")


def test_examples_need_no_self_test(models, objects, tmp_path):
    package(models, tmp_path / "out", "platformio", self_test=False)
    assert not any("self_test" in path.read_text() for path in files(tmp_path / "out").values())
    program = build(tmp_path / "out", "platformio", objects, tmp_path)
    assert talk(program, LINES[0] + b"\n")[1:] == expected(models, "classify", LINES[:1])


def test_values_are_printed_with_four_decimals(models, tmp_path):
    package(models, tmp_path / "out", "zephyr", "regress")
    source = (tmp_path / "out" / EXAMPLES["zephyr"]).read_text()
    function = re.search(r"^static void say_value.*?^}$", source, re.DOTALL | re.MULTILINE)[0]
    values = {0: "0.0000", -1: "0.0000", 4: "0.0001", -65536: "-1.0000", 65535: "1.0000", 98304: "1.5000"}
    values |= {2**31 - 1: "32768.0000", -(2**31): "-32768.0000", 655359: "10.0000", -7: "-0.0001"}
    calls = "".join(f"    say_value((int32_t)({value}ll));\n" for value in values)
    start = "#include <stdbool.h>\n#include <stdint.h>\n#include <stdio.h>\n#define say puts\n"
    (tmp_path / "a.c").write_text(f"{start}{function}\nint main(void)\n{{\n{calls}}}\n")
    subprocess.run(
        ["gcc", "-fsanitize=undefined,address", tmp_path / "a.c", "-o", tmp_path / "a"], check=True
    )
    assert talk(tmp_path / "a", b"") == list(values.values())


def test_a_plain_export_is_what_it_was(models, tmp_path):
    folder, plan = models["classify"]
    export_c(folder, plan, tmp_path / "default")
    report = package(models, tmp_path / "named", "cmake")
    plain, named = files(tmp_path / "default"), files(tmp_path / "named")
    assert {name: path.read_bytes() for name, path in plain.items()} == {
        name: path.read_bytes() for name, path in named.items()
    }
    assert all("/" not in name for name in plain)
    assert "target" not in report


@pytest.mark.parametrize("target", EXAMPLES)
def test_the_report_is_complete_and_names_the_target(models, tmp_path, target):
    out = tmp_path / "out"
    report = package(models, out, target)
    assert json.loads((out / "report.json").read_text()) == report
    assert report["target"] == target
    found = files(out)
    assert set(report["files"]) | {"report.json"} == set(found)
    for name, digest in report["files"].items():
        assert hashlib.sha256(found[name].read_bytes()).hexdigest() == digest
        assert found[name].read_bytes().endswith(b"\n")
    plain = contents(*models["classify"], "model")[0]
    carried = {name for name in plain if name.endswith((".c", ".h"))}
    assert {Path(name).name for name in found} >= carried
    for name, path in found.items():
        if path.name in carried:
            assert path.read_bytes() == plain[path.name], name


def test_what_a_target_cannot_do_is_refused(models, tmp_path):
    for target in ("arduino", "platformio"):
        with pytest.raises(
            UsageError, match="use --weights constants, or one of the targets cmake, zephyr, esp-idf"
        ):
            package(models, tmp_path / "out", target, weights="blob")
    with pytest.raises(UsageError, match="there are: cmake, arduino, zephyr, esp-idf, platformio"):
        package(models, tmp_path / "out", "mbed")
    assert not (tmp_path / "out").exists()
    assert set(LAYOUTS) == set(EXAMPLES) == set(TARGETS) - {"cmake"}


def test_packages_are_replaced_only_when_asked_and_never_over_the_users_files(models, tmp_path):
    out = tmp_path / "out"
    package(models, out, "zephyr", prefix="door")
    with pytest.raises(UsageError, match="add --overwrite"):
        package(models, out, "arduino")
    package(models, out, "arduino", overwrite=True)
    assert "src/model.c" in files(out)
    assert not any("door" in name or "zephyr" in name for name in files(out))
    build_folder = out / "examples" / "Classify" / "build"
    build_folder.mkdir()
    with pytest.raises(UsageError, match="also holds examples/Classify/build, which no export wrote"):
        package(models, out, "arduino", overwrite=True)
    build_folder.rmdir()
    (out / "src" / "mine.c").write_text("int mine;\n")
    before = set(files(out))
    with pytest.raises(UsageError, match=r"also holds src/mine\.c"):
        package(models, out, "cmake", overwrite=True)
    assert set(files(out)) == before
    (out / "src" / "mine.c").unlink()
    package(models, out, "cmake", overwrite=True)
    assert not (out / "src").exists()


def test_headers_can_be_included_from_other_folders(models, tmp_path):
    """The public headers need none of the private ones."""
    for target, layout in LAYOUTS.items():
        package(models, tmp_path / target, target)
        source = tmp_path / f"{target}.cpp"
        source.write_text("#include <model.h>\n")
        folder = tmp_path / "only"
        folder.mkdir(exist_ok=True)
        for name in ("model.h", "embbert.h"):
            shutil.copy(tmp_path / target / layout.headers / name, folder / name)
        subprocess.run(["g++", *STRICT_CPP, f"-I{folder}", "-fsyntax-only", source], check=True)


def test_the_command_line_writes_packages(models, tmp_path, capsys):
    model, out = models["classify"][0].path, tmp_path / "out"
    command = ["export", "c", str(model), "-o", str(out), "--target"]
    assert run_command([*command, "arduino"]) == 0
    assert f"begin with {out / 'README.md'}" in capsys.readouterr().err
    assert (out / "library.properties").is_file()
    assert run_command([*command, "arduino", "--weights", "blob", "--overwrite"]) == 2
    assert "use --weights constants" in capsys.readouterr().err
    assert (out / "library.properties").is_file()
    assert run_command([*command, "cmake", "--overwrite"]) == 0
    assert f"begin with {out / 'model.h'}" in capsys.readouterr().err
