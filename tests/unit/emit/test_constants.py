"""The emitted arrays hold the plan's bytes, no more and no less."""

import numpy as np
import pytest

import architectures
import factory
from embbert import footprint
from embbert.emit.constants import LINE, Constant, constants, digest
from embbert.quant.plan_io import plan_to_arrays


@pytest.mark.parametrize("changes", [{}, {"residual": True, "expansion": 2, "pooling": "mean"}])
def test_bytes_are_those_of_the_plan_and_of_the_formula(changes):
    config = factory.small_config(**changes)
    plan = factory.random_plan(config)
    emitted = constants(plan)
    arrays, _ = plan_to_arrays(plan)
    assert sum(constant.bytes for constant in emitted) == sum(array.nbytes for array in arrays.values())
    by_op: dict[str, int] = {}
    for constant in emitted:
        name = f"{constant.stage}.{constant.op}"
        by_op[name] = by_op.get(name, 0) + constant.bytes
    assert by_op == dict(footprint.deployed(config, 3).constants)


EXPANDED = factory.random_plan(factory.small_config(expansion=3))
OTHERS = [make() for make in architectures.PLANS.values()]


@pytest.mark.parametrize("plan", [EXPANDED, *OTHERS], ids=["embbert", *architectures.PLANS])
def test_reordering_keeps_every_element(plan):
    arrays, _ = plan_to_arrays(plan)
    assert {f"{c.stage}.{c.op}.{c.field}" for c in constants(plan)} == set(arrays)
    for constant in constants(plan):
        original = arrays[f"{constant.stage}.{constant.op}.{constant.field}"]
        assert sorted(constant.values.ravel().tolist()) == sorted(original.ravel().tolist())


def test_convolution_groups_outputs_by_their_place_behind_an_input():
    plan = factory.random_plan(factory.small_config(expansion=3))
    (op,) = [op for stage in plan.stages for op in stage.ops if f"{stage.name}.{op.name}" == "layer0.conv"]
    weight, bias = (
        next(c.values for c in constants(plan) if c.name == f"layer0_conv_{field}")
        for field in ("weight", "bias")
    )
    for tap, channel, member in ((0, 0, 1), (4, 11, 2), (2, 5, 0)):
        assert weight[tap, member, channel] == op.weight[tap, channel * 3 + member]
        assert bias[member, channel] == op.bias[channel * 3 + member]


def test_text_is_every_element_in_short_lines():
    values = np.arange(-300, 300, dtype=np.int16).reshape(2, 300)
    constant = Constant("a", "b", "c", values, "x")
    lines = constant.text.split("\n")
    assert max(map(len, lines)) <= 106
    assert [int(piece) for piece in constant.text.split(",")[:-1]] == list(range(-300, 300))
    assert constant.dimensions == "[600]"
    assert constant.shape == "2 x 300"


def test_digest_depends_on_every_value():
    config = factory.small_config()
    arrays = constants(factory.random_plan(config))
    again = constants(factory.random_plan(config))
    assert digest(arrays) == digest(again)
    for constant in again:
        constant.values.ravel()[-1] ^= 1
        assert digest(arrays) != digest(again)
        constant.values.ravel()[-1] ^= 1


def test_lines_are_filled_to_the_last_column():
    values = np.array([12] * 25 + [1] + [7] * 40, dtype=np.int8)
    first, second, *rest = Constant("stage", "op", "field", values, "elements").text.split("\n")
    assert first == "   " + " 12," * 25 + " 1,"
    assert len(first) == LINE
    assert second == "   " + " 7," * 34
    assert len(second) == LINE - 1
    assert rest == ["   " + " 7," * 6]
