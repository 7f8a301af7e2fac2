"""No accumulator can leave int32, or the plan is refused by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import architectures
import factory
import oracle
from embbert.errors import ModelError
from embbert.quant import spec
from embbert.quant.overflow import prove, worst_accumulator
from embbert.quant.weights import quantize_matrix


def replace_op(plan, stage_name, op_name, **changes):
    stages = []
    for stage in plan.stages:
        ops = [
            dataclasses.replace(op, **changes) if (stage.name, op.name) == (stage_name, op_name) else op
            for op in stage.ops
        ]
        stages.append(dataclasses.replace(stage, ops=tuple(ops)))
    return dataclasses.replace(plan, stages=tuple(stages))


def test_bounds_are_reached_by_the_worst_input():
    weight = np.array([[127, -127], [1, 2]], dtype=np.int8)
    bias = np.array([-5, 100], dtype=np.int32)
    assert worst_accumulator(weight, bias, 127, axis=1) == 127 * 254 + 5
    assert worst_accumulator(weight, bias, 32767, axis=0) == max(128 * 32767 + 5, 129 * 32767 + 100)


def test_every_operator_has_a_bound():
    plan = factory.random_plan(factory.small_config(residual=True, pooling="mean"))
    bounds = prove(plan)
    assert set(bounds) == {f"{stage.name}.{op.name}" for stage in plan.stages for op in stage.ops}
    assert max(bounds.values()) <= 2**31 - 1


@pytest.mark.parametrize(("stage", "op"), [("layer0", "query"), ("layer1", "conv"), ("head", "classify")])
def test_a_bias_that_could_overflow_is_refused_by_name(stage, op):
    plan = factory.random_plan(factory.small_config())
    width = next(o for s in plan.stages if s.name == stage for o in s.ops if o.name == op).bias.shape
    bad = replace_op(plan, stage, op, bias=np.full(width, 2**31 - 1, dtype=np.int32))
    with pytest.raises(ModelError, match=rf"{stage}\.{op}: its accumulator can reach"):
        prove(bad)


def test_the_bound_is_tight_to_the_unit():
    plan = factory.random_plan(factory.small_config())
    op = plan.stages[-1].ops[0]
    assert isinstance(op, spec.Linear)
    reach = np.abs(op.weight.astype(np.int64)).sum(axis=1) * 32767
    fits = replace_op(plan, "head", "classify", bias=(2**31 - 1 - reach).astype(np.int32))
    assert prove(fits)["head.classify"] == 2**31 - 1
    with pytest.raises(ModelError, match=r"head\.classify"):
        prove(replace_op(plan, "head", "classify", bias=(2**31 - reach).astype(np.int32)))


def test_the_generator_widens_scales_until_accumulators_fit():
    wide = np.ones((2, 4096))
    part = quantize_matrix("m", wide, None, input_scale=1.0, input_limit=32767, output_scale=4096.0)
    assert worst_accumulator(part.weight, part.bias, 32767, axis=1) <= 2**31 - 1
    assert int(part.weight.max()) < 127
    acc = int(part.weight[0].astype(np.int64).sum()) * 1000
    step = 1000 / int(part.weight.max())
    assert abs(oracle.requantize(acc, int(part.multiplier[0]), part.shift) - 1000) <= step / 2 + 1


@pytest.mark.parametrize("name", architectures.PLANS)
def test_every_operator_of_every_architecture_has_a_bound(name):
    plan = architectures.PLANS[name]()
    bounds = prove(plan)
    assert set(bounds) == {f"{stage.name}.{op.name}" for stage in plan.stages for op in stage.ops}
    assert max(bounds.values()) <= 2**31 - 1


def test_bounds_of_operators_without_weights():
    bounds = prove(architectures.bert())
    assert bounds["embed.embed"] == bounds["layer0.relu"] == bounds["layer0.x_to_y"] == 127
    assert bounds["embed.y_to_x"] == 32767
    assert bounds["layer0.norm1"] == 32767 * 65535
    assert bounds["layer0.attend1"] == 2**14 * 127 * 24  # 5 columns: the mix is larger than the scores
    assert prove(architectures.embedder())["conv.pool"] == 24 * 127**2


def test_the_widest_and_longest_plan_is_proved():
    """What the limits of columns and tokens allow never overflows in an operator without weights."""
    cols, length = 4096, spec.MAX_TOKENS
    tensors = (spec.Tensor("y", "int16", cols, "pass", 1.0), spec.Tensor("x", "int8", cols, "text", 1.0))
    zeros = np.zeros(cols, dtype=np.int16)
    ops = (
        spec.LayerNorm("norm", "y", "x", zeros, zeros, 40, 1),
        spec.Attend("attend", "x", "x", "x", "x", 1, 1, 2**19, 1),
        spec.PoolRms("pool", "x", "y"),
    )
    bounds = prove(spec.Plan("any", length, 37, tensors, (spec.Stage("all", "text", ops),), "y"))
    assert bounds == {
        "all.norm": 32767 * 65535,
        "all.attend": 2**14 * 127 * length,
        "all.pool": length * 127**2,
    }


def test_keys_decide_how_far_scores_reach():
    plan = architectures.bert(size=2000, heads=1, value_size=3, layers=1)
    backbone = dataclasses.replace(plan, stages=plan.stages[:-1])
    assert prove(backbone)["layer0.attend0"] == 2 * 127**2 * 2000
