"""Whole plans in the shapes of other architectures: the C, under the sanitizers, equals the reference."""

import pytest

import architectures
import operators
import plans
from embbert.emit.c99 import OPERATOR_FILES
from embbert.quant import spec
from embbert.verify.compare import compare
from embbert.verify.program import Program
from embbert.verify.toolchain import STRICT, find_compiler

EMBBERT = (spec.Embed, spec.Norm, spec.Linear, spec.Attend, spec.Conv, spec.Add, spec.Pool)
NEEDED = {name for kind in EMBBERT for name in OPERATOR_FILES[kind]}
NEEDLESS = {name for names in OPERATOR_FILES.values() for name in names} - NEEDED
SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def all_equal(plan, place, compiler="gcc", flags=SANITIZE, weights="constants"):
    """Every row that every operator writes, for texts of all small lengths."""
    export = plans.write_export(plan, place / "net", weights)
    program = Program(export, find_compiler(compiler), place, flags, trace=True)
    asked = plans.id_questions(plan)
    compared = 0
    for index, (question, reply) in enumerate(zip(asked, program.ask(asked), strict=True)):
        assert len(reply.trace) == sum(len(stage.ops) for stage in plan.stages)
        difference, count = compare(plan, None, index, question, reply)
        assert difference is None
        compared += count
    assert compared > 2000


@pytest.mark.parametrize("compiler", plans.COMPILERS)
@pytest.mark.parametrize("name", architectures.PLANS)
def test_every_architecture_equals_the_reference(tmp_path, name, compiler):
    all_equal(architectures.PLANS[name](), tmp_path, compiler)


@pytest.mark.parametrize("name", architectures.PLANS)
def test_extreme_values_equal_the_reference(tmp_path, name):
    """In files of weights; half of the plans have shifts that need the lower half of a product."""
    plan = plans.wild(architectures.PLANS[name](seed=1), 1)
    all_equal(plans.low_plan(plan) if "," in name else plan, tmp_path, weights="blob")


@pytest.mark.parametrize("form", operators.FORMS)
def test_heads_with_values_of_their_own_in_every_form_of_the_loops(tmp_path, form):
    plan = architectures.bert(2, size=70, heads=1, value_size=67, layers=1)
    all_equal(plan, tmp_path, flags=(*SANITIZE, *operators.FORMS[form], f"-I{operators.NATIVE}"))


@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_small_and_large_targets_are_served(tmp_path, compiler):
    """The files that EmbBERT has no need of, and what calls them."""
    for name in ("bert", "embedder alone, wide"):
        export = plans.write_export(architectures.PLANS[name](), tmp_path / name[:4], "blob")
        for source in export.sources():
            if source.name in NEEDLESS or source.name == "net.c":
                for flags in (["-m32", "-ffreestanding", "-Os"], ["-O3", "-march=native", "-DEMBBERT_TRACE"]):
                    find_compiler(compiler).compile([source], tmp_path / "x.o", ["-c", *flags, *STRICT])
