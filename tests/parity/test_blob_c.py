"""Weights in a file of their own: the same results, and nothing in a damaged or forged file does harm."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

import factory
import folders
import plans
from embbert.emit.blob import GOLDENS, HEADER
from embbert.emit.c99 import export_c
from embbert.emit.golden import goldens
from embbert.emit.render import Interface, blob
from embbert.quant.plan_io import load_plan
from embbert.verify.compare import compare
from embbert.verify.host import questions
from embbert.verify.program import Export, Program
from embbert.verify.sizes import expected_arrays, measure
from embbert.verify.toolchain import STRICT, find_compiler

DRIVER = Path(__file__).with_name("blob_driver.c")
SANITIZERS = ["-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
TINY = {"vocab_size": 12, "hidden_size": 6, "embedding_size": 2, "kernel_size": 3, "max_length": 10}
SHAPES = {
    "faithful": {**TINY, "num_layers": 2},
    "residual": {**TINY, "num_layers": 1, "residual": True, "pooling": "mean", "expansion": 2},
}


def agrees(export, plan, tokenizer, asked, place):
    """All rows, logits and answers are the reference's, and so those of an export with constants."""
    program = Program(export, find_compiler(), place, ["-O1"], trace=True)
    for index, (question, reply) in enumerate(zip(asked, program.ask(asked), strict=True)):
        classify = export.task == "classify"
        difference, count = compare(plan, tokenizer, index, question, reply, classify=classify)
        assert difference is None
        assert count > 50


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"pair": True, "residual": True, "pooling": "mean"},
        {"task": "regress", "causal_conv": False, "expansion": 2},
    ],
)
def test_a_blob_computes_what_constants_compute(tmp_path, kind):
    folder = folders.small_folder(tmp_path / "model", **kind)
    plan = load_plan(folder)
    report = export_c(folder, plan, tmp_path / "c", weights="blob")
    export = Export(tmp_path / "c", "model", folder.task, folder.pair)
    assert report["bytes"]["blob"] == (tmp_path / "c" / "model_weights.bin").stat().st_size
    asked = questions(folder, folders.TEXTS, folders.TEXTS[::-1] if folder.pair else None)
    agrees(export, plan, folder.tokenizer, asked, tmp_path)


def test_a_blob_of_wild_weights_computes_what_constants_compute(tmp_path):
    plan = plans.wild_plan(3, residual=True, expansion=2)
    plans.write_export(plan, tmp_path / "c", "blob")
    export = Export(tmp_path / "c", "net", "classify", pair=False, text_front=False)
    agrees(export, plan, None, plans.id_questions(plan), tmp_path)


def driver(path, place, *flags):
    program = place / "driver"
    find_compiler().compile([DRIVER, *sorted(path.glob("*.c"))], program, [*SANITIZERS, *flags, f"-I{path}"])
    return program


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.split()


@pytest.mark.parametrize("kernels", [(), ("-DEMBBERT_KERNELS=1",), ("-DEMBBERT_KERNELS=2",)])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_truncation_and_every_flip_is_refused_or_harmless(tmp_path, shape, kernels):
    plan = factory.random_plan(factory.small_config(**SHAPES[shape]))
    plans.write_export(plan, tmp_path / "c", "blob")
    accepted, refused = map(
        int, run(driver(tmp_path / "c", tmp_path, *kernels), tmp_path / "c" / "net_weights.bin")
    )
    assert accepted > 5000
    assert refused > 500


def sealed(data):
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def tiny_blob():
    plan = factory.random_plan(factory.small_config(**SHAPES["residual"]))
    interface = Interface(
        "net", "classify", ("one", "two", 'th"r\\ee??/'), pair=False, text_front=False, weights="blob"
    )
    return plan, blob(plan, interface)


FORGERIES = {
    "embed_embed_token_table": b"\x80",
    "embed_embed_position_weight": b"\x80",
    "embed_embed_segment_table": b"\x00\x80",
    "embed_embed_token_multiplier": b"\x00\x00\x00\x80",
    "embed_embed_token_shift": b"\x3f",
    "embed_embed_position_lift": b"\x21",
    "norm0_norm_gain": b"\x00\x80",
    "norm0_norm_epsilon": bytes(8),
    "norm0_norm_shift": b"\x00",
    "layer0_query_weight": b"\x80",
    "layer0_query_bias": b"\xff\xff\xff\x7f",
    "layer0_query_shift": b"\x00",
    "layer0_query_lift": b"\x1f",
    "layer0_attend_exp_multiplier": b"\xff\xff\xff\xff",
    "layer0_attend_out_multiplier": b"\x00\x00\x00\x00",
    "layer0_attend_exp_shift": b"\x00",
    "layer0_attend_out_shift": b"\xff",
    "layer0_conv_weight": b"\x80",
    "layer0_conv_bias": b"\x00\x00\x00\x80",
    "layer0_conv_table": b"\x80",
    "layer0_conv_multiplier": b"\x00\x00\x00\x80",
    "layer0_conv_shift": b"\x3f",
    "head_classify_bias": b"\xff\xff\xff\x7f",
    "head_classify_shift": b"\x40",
}


