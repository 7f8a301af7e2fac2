"""Every operator of the C runtime, under the sanitizers, equals the reference on extreme plans."""

import pytest

import plans
from embbert.emit.checks import check
from embbert.quant.reference import run
from embbert.verify.compare import compare
from embbert.verify.program import Program
from embbert.verify.toolchain import STRICT, find_compiler

SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

SHAPES = {
    "paper": {"hidden_size": 64, "kernel_size": 8, "max_length": 40},
    "paper, mean, odd sizes": {"hidden_size": 37, "expansion": 3, "pooling": "mean", "embedding_size": 7},
    "residual, centred": {"residual": True, "causal_conv": False, "expansion": 2, "hidden_size": 33},
    "residual, mean, one layer": {"residual": True, "pooling": "mean", "num_layers": 1, "kernel_size": 1},
    "kernel longer than texts": {"kernel_size": 31, "causal_conv": False, "max_length": 16, "num_layers": 3},
    "low shifts": {"hidden_size": 41, "expansion": 2, "pooling": "mean", "residual": True},
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_operators_equal_the_reference_without_undefined_behaviour(tmp_path, name, compiler):
    plan = plans.wild_plan(sum(map(ord, name)), **SHAPES[name])
    if name == "low shifts":
        plan = plans.low_plan(plan)
    export = plans.write_export(plan, tmp_path / "net")
    program = Program(export, find_compiler(compiler), tmp_path, SANITIZE, trace=True)
    asked = plans.id_questions(plan)
    compared = 0
    for index, (question, reply) in enumerate(zip(asked, program.ask(asked), strict=True)):
        difference, count = compare(plan, None, index, question, reply)
        assert difference is None
        compared += count
    operators = sum(len(stage.ops) for stage in plan.stages)
    assert compared > len(asked) * operators


@pytest.mark.parametrize(
    "flags",
    [
        ("-O0",),
        ("-O2",),
        ("-O3", "-march=native", "-fsanitize=undefined", "-fno-sanitize-recover=all"),
        ("-O3", "-march=native"),
        ("-Os", "-funsigned-char"),
    ],
)
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_optimisation_changes_nothing(tmp_path, compiler, flags):
    plan = plans.wild_plan(9, hidden_size=96, max_length=70, expansion=2)
    check(plan)
    export = plans.write_export(plan, tmp_path / "net")
    program = Program(export, find_compiler(compiler), tmp_path, flags, trace=True)
    asked = plans.id_questions(plan, count=16)
    for index, (question, reply) in enumerate(zip(asked, program.ask(asked), strict=True)):
        assert compare(plan, None, index, question, reply)[0] is None


@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_small_and_large_targets_are_served(tmp_path, compiler):
    """32-bit without operating system or library, and this machine at its fastest: not a word of warning."""
    export = plans.write_export(plans.wild_plan(3), tmp_path / "net")
    for source in export.sources():
        for flags in (
            ["-m32", "-ffreestanding", "-Os"],
            ["-DEMBBERT_TRACE", "-O1"],
            ["-O3", "-march=native"],
        ):
            find_compiler(compiler).compile([source], tmp_path / "x.o", ["-c", *flags, *STRICT])


def test_extreme_plans_reach_saturation():
    """The plans above would prove little if clamping never happened."""
    plan = plans.wild_plan(1, hidden_size=64)
    seen: dict[str, set[int]] = {}
    for question in plans.id_questions(plan):
        run(plan, question.ids, lambda name, rows: seen.setdefault(name, set()).update(rows.ravel().tolist()))
    assert {-127, 127} <= seen["layer0.query"]
    assert {-127, 127} <= seen["layer0.norm"]
    assert len(seen["layer0.attend"]) > 50
    assert len(seen["layer0.contract"]) > 100


def test_low_shifts_reach_saturation_too():
    plan = plans.low_plan(plans.wild_plan(sum(map(ord, "low shifts")), **SHAPES["low shifts"]))
    seen: dict[str, set[int]] = {}
    for question in plans.id_questions(plan):
        run(plan, question.ids, lambda name, rows: seen.setdefault(name, set()).update(rows.ravel().tolist()))
    for name in ("embed.embed", "layer0.query", "layer0.attend", "layer0.add", "norm0.norm"):
        limit = 32767 if name in ("embed.embed", "layer0.add") else 127
        assert {-limit, limit} <= seen[name], name
        assert len(seen[name]) > 20 or name == "layer0.attend"
