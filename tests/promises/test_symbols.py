"""No heap, stdio, libm or floating point: what the compiled objects call and which instructions they hold."""

import re
import shutil
import subprocess
import sys

import pytest

import faults
from embbert.errors import UsageError
from embbert.verify.device.cores import CORES, find_core
from embbert.verify.device.image import Builder
from embbert.verify.device.tools import find_tools
from embbert.verify.elf import read_object
from embbert.verify.host import read_export
from embbert.verify.sizes import MARKS, measure
from embbert.verify.stack import HELPERS
from embbert.verify.toolchain import Compiler

ARM, RISCV, ZIG = "arm-none-eabi", "riscv64-unknown-elf", [sys.executable, "-m", "ziglang", "cc"]
FPU = "-mfloat-abi=hard"
# Which instructions compute with floats. Those that only move integers, or compute with them, in the same
# registers do not count, except where a core has none of these.
ARM_FPU = re.compile(r"^v")
HELIUM = re.compile(r"^v.*\.f(16|32|64)|^v(cvt|sqrt)|^vm(la|ls)\.|^vfm")
X86 = re.compile(r"^v?(add|sub|mul|div|sqrt|min|max|comi|ucomi|hadd|fn?m(add|sub)\w*)[sp][sd]$|^v?cvt|^f")
RISCV_F = re.compile(r"^f(?!ence)")
BUILDS = {
    "gcc": (["gcc"], "-Os", "objdump", X86),
    "gcc, vectors": (["gcc", "-march=native"], "-O3", "objdump", X86),
    "clang": (["clang"], "-O2", "objdump", X86),
    "gcc, Cortex-M0+": ([f"{ARM}-gcc", "-mthumb", "-mcpu=cortex-m0plus"], "-Os", f"{ARM}-objdump", ARM_FPU),
    "gcc, Cortex-M3": ([f"{ARM}-gcc", "-mthumb", "-mcpu=cortex-m3"], "-O2", f"{ARM}-objdump", ARM_FPU),
    "gcc, Cortex-M4 with FPU": (
        [f"{ARM}-gcc", "-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", FPU],
        *("-O3", f"{ARM}-objdump", ARM_FPU),
    ),
    "gcc, Cortex-M7 with FPU": (
        [f"{ARM}-gcc", "-mthumb", "-mcpu=cortex-m7", "-mfpu=fpv5-d16", FPU],
        *("-O2", f"{ARM}-objdump", ARM_FPU),
    ),
    "gcc, Cortex-M33": ([f"{ARM}-gcc", "-mthumb", "-mcpu=cortex-m33"], "-Os", f"{ARM}-objdump", ARM_FPU),
    "gcc, Cortex-M55": (
        [f"{ARM}-gcc", "-mthumb", "-mcpu=cortex-m55", FPU],
        *("-O2", f"{ARM}-objdump", HELIUM),
    ),
    "gcc, RV32IMAC": (
        [f"{RISCV}-gcc", "-march=rv32imac", "-mabi=ilp32"],
        *("-Os", f"{RISCV}-objdump", RISCV_F),
    ),
    "zig, Cortex-M4": (
        [*ZIG, "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"],
        *("-Os", f"{ARM}-objdump", ARM_FPU),
    ),
    "zig, RV32IMAC": (
        [*ZIG, "-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+a+c"],
        *("-O2", f"{RISCV}-objdump", RISCV_F),
    ),
}
OWN = re.compile(r"^(embbert|model)_")


def compiled(build, sources, place):
    """Objects of these sources."""
    command, level, _, _ = BUILDS[build]
    place.mkdir(exist_ok=True)
    flags = ["-std=c99", "-ffreestanding", "-fno-stack-protector", "-g0", level, "-c"]
    # zig takes one source at a time.
    for group in [[source] for source in sources] if command[1:2] == ["-m"] else [sources]:
        subprocess.run([*command, *flags, *map(str, group)], cwd=place, check=True)
    return sorted(place.glob("*.o"))


def findings(build, objects):
    """Symbols that nobody promised, and instructions that compute with floats."""
    found = []
    for path in objects:
        undefined = read_object(path).undefined - HELPERS.keys() - MARKS.keys()
        found += [f"{path.stem} calls {name}" for name in sorted(undefined) if not OWN.match(name)]
    _, _, disassembler, floating = BUILDS[build]
    command = [disassembler, "-d", "--no-show-raw-insn", *map(str, objects)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    mnemonics = re.findall(r"^ +[0-9a-f]+:\t(\S+)", said, re.MULTILINE)
    assert len(mnemonics) > 5
    return found + [f"the instruction {name}" for name in sorted(set(mnemonics)) if floating.match(name)]


def wanted(build, need):
    need(BUILDS[build][0][0], BUILDS[build][2])


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS)
def test_objects_call_helpers_only_and_compute_with_integers_only(exports, need, tmp_path, build):
    """All of the runtime comes with weights in a file; the model itself also as it is with constants."""
    wanted(build, need)
    sources = [*exports["blob"].glob("*.c")]
    objects = compiled(build, sources, tmp_path / "o")
    assert len(objects) == len(sources) > 12
    objects += compiled(build, [exports["constants"] / "model.c"], tmp_path / "constants")
    objects += compiled(build, [*exports["linear"].glob("*.c")], tmp_path / "linear")
    objects += compiled(build, [exports["joint"] / "model.c"], tmp_path / "joint")
    assert findings(build, objects) == []