def test_a_right_checksum_does_not_get_a_bad_value_past_the_checks(tmp_path):
    plan, file = tiny_blob()
    plans.write_export(plan, tmp_path / "c", "blob")
    program = driver(tmp_path / "c", tmp_path)
    forged = tmp_path / "forged.bin"
    forged.write_bytes(file.data)
    assert run(program, forged, "status") == ["ok"]
    for name, value in FORGERIES.items():
        at = file.offset(name)
        forged.write_bytes(sealed(file.data[:at] + value + file.data[at + len(value) :]))
        assert " ".join(run(program, forged, "status")) == "a value among the weights is out of range", name


def test_the_same_c_serves_the_weights_of_another_training_but_not_of_another_model(tmp_path):
    config = factory.small_config(**TINY)
    first, second = (factory.random_plan(config, seed=seed) for seed in (0, 1))
    for name, plan in (("first", first), ("second", second)):
        plans.write_export(plan, tmp_path / name, "blob")
    for file in (tmp_path / "first").iterdir():
        same = file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()
        assert same == (file.suffix != ".bin"), file.name
    shutil.copy(tmp_path / "second" / "net_weights.bin", tmp_path / "first")
    export = Export(tmp_path / "first", "net", "classify", pair=False, text_front=False)
    agrees(export, second, None, plans.id_questions(second), tmp_path)

    centred = factory.random_plan(factory.small_config(**TINY, causal_conv=False))
    plans.write_export(centred, tmp_path / "third", "blob")
    program = driver(tmp_path / "first", tmp_path)
    assert (
        " ".join(run(program, tmp_path / "third" / "net_weights.bin", "x"))
        == "the weights belong to another model"
    )


SELF_TEST = r"""
#include "model.h"
#include <stdio.h>
static uint64_t arena[MODEL_ARENA_BYTES / 8], bytes[MODEL_BLOB_BYTES / 8 + 1];
int main(int argc, char **argv)
{
    model_weights weights = {NULL};
    FILE *file = fopen(argv[argc - 1], "rb");
    const size_t count = fread(bytes, 1, sizeof bytes, file);
    puts(embbert_status_text(model_self_test(&weights, arena, sizeof arena)));
    puts(embbert_status_text(model_open(bytes, count, &weights)));
    puts(embbert_status_text(model_self_test(&weights, arena, sizeof arena)));
    fclose(file);
    return 0;
}
"""


def test_the_self_test_notices_one_flipped_weight_in_a_forged_blob(tmp_path):
    folder = folders.small_folder(tmp_path / "model")
    plan = load_plan(folder)
    export_c(folder, plan, tmp_path / "c", weights="blob")
    (tmp_path / "main.c").write_text(SELF_TEST)
    program = tmp_path / "main"
    sources = [tmp_path / "main.c", *sorted((tmp_path / "c").glob("*.c"))]
    find_compiler().compile(sources, program, [*SANITIZERS, f"-I{tmp_path / 'c'}"])
    path = tmp_path / "c" / "model_weights.bin"
    data = path.read_bytes()

    def says():
        done = subprocess.run([program, path], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    closed = "there are no weights, or they were not opened"
    assert says() == [closed, "ok", "ok"]
    made = goldens(plan, folder.tokenizer, pair=False)
    interface = Interface("model", "classify", folder.labels, pair=False, weights="blob")
    file = blob(plan, interface, made)
    assert file.data[HEADER.size : -4] == data[HEADER.size : -4]
    for name in ("head_classify_weight", "layer0_query_weight", "embed_embed_token_weight", GOLDENS):
        at = file.offset(name)
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        assert says() == [closed, "the checksum of the weights is wrong", closed], name
        path.write_bytes(sealed(path.read_bytes()))
        assert says() == [closed, "ok", "the self-test's results differ from those of the exported model"], (
            name
        )


# The bound on code grows with the operators: with many it must not owe its truth to the rest of it.
@pytest.mark.parametrize("num_layers", [1, 40])
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_blob_exports_compile_without_a_warning_and_call_nothing(tmp_path, compiler, num_layers):
    folder = folders.small_folder(tmp_path / "model", num_layers=num_layers)
    plan = load_plan(folder)
    report = export_c(folder, plan, tmp_path / "c", weights="blob")
    export = Export(tmp_path / "c", "model", "classify", pair=False)
    for source in export.sources():
        find_compiler(compiler).compile([source], tmp_path / "strict.o", ["-c", "-O1", *STRICT])
    expected = expected_arrays(plan, folder.tokenizer, "model", blob=True)
    sizes = measure(export, find_compiler(compiler), tmp_path, report, expected)
    assert sizes is not None
    assert sizes.problems == ()
    assert (sizes.constants, sizes.writable, sizes.undefined) == (0, 0, ())
    assert sizes.tokenizer == report["bytes"]["tokenizer"]
