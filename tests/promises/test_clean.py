"""Every compiler takes the C as C99 and as C11, and the headers as C++, without a word."""

import subprocess
import sys

import pytest

ZIG = [sys.executable, "-m", "ziglang"]
ARM = ["-mthumb", "-mcpu=cortex-m4", "-ffreestanding"]
HELIUM = ["-mthumb", "-mcpu=cortex-m55", "-mfloat-abi=hard", "-ffreestanding"]
RISCV = ["-march=rv32imac", "-mabi=ilp32", "-ffreestanding"]
ZIG_ARM = ["-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"]
C = {
    "gcc": ["gcc"],
    "gcc, 32 bits": ["gcc", "-m32", "-ffreestanding"],
    "clang": ["clang"],
    "gcc, Cortex-M4": ["arm-none-eabi-gcc", *ARM],
    "gcc, Cortex-M55": ["arm-none-eabi-gcc", *HELIUM],
    "gcc, RV32IMAC": ["riscv64-unknown-elf-gcc", *RISCV],
    "zig, Cortex-M4": [*ZIG, "cc", *ZIG_ARM],
}
CPP = {
    "g++": ["g++"],
    "clang++": ["clang++"],
    "g++, Cortex-M4": ["arm-none-eabi-g++", *ARM],
    "g++, RV32IMAC": ["riscv64-unknown-elf-g++", *RISCV],
    "zig, Cortex-M4": [*ZIG, "c++", *ZIG_ARM],
}
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-pedantic", "-Werror"]


def complaints(command, standard, sources, place):
    """What the compiler says, or nothing."""
    flags = [*command, f"-std={standard}", *WARNINGS]
    # zig takes one source at a time and always writes an object.
    zig = command[:2] == ZIG[:2]
    calls = (
        [["-c", source, "-o", place / "o"] for source in sources] if zig else [["-fsyntax-only", *sources]]
    )
    said = ""
    for call in calls:
        done = subprocess.run([*flags, *call], capture_output=True, text=True, check=False, cwd=place)
        assert (done.returncode == 0) == (done.stderr == "")
        said += done.stderr
    return said


@pytest.mark.slow
@pytest.mark.parametrize("standard", ["c99", "c11"])
@pytest.mark.parametrize("name", C)
def test_c_compiles_without_a_word(exports, need, tmp_path, name, standard):
    need(C[name][0])
    files = [*exports["blob"].glob("*.c"), *exports["constants"].glob("model*.c")]
    files += [*exports["linear"].glob("model*.c"), exports["linear"] / "embbert_bag.c"]
    files += [exports["linear"] / "embbert_ngrams.c", *exports["joint"].glob("model*.c")]
    assert len(files) > 15
    assert complaints(C[name], standard, files, tmp_path) == ""


@pytest.mark.parametrize("core", ["cortex-r5", "arm1176jzf-s"])
@pytest.mark.parametrize("state", ["-marm", "-mthumb"])
def test_arm_cores_beyond_those_with_m_assemble_it(exports, need, tmp_path, core, state):
    """They have the DSP instructions too, but outside Thumb-2 no LDRD into any two registers."""
    need("arm-none-eabi-gcc")
    flags = [f"-mcpu={core}", state, "-mfloat-abi=soft", "-ffreestanding", "-O2", "-std=c99", "-Werror"]
    for source in exports["blob"].glob("embbert_*.c"):
        command = ["arm-none-eabi-gcc", *flags, "-c", source, "-o", tmp_path / "o"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


FAULTS = {
    "a narrowing": "int8_t model_f(int32_t a);\nint8_t model_f(int32_t a) { return a; }",
    "a change of sign": "uint32_t model_f(int32_t a);\nuint32_t model_f(int32_t a) { return a + 1u; }",
    "a shadow": "int model_f(int a);\nint model_f(int a) { { int a = 1; (void)a; } return a; }",
    "an extension": "int model_f(int a);\nint model_f(int a) { return a ?: 2; }",
    "an unused variable": "int model_f(int a);\nint model_f(int a) { int b; return a; }",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", C)
def test_planted_faults_are_complained_of(need, tmp_path, name, fault):
    need(C[name][0])
    path = tmp_path / "fault.c"
    path.write_text(f"#include <stdint.h>\n{FAULTS[fault]}\n")
    assert complaints(C[name], "c99", [path], tmp_path) != ""
    path.write_text(
        "#include <stdint.h>\nint8_t model_f(int8_t a);\nint8_t model_f(int8_t a) { return a; }\n"
    )
    assert complaints(C[name], "c99", [path], tmp_path) == ""


def including(path, place):
    source = place / "include.cpp"
    source.write_text(f'#include "{path}"\n')
    return source


@pytest.mark.parametrize("standard", ["c++11", "c++17"])
@pytest.mark.parametrize("name", CPP)
def test_headers_serve_cpp(exports, need, tmp_path, name, standard):
    need(CPP[name][0])
    for place in exports.values():
        for header in ("model.h", "embbert.h"):
            assert complaints(CPP[name], standard, [including(place / header, tmp_path)], tmp_path) == ""


@pytest.mark.parametrize("name", CPP)
def test_a_header_for_c_only_is_complained_of(exports, need, tmp_path, name):
    need(CPP[name][0])
    text = (exports["constants"] / "model.h").read_text()
    header = tmp_path / "model.h"
    (tmp_path / "embbert.h").write_text((exports["constants"] / "embbert.h").read_text())
    header.write_text(text.replace("uint32_t class_index);", "uint32_t class);"))
    assert complaints(CPP[name], "c++11", [including(header, tmp_path)], tmp_path) != ""
    header.write_text(text)
    assert complaints(CPP[name], "c++11", [including(header, tmp_path)], tmp_path) == ""