FAULTS = {
    "float": (
        "int32_t embbert_f(int32_t a) { return (int32_t)((float)a * 1.5f); }",
        r"calls __(aeabi_(fmul|i2f)|mulsf3)|instruction (vmul\.f32|v?mulss|vcvt)",
    ),
    "double": (
        "int32_t embbert_f(int32_t a) { return (int32_t)((double)a / 3.0); }",
        r"calls __(aeabi_ddiv|divdf3)|instruction (vdiv\.f64|v?divsd)",
    ),
    "heap": (
        "void *malloc(size_t bytes);\nvoid *embbert_f(size_t n) { return malloc(n); }",
        "calls malloc",
    ),
    "stdio": (
        'int printf(const char *, ...);\nint32_t embbert_f(int32_t a) { return printf("%d", (int)a); }',
        "calls printf",
    ),
    "libm": (
        "double cos(double);\nint32_t embbert_f(int32_t a) { return (int32_t)cos((double)a); }",
        "calls cos",
    ),
    "another function of the C library": (
        "int memcmp(const void *, const void *, size_t);\n"
        "int32_t embbert_f(const char *a, size_t n) { return memcmp(a, a + n, n); }",
        "calls memcmp",
    ),
}
PADDING = """
int32_t embbert_sum(const int32_t *a, int32_t n)
{
    int32_t s = 0;
    while (n-- > 0) {
        s += a[n] >> 3;
    }
    return s;
}
"""
PLANTED = ("gcc", "clang", "gcc, Cortex-M4 with FPU", "gcc, Cortex-M33", "gcc, Cortex-M55", "gcc, RV32IMAC")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("build", [*PLANTED, "zig, Cortex-M4"])
def test_planted_faults_are_found(need, tmp_path, build, fault):
    wanted(build, need)
    source, message = FAULTS[fault]
    path = tmp_path / "fault.c"
    path.write_text(f"#include <stddef.h>\n#include <stdint.h>\n{PADDING}{source}\n")
    assert re.search(message, " | ".join(findings(build, compiled(build, [path], tmp_path))))


@pytest.mark.parametrize("build", PLANTED)
def test_a_helper_that_nobody_promised_is_found(need, tmp_path, build):
    wanted(build, need)
    if build == "clang":
        pytest.skip("clang counts bits without a helper")
    path = tmp_path / "fault.c"
    path.write_text(
        f"#include <stdint.h>\n{PADDING}int32_t embbert_f(uint64_t a) {{ return __builtin_popcountll(a); }}\n"
    )
    assert any("calls __popcount" in one for one in findings(build, compiled(build, [path], tmp_path)))


EVERY = [(core, tools) for core in CORES for tools in ("gcc", "zig") if not CORES[core].wasm]


@pytest.mark.parametrize(("core", "name"), EVERY)
def test_a_verification_looks_for_floats_in_what_it_built(exports, tmp_path, core, name):
    """Neither instructions nor helpers of the compiler may compute with them, in any core's build."""
    try:
        tools = find_tools(find_core(core), name)
    except UsageError as error:
        pytest.skip(str(error))
    place = shutil.copytree(exports["constants"], tmp_path / "c")
    export = read_export(place)[1]
    assert Builder(export, find_core(core), tools, tmp_path / "good").foreign_calls("-Os") == []
    faults.floating_point(place)
    (found,) = Builder(export, find_core(core), tools, tmp_path / "bad").foreign_calls("-Os")
    assert re.match(r"embbert_norm\.c calls (__aeabi_[df]|__\w+[ds]f)", found)


FOREIGN = re.compile(r"\b(?:float|double|malloc|calloc|realloc|free|alloca|printf|setjmp|longjmp|goto)\b")
HEADERS = {"stddef.h", "stdint.h", "arm_mve.h"}


def words(path):
    """What a file says outside of comments and strings that it should not."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.DOTALL)
    found = [
        f"includes {name}" for name in re.findall(r"#\s*include\s*<([^>]+)>", text) if name not in HEADERS
    ]
    code = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    found += [f"says {word}" for word in FOREIGN.findall(code)]
    return found + [f"has the number {number}" for number in re.findall(r"\b\d+\.\d*f?\b", code)]


def test_sources_name_neither_floats_nor_libraries(exports, tmp_path):
    """Constants that a compiler folds leave no instruction behind, but they stand in the source."""
    for place in exports.values():
        for path in (*place.glob("*.c"), *place.glob("*.h")):
            assert words(path) == [], path.name
    fault = tmp_path / "a.c"
    fault.write_text("#include <math.h>\n/* a float */ static const int x = (int)(2.5f * (float)3);\n")
    assert words(fault) == ["includes math.h", "says float", "has the number 2.5f"]


def test_a_hardened_compiler_is_no_contradiction(exports, need, tmp_path):
    """Distributions turn on guards that call into the C library: the sizes are measured without them."""
    need("gcc")
    hardened = tmp_path / "hardened"
    hardened.write_text('#!/bin/sh\nexec gcc -fstack-protector-all "$@"\n')
    hardened.chmod(0o755)
    report, export = read_export(exports["constants"])
    assert measure(export, Compiler(str(hardened), "hardened"), tmp_path, report, {}).undefined == ()
