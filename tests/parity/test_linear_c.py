"""Linear models as C: the bag alone, whole folders in every form, and files of weights that are not sound."""

import ctypes
import dataclasses
import itertools

import numpy as np
import pytest

import linears
import operators
import plans
from embbert.emit.c99 import contents, export_c, runtime_files
from embbert.quant import reference, spec
from embbert.quant.plan_io import load_plan
from embbert.verify.host import check_export, questions, verify_host
from embbert.verify.program import Program, Question
from embbert.verify.toolchain import find_compiler

SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.parametrize("weights", ["constants", "blob"])
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_a_bag_equals_the_reference(tmp_path, weights, compiler):
    for seed, (classes, shift) in enumerate(itertools.product((1, 3, 7), (20, 40, 62))):
        plan = linears.bag_plan(seed, classes=classes, shift=shift)
        place = tmp_path / f"{seed}"
        place.mkdir()
        export = plans.write_export(plan, place / "c", weights)
        program = Program(export, find_compiler(compiler), place, SANITIZED, trace=True)
        rng = np.random.default_rng(seed)
        asked = [Question(ids=tuple(rng.integers(0, 50, count).tolist())) for count in (*range(9), 39, 40)]
        for question, reply in zip(asked, program.ask(asked), strict=True):
            expected = reference.run(plan, question.ids)
            assert reply.status == 0
            assert reply.logits.tolist() == expected.tolist()
            assert reply.trace["head.classify"].tolist() == [expected.tolist()]
        too_long, unknown = program.ask([Question(ids=(1,) * 41), Question(ids=(50,))])
        assert (too_long.status, unknown.status) == (7, 8)


def test_the_longest_texts_of_the_largest_weights_equal_the_reference(tmp_path):
    plan = linears.bag_plan(max_length=spec.MAX_BAG_IDS, shift=50)
    largest = np.resize(np.array([127, -127, 126], np.int8), (50, 3))
    (stage,) = plan.stages
    bag = dataclasses.replace(stage.ops[0], weight=largest)
    plan = dataclasses.replace(plan, stages=(dataclasses.replace(stage, ops=(bag,)),))
    export = plans.write_export(plan, tmp_path / "c")
    program = Program(export, find_compiler("gcc"), tmp_path, SANITIZED, trace=True)
    asked = [
        Question(ids=(7,) * count) for count in (1, 4, 5, 40, 2048, 16_383, 16_384, 65_534, spec.MAX_BAG_IDS)
    ]
    for question, reply in zip(asked, program.ask(asked), strict=True):
        assert (reply.status, reply.logits.tolist()) == (0, reference.run(plan, question.ids).tolist())


@pytest.mark.parametrize(
    ("task", "pair", "weights", "charset"),
    [
        ("classify", False, "constants", "unicode"),
        ("classify", True, "blob", "latin"),
        ("regress", True, "constants", "unicode"),
        ("regress", False, "blob", "unicode"),
    ],
)
def test_folders_are_verified(tmp_path, task, pair, weights, charset):
    folder = linears.linear_folder(tmp_path / "m", task, pair=pair)
    texts = [*linears.TEXTS, "", "ZÜRICH zürich Zürich 各"]
    pairs = texts[::-1] if pair else None
    found = verify_host(folder, load_plan(folder), texts, pairs, weights=weights, charset=charset)
    assert not found.problems
    assert found.difference is None
    assert found.texts == len(texts) + 11


def test_a_planted_fault_is_found(tmp_path):
    folder = linears.linear_folder(tmp_path / "m")
    plan = load_plan(folder)
    export_c(folder, plan, tmp_path / "c")
    source = tmp_path / "c" / "embbert_ngrams.c"
    text = source.read_text()
    assert text.count("find->follows = 1;") == 1
    source.write_text(text.replace("find->follows = 1;", "find->follows = 0;"))
    found = check_export(tmp_path / "c", plan, folder.tokenizer, questions(folder, linears.TEXTS))
    assert found.difference is not None
    assert found.difference.where == "tokens"


def test_only_what_a_linear_model_needs_is_copied_out(tmp_path):
    folder = linears.linear_folder(tmp_path / "m")
    files, report = contents(folder, load_plan(folder), "model")
    assert {name for name in files if name.startswith("embbert")} == {
        "embbert.h", "embbert_alphabet.h", "embbert_bag.c", "embbert_kernels.h", "embbert_math.h",
        "embbert_ngrams.c", "embbert_ngrams.h", "embbert_ops.h", "embbert_scaling.h", "embbert_status.c",
        "embbert_text.h",
    }  # fmt: skip
    assert [region["name"] for region in report["arena"]] == ["ids", "logits"]
    assert not any("ngrams" in name or "bag" in name for name in runtime_files(plans.wild_plan(0)))


class Bag(ctypes.Structure):
    """`embbert_bag`."""

    _fields_ = [
        ("weight", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("multiplier", ctypes.c_void_p),
        ("outputs", ctypes.c_uint16),
        ("shift", ctypes.c_uint8),
    ]


def test_a_bag_is_sound_within_its_ranges(tmp_path):
    runtime = operators.library(tmp_path, "scalar")
    good = {
        "weight": np.array([[1, -127], [127, 3]], np.int8),
        "bias": np.array([1, 2], np.int32),
        "multiplier": np.array([3, 4], np.int32),
        "outputs": 2,
        "shift": 9,
    }

    def sound(**changes):
        values = {**good, **changes}
        places = {k: operators.pointer(v) if isinstance(v, np.ndarray) else v for k, v in values.items()}
        return runtime.embbert_bag_sound(ctypes.byref(Bag(**places)), 2)

    assert sound() == 1
    assert [sound(shift=shift) for shift in (0, 1, 62, 63, 255)] == [0, 1, 1, 0, 0]
    for field, dtype in (("weight", np.int8), ("bias", np.int32), ("multiplier", np.int32)):
        for at in (0, -1):
            array = good[field].copy()
            array.flat[at] = np.iinfo(dtype).min
            assert sound(**{field: array}) == 0
            array.flat[at] += 1
            assert sound(**{field: array}) == 1


def test_a_shorter_export_cuts_the_ngrams(tmp_path):
    folder = linears.linear_folder(tmp_path / "m")
    plan = load_plan(folder)
    found = verify_host(folder, plan, linears.TEXTS, max_length=5)
    assert not found.problems
    assert dataclasses.replace(plan, max_length=5).classes == 3
