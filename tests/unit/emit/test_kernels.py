"""Every form of the inner loops computes the same integers, on any shape, and is chosen where it belongs."""

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plans
from embbert.emit.c99 import runtime_files
from embbert.emit.stages import HIGH_SHIFT, lift
from embbert.verify.compare import compare
from embbert.verify.device import cores
from embbert.verify.program import Program
from embbert.verify.toolchain import STRICT, find_compiler

NATIVE = Path(__file__).parents[2] / "native"
FORMS = {"scalar": 1, "dsp": 2, "vector": 3, "mve": 4}
BUILDS = {
    **{name: [f"-DEMBBERT_KERNELS={number}", f"-I{NATIVE}"] for name, number in FORMS.items()},
    "vector of this machine": ["-march=native", "-O3"],
}
SHIM = """
#include "embbert_kernels.h"
#include "embbert_scaling.h"
#include "embbert_ops.h"
uint32_t block(void) { return EMBBERT_BLOCK; }
uint32_t step(void) { return EMBBERT_STEP; }
uint32_t row(void) { return EMBBERT_ROW; }
uint32_t factor_step(void) { return EMBBERT_FACTOR_STEP; }
uint32_t factor_row(uint32_t count) { (void)count; return EMBBERT_FACTOR_ROW(count); }
void put(int32_t *f, uint32_t r, uint32_t j, uint32_t n, int32_t v) { embbert_put_factor(f, r, j, n, v); }
int32_t high(int32_t a, int32_t m, uint32_t s) { return embbert_high(a, m, embbert_half(s), s); }
int32_t isqrt(uint32_t v) { return (int32_t)embbert_isqrt(v); }
"""
ARM = shutil.which("arm-none-eabi-gcc")
needs_arm = pytest.mark.skipif(ARM is None, reason="arm-none-eabi-gcc is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("runtime")
    for name, text in runtime_files(tokenizer=False).items():
        (place / name).write_text(text)
    (place / "shim.c").write_text(SHIM)
    return place


@pytest.fixture(scope="module", params=BUILDS)
def loops(request, folder):
    """One form as a library; undefined behaviour ends the process."""
    library = folder / f"{request.param.replace(' ', '_')}.so"
    flags = ["-std=c99", "-shared", "-fPIC", "-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    find_compiler().compile(sorted(folder.glob("*.c")), library, [*flags, *BUILDS[request.param]])
    return ctypes.CDLL(str(library))


def integers(rng, low, high, *shape, dtype=np.int8):
    """Random, and now and then at its limits."""
    values = rng.integers(low, high + 1, shape)
    extreme = rng.random(shape) < rng.choice([0, 0.1, 1])
    return np.where(extreme, rng.choice([low, high], shape), values).astype(dtype)


def pointer(array):
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def in_block(loops, sums, rows, columns):
    """Rows x columns of a block."""
    index = np.arange(rows)[:, None] * loops.row() + np.arange(columns) * loops.step()
    return sums[index]


SHAPES = {"rows": st.integers(1, 4), "seed": st.integers(0, 2**32 - 1)}


@settings(max_examples=30)
@given(outputs=st.integers(1, 32), count=st.integers(1, 300), biased=st.booleans(), **SHAPES)
def test_products(loops, outputs, count, biased, rows, seed):
    rng = np.random.default_rng(seed)
    weight, x = integers(rng, -127, 127, outputs, count), integers(rng, -127, 127, rows, count)
    bias = integers(rng, -(2**20), 2**20, outputs, dtype=np.int32)
    sums = np.full(4 * loops.block(), 99, dtype=np.int32)
    place = (pointer(sums), loops.row(), loops.step())
    bias_or_null = pointer(bias) if biased else None
    loops.embbert_products(pointer(weight), bias_or_null, outputs, pointer(x), rows, count, *place)
    found = in_block(loops, sums, rows, outputs).astype(np.int64)
    expected = x.astype(np.int64) @ weight.astype(np.int64).T
    if biased:
        assert found.tolist() == (expected + bias).tolist()
    else:  # a score counts by its distance to the others
        assert (found - found[:, :1]).tolist() == (expected - expected[:, :1]).tolist()


@settings(max_examples=30)
@given(columns=st.integers(1, 32), spare=st.integers(0, 9), count=st.integers(1, 70), **SHAPES)
def test_mix(loops, columns, spare, count, rows, seed):
    rng = np.random.default_rng(seed)
    keys = integers(rng, -127, 127, count, columns + spare)
    factors = integers(rng, *((-127, 127) if seed % 2 else (0, 16384)), 4, count, dtype=np.int32)
    factors[rows:] = 0
    placed = np.full(4 * count, -1, dtype=np.int32)
    for row in range(4):
        for j in range(count):
            loops.put(pointer(placed), row, j, count, int(factors[row, j]))
    before = integers(rng, -1000, 1000, 4 * loops.block(), dtype=np.int32)
    sums = before.copy()
    # Cut out, so that a sanitizer or a neighbour would notice a read behind the last key.
    loops.embbert_mix(pointer(placed), pointer(keys), columns + spare, count, rows, columns, pointer(sums))
    expected = factors[:rows].astype(np.int64) @ keys[:, :columns].astype(np.int64)
    expected += in_block(loops, before, rows, columns)
    assert in_block(loops, sums, rows, columns).tolist() == expected.tolist()


@settings(max_examples=30)
@given(columns=st.integers(1, 32), spare=st.integers(0, 9), taps=st.integers(1, 40), **SHAPES)
def test_window(loops, columns, spare, taps, rows, seed):
    rng = np.random.default_rng(seed)
    weight = integers(rng, -127, 127, taps, columns + 2 * spare)
    text = integers(rng, -127, 127, taps + rows - 1, columns + spare)
    before = integers(rng, -1000, 1000, 4 * loops.block(), dtype=np.int32)
    sums = before.copy()
    steps = (columns + 2 * spare, pointer(text), columns + spare)
    loops.embbert_window(pointer(weight), *steps, taps, rows, columns, pointer(sums))
    expected = in_block(loops, before, rows, columns).astype(np.int64)
    for row in range(rows):
        for k in range(taps):
            expected[row] += weight[k, :columns].astype(np.int64) * text[row + k, :columns]
    assert in_block(loops, sums, rows, columns).tolist() == expected.tolist()


@settings(max_examples=300)
@given(
    st.integers(-(2**31) + 1, 2**31 - 1), st.integers(-(2**31) + 1, 2**31 - 1), st.integers(HIGH_SHIFT, 62)
)
def test_the_upper_half_of_a_product_is_enough(loops, accumulator, multiplier, shift):
    assert (
        loops.high(accumulator, multiplier, shift) == (accumulator * multiplier + (1 << (shift - 1))) >> shift
    )


@settings(max_examples=200)
@given(st.integers(1, 62), st.integers(0, 2**31 - 1), st.data())
def test_lift_leaves_the_result_alone_and_cannot_overflow(shift, reach, data):
    bits = lift(shift, reach)
    assert reach << bits < 2**31
    assert bits in (0, HIGH_SHIFT - shift)
    x, m = data.draw(st.integers(-reach, reach)), data.draw(st.integers(-(2**31) + 1, 2**31 - 1))
    rounded = ((x << bits) * m + (1 << (shift + bits - 1))) >> (shift + bits)
    assert rounded == (x * m + (1 << (shift - 1))) >> shift


@pytest.mark.parametrize(
    ("shift", "reach", "bits"),
    [(33, 1, 0), (31, 2**20, 2), (31, 2**29, 0), (40, 2**31, 0), (3, 0, 30), (2, 0, 0), (1, 0, 0)],
)
def test_lift_is_what_is_missing_if_there_is_room(shift, reach, bits):
    assert lift(shift, reach) == bits


@pytest.mark.parametrize("form", FORMS)
def test_whole_models_equal_the_reference_under_sanitizers(tmp_path, form):
    sizes = {"hidden_size": 37, "embedding_size": 19, "kernel_size": 9, "max_length": 18}
    plan = plans.wild_plan(FORMS[form], **sizes, expansion=2, pooling="mean", residual=True, num_layers=1)
    export = plans.write_export(plan, tmp_path / "net")
    flags = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *BUILDS[form]]
    program = Program(export, find_compiler(), tmp_path, flags, trace=True)
    asked = plans.id_questions(plan, count=11)
    for index, (question, reply) in enumerate(zip(asked, program.ask(asked), strict=True)):
        assert compare(plan, None, index, question, reply)[0] is None


@pytest.mark.parametrize("compiler", plans.COMPILERS)
@pytest.mark.parametrize("form", FORMS)
def test_no_form_causes_a_warning(folder, form, compiler):
    flags = ["-fsyntax-only", *STRICT, f"-DEMBBERT_KERNELS={FORMS[form]}", "-isystem", str(NATIVE)]
    line = [compiler, *flags, *map(str, sorted(folder.glob("embbert*.c")))]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def chosen(command, folder):
    source = '#include "embbert_kernels.h"\nchosen EMBBERT_KERNELS\n'
    done = subprocess.run(
        [*command, "-E", "-P", f"-I{folder}", "-"], input=source, capture_output=True, text=True, check=True
    )
    return int(re.findall(r"chosen (\d)", done.stdout)[0])


def test_a_host_takes_the_loops_for_vectors(folder):
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    if machine not in ("x86_64", "aarch64", "arm64"):
        pytest.skip(f"{machine} may have no vectors")
    assert chosen([find_compiler().command], folder) == FORMS["vector"]


CORES = {"m0plus": "scalar", "m3": "scalar", "m4": "dsp", "m7": "dsp", "m33": "dsp", "m55": "mve"}


@needs_arm
@pytest.mark.parametrize("core", CORES)
def test_each_core_takes_its_own_form(folder, core):
    command = [
        ARM,
        "-mthumb",
        f"-mcpu=cortex-{core}",
        "-mfloat-abi=hard" if core == "m55" else "-mfloat-abi=soft",
    ]
    assert chosen(command, folder) == FORMS[CORES[core]]


@pytest.mark.slow
@pytest.mark.parametrize("core", [name for name, core in cores.CORES.items() if name.startswith("cortex")])
def test_zig_takes_the_same_form(folder, core):
    pytest.importorskip("ziglang")
    command = [sys.executable, "-m", "ziglang", "cc", *cores.CORES[core].zig, "-x", "c"]
    assert chosen(command, folder) == FORMS[CORES[core.removeprefix("cortex-")]]


def assembly(folder, source, *flags):
    command = [ARM, "-mthumb", "-mcpu=cortex-m4", "-std=c99", "-ffreestanding", "-S", "-o", "-", *flags]
    return subprocess.run(
        [*command, str(folder / source)], capture_output=True, text=True, check=True
    ).stdout.splitlines()


@needs_arm
def test_words_are_loaded_without_a_call(folder):
    """Freestanding compilers turn the plain memcpy of a word into a call."""
    for source in sorted(folder.glob("embbert*.c")):
        assert "memcpy" not in "\n".join(assembly(folder, source.name, "-Os")), source.name


@needs_arm
@pytest.mark.parametrize("flags", [["-O2"], ["-O3"], ["-O2", "-fno-schedule-insns"]])
def test_the_scheduler_cannot_make_the_dsp_loop_spill(folder, flags):
    """Between the multiplications of the longest straight stretch nothing goes to or from the stack."""
    stretch, longest = [], []
    for line in assembly(folder, "embbert_dsp.c", *flags):
        if re.match(r"\S+:$|\s+b[a-z]*\s", line):
            longest = max(longest, stretch, key=lambda lines: sum("smlad" in one for one in lines))
            stretch = []
        elif line.startswith("\t") and not line.startswith(("\t.", "\t@")):
            stretch.append(line.strip())
    first = next(i for i, line in enumerate(longest) if "smlad" in line)
    last = max(i for i, line in enumerate(longest) if "smlad" in line)
    loop = longest[first : last + 1]
    assert sum("smlad" in line for line in loop) >= 32
    assert not [line for line in loop if "sp" in line.split("\t")[-1] or "[sp" in line]
