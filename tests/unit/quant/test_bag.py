"""The bag of weights: specification against oracle, proof, files, and the float model behind it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linears
import oracle
from embbert.config import LinearConfig
from embbert.errors import DataError, ModelError
from embbert.quant import reference, spec
from embbert.quant.build import quantize
from embbert.quant.float_model import forward
from embbert.quant.overflow import INT32_MAX, prove
from embbert.quant.plan_io import plan_from_arrays, plan_to_arrays
from embbert.quant.validate import validate


def changed(plan, **values):
    (stage,) = plan.stages
    op = dataclasses.replace(stage.ops[0], **values)
    return dataclasses.replace(plan, stages=(dataclasses.replace(stage, ops=(op,)),))


@settings(max_examples=150)
@given(
    seed=st.integers(0, 1000),
    classes=st.integers(1, 4),
    shift=st.integers(1, 62),
    ids=st.lists(st.integers(0, 49), max_size=40),
)
def test_equals_the_oracle(seed, classes, shift, ids):
    plan = linears.bag_plan(seed, classes=classes, shift=shift)
    validate(plan)
    prove(plan)
    seen = {}
    logits = reference.run(plan, ids, lambda name, value: seen.__setitem__(name, value.tolist()))
    expected, rows = oracle.run(plan, ids)
    assert logits.tolist() == expected
    assert seen == rows


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_longest_text_of_the_largest_weights_fits(sign):
    plan = linears.bag_plan(max_length=spec.MAX_BAG_IDS, classes=1)
    plan = changed(plan, weight=np.full((50, 1), sign * 127, np.int8))
    ids = [0] * spec.MAX_BAG_IDS
    assert reference.run(plan, ids).tolist() == oracle.run(plan, ids)[0]
    share = 127 * spec.MAX_BAG_IDS * ((2**31 - 1) // (256 * 255 + 255)) / 256
    assert share <= prove(plan)["head.classify"] <= INT32_MAX


def test_no_ids_are_the_bias():
    plan = linears.bag_plan(3)
    assert plan.least_ids == 0
    assert reference.run(plan, []).tolist() == plan.stages[0].ops[0].bias.tolist()
    with pytest.raises(DataError, match="0 to 40 tokens, this one has 41"):
        reference.run(plan, [1] * 41)
    with pytest.raises(DataError, match=r"0\.\.49"):
        reference.run(plan, [50])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight": np.zeros((49, 3), np.int8)}, r"weight has shape \[49, 3\]"),
        ({"weight": np.full((50, 3), -128, np.int8)}, "weight has a value below -127"),
        ({"bias": np.zeros(2, np.int32)}, "bias has shape"),
        ({"multiplier": np.zeros(3, np.int64)}, "multiplier is int64"),
        ({"shift": 0}, "shift is 0"),
        ({"shift": 63}, "shift is 63"),
    ],
)
def test_what_is_not_well_formed_is_refused(values, message):
    with pytest.raises(ModelError, match=f"head.classify: {message}"):
        validate(changed(linears.bag_plan(), **values))


def test_only_a_bag_reads_so_many_ids():
    validate(linears.bag_plan(max_length=spec.MAX_BAG_IDS))
    with pytest.raises(ModelError, match="1 to 65535, not 65536"):
        validate(linears.bag_plan(max_length=spec.MAX_BAG_IDS + 1))
    plan = linears.bag_plan()
    tensors = (*plan.tensors, spec.Tensor("x", "int16", 3, "one", 1.0))
    other = dataclasses.replace(plan, tensors=tensors)
    with pytest.raises(ModelError, match="x is int16, not int32"):
        validate(changed(other, out="x"))


def test_saved_and_loaded():
    plan = linears.bag_plan(7)
    again = plan_from_arrays(*plan_to_arrays(plan))
    assert reference.run(again, [1, 2, 3]).tolist() == reference.run(plan, [1, 2, 3]).tolist()
    arrays, document = plan_to_arrays(plan)
    with pytest.raises(ModelError, match=r"lacks 'head\.classify\.bias'"):
        plan_from_arrays({k: v for k, v in arrays.items() if not k.endswith("bias")}, document)


def test_quantised_logits_are_near_the_float_ones():
    rng = np.random.default_rng(1)
    config = LinearConfig(vocab_size=200, max_length=50)
    weights = {
        "head.weight": rng.standard_normal((4, 200)).astype(np.float32) * [[1], [30], [0.01], [0]],
        "head.bias": np.array([0.5, -3, 0, 1], np.float32),
    }
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    plan = quantize(config, weights, 4, [[0]])
    scale = np.abs(weights["head.weight"]).max(axis=1) / 127
    for count in (0, 1, 2, 10, 50):
        ids = rng.integers(0, 200, count).tolist()
        exact = forward(config, weights, ids)
        found = reference.run(plan, ids) / spec.LOGIT_ONE
        assert (np.abs(found - exact) <= scale * 0.5 * np.sqrt(count) + 1e-4).all()
    assert reference.run(plan, [0])[3] == spec.LOGIT_ONE


def test_weights_that_are_not_finite_are_refused():
    weights = {"head.weight": np.full((2, 9), np.nan, np.float32), "head.bias": np.zeros(2, np.float32)}
    with pytest.raises(ModelError, match=r"head\.weight: the float weights hold NaN"):
        quantize(LinearConfig(vocab_size=9), weights, 2, [[]])
