"""Post-training quantisation: accuracy against the float model, degenerate weights, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
from embbert.errors import DataError, ModelError, UsageError
from embbert.quant import spec
from embbert.quant.build import quantize
from embbert.quant.float_model import forward
from embbert.quant.plan_io import plan_to_arrays
from embbert.quant.reference import predict
from embbert.quant.weights import fixed_point, half_up, quantize_columns, quantize_matrix


def texts_of(config, count=32):
    return [factory.random_ids(config, seed, pair=seed % 3 == 0) for seed in range(count)]


# Root mean square errors over the spread of the logits, of random weights, whose activations are less regular
# than a trained model's: a quarter above what they are, so that a coarser or a clipped tensor is noticed.
@pytest.mark.parametrize(
    ("residual", "pooling", "bound"),
    [(False, "cls", 0.027), (False, "mean", 0.027), (True, "cls", 0.074), (True, "mean", 0.032)],
)
def test_integer_logits_follow_the_float_ones(residual, pooling, bound):
    config = factory.small_config(
        hidden_size=64, residual=residual, pooling=pooling, causal_conv=not residual
    )
    weights = factory.random_weights(config, 5)
    texts = texts_of(config)
    integer = predict(quantize(config, weights, 5, texts), texts) / spec.LOGIT_ONE
    real = np.array([forward(config, weights, ids) for ids in texts])
    error = np.sqrt(np.square(integer - real).mean()) / real.std()
    assert 0 < error < bound


BASELINE_BOUNDS = {
    "bert": 0.055,
    "nanobert": 0.035,
    "nano-embedder": 0.0072,
    "nano-embedder-conv": 0.016,
    "bert-efficient": 0.035,
    "nanobert-efficient": 0.041,
}


@pytest.mark.parametrize("name", factory.BASELINES)
def test_integer_logits_of_the_baselines_follow_the_float_ones(name):
    config = factory.BASELINES[name]
    config = replace(config, hidden_size=60)
    weights = factory.random_weights(config, 5)
    texts = texts_of(config)
    integer = predict(quantize(config, weights, 5, texts), texts) / spec.LOGIT_ONE
    real = np.array([forward(config, weights, ids) for ids in texts])
    error = np.sqrt(np.square(integer - real).mean()) / real.std()
    assert 0 < error < BASELINE_BOUNDS[name]


def test_what_has_no_integer_model_is_refused():
    with pytest.raises(UsageError, match="mamba runs in float only"):
        quantize(factory.MAMBA, factory.random_weights(factory.MAMBA, 2), 2, [[2, 5]])


def test_the_same_input_gives_the_same_bytes():
    config = factory.small_config()
    first, second = (plan_to_arrays(factory.random_plan(config, seed=4)) for _ in range(2))
    assert first[1] == second[1]
    assert {k: v.tobytes() for k, v in first[0].items()} == {k: v.tobytes() for k, v in second[0].items()}


@pytest.mark.parametrize("part", ["query", "out", "contract"])
def test_rows_of_zeros_are_handled(part):
    config = factory.small_config()
    weights = factory.random_weights(config, 3)
    weights[f"layers.0.{part}.weight"][2] = 0.0
    weights[f"layers.0.{part}.bias"][:] = 0.0
    weights["embedder.token.weight"][:, 1] = 0.0
    weights["layers.1.conv.weight"][:] = 0.0
    plan = quantize(config, weights, 3, texts_of(config))
    assert np.isfinite(predict(plan, texts_of(config, 4))).all()


def test_a_model_of_zeros_is_handled():
    config = factory.small_config(residual=True)
    weights = {name: np.zeros_like(value) for name, value in factory.random_weights(config, 3).items()}
    plan = quantize(config, weights, 3, texts_of(config))
    assert predict(plan, texts_of(config, 3)).tolist() == [[0, 0, 0]] * 3


def test_a_large_bias_on_small_weights_stays_inside_int32():
    config = factory.small_config()
    weights = factory.random_weights(config, 3)
    weights["layers.0.query.weight"][1] = 1e-9
    weights["layers.0.query.bias"][1] = 50.0
    plan = quantize(config, weights, 3, texts_of(config))
    op = next(op for op in plan.stages[1].ops if op.name == "query")
    assert op.bias[1] > 2**29
    # The bias alone fills the range of q: 50 stands for 127, where half a unit is what rounding may cost.
    restored = float(op.bias[1]) * float(op.multiplier[1]) / 2.0**op.shift
    assert restored == pytest.approx(127, abs=0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["layers.0.query.weight", "head.bias", "embedder.segment.weight"])
def test_weights_that_are_not_finite_are_refused(name, value):
    config = factory.small_config()
    weights = factory.random_weights(config, 3)
    weights[name].flat[-1] = value
    with pytest.raises(ModelError, match="train"):
        quantize(config, weights, 3, [[2, 4, 5]])


@pytest.mark.parametrize("name", ["lambda_q1", "lambda_q2", "conv.bias"])
def test_weights_that_overflow_are_refused_without_a_warning(name):
    config = factory.small_config()
    weights = factory.random_weights(config, 3)
    weights[f"layers.1.{name}"][:] = 1e30
    weights["layers.1.lambda_k1"][:] = weights["layers.1.lambda_k2"][:] = 1.0
    with pytest.raises(ModelError):
        quantize(config, weights, 3, [[2, 4, 5]])


def test_calibration_without_texts_is_refused():
    config = factory.small_config()
    with pytest.raises(DataError, match="at least one text"):
        quantize(config, factory.random_weights(config, 3), 3, [])


def test_halves_round_up():
    values = np.array([-1.5, -1.0, -0.51, -0.5, -0.49, 0.0, 0.5, 1.5, 2.5])
    assert half_up(values).tolist() == [-1, -1, -1, 0, 0, 0, 1, 2, 3]


@given(
    st.lists(
        st.floats(-(2.0**28), 2.0**28).filter(lambda v: v == 0 or abs(v) > 1e-12), min_size=1, max_size=8
    )
)
def test_fixed_point_is_close_and_fits(factors):
    multiplier, shift = fixed_point("op", np.array(factors))
    assert 1 <= shift <= 62
    assert multiplier.dtype == np.int32
    largest = max(map(abs, factors))
    for value, units in zip(factors, multiplier.tolist(), strict=True):
        assert abs(units / 2**shift - value) <= 2.0 ** -(shift + 1)
    if largest > 2.0**-30:
        assert np.abs(multiplier.astype(np.int64)).max() >= 2**29


@pytest.mark.parametrize("factor", [2.0**29, np.nan, np.inf])
def test_factors_out_of_reach_are_refused_by_name(factor):
    with pytest.raises(ModelError, match=r"layer3\.out"):
        fixed_point("layer3.out", np.array([1.0, factor]))


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), axis=st.sampled_from([0, 1]), spread=st.floats(1e-3, 1e3))
def test_matrices_are_quantised_per_channel(seed, axis, spread):
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((6, 5)) * np.exp(rng.uniform(-3, 3, (6, 1) if axis else (1, 5))) * spread
    part = quantize_matrix(
        "m", weight, None, input_scale=0.1, input_limit=127, output_scale=10.0 * spread, axis=axis
    )
    assert np.abs(part.weight).max(axis=axis).tolist() == [127] * weight.shape[1 - axis]
    factor = part.multiplier / 2.0**part.shift * 10.0 * spread / 0.1
    restored = part.weight * np.expand_dims(factor, axis)
    step = np.expand_dims(np.abs(weight).max(axis=axis) / 127, axis)
    assert (np.abs(restored - weight) <= step * 0.5001).all()


def test_columns_have_their_own_scale():
    table = np.array([[1.0, 100.0, 0.0], [-0.4, 50.1, 0.0]])
    units, scale = quantize_columns(table)
    assert units.tolist() == [[127, 127, 0], [-51, 64, 0]]
    assert scale.tolist() == [1.0 / 127, 100.0 / 127, 1.0 / 127]


@pytest.mark.parametrize("part", ["token", "position"])
def test_a_dead_column_costs_the_others_nothing(part):
    config = factory.small_config(hidden_size=64)
    weights = factory.random_weights(config, 5)
    texts = texts_of(config)
    name = f"embedder.{part}.weight"
    errors = []
    for factor in (1e-6, 0.0):
        weights[name] = weights[name].copy()
        weights[name][:, 0] *= np.float32(factor)
        integer = predict(quantize(config, weights, 5, texts), texts) / spec.LOGIT_ONE
        real = np.array([forward(config, weights, ids) for ids in texts])
        errors.append(np.sqrt(np.square(integer - real).mean()))
    assert errors[1] < 1.2 * errors[0]  # with a scale of 1 it is 10 times as large


def test_parts_that_cancel_out_do_not_saturate():
    config = factory.small_config(hidden_size=64)
    weights = factory.random_weights(config, 5)
    texts = texts_of(config)
    attention, convolution = (
        np.exp(weights[f"layers.0.lambda_q{i}"] @ weights[f"layers.0.lambda_k{i}"]) for i in (1, 2)
    )
    for name, gain in (("out", attention), ("contract", convolution)):
        weights[f"layers.0.{name}.bias"] = weights[f"layers.0.{name}.bias"] + np.float32(20.0 / gain)
    integer = predict(quantize(config, weights, 5, texts), texts) / spec.LOGIT_ONE
    real = np.array([forward(config, weights, ids) for ids in texts])
    assert np.sqrt(np.square(integer - real).mean()) / real.std() < 0.05


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_segment_that_calibration_never_reads_is_checked_too(value):
    config = factory.small_config()
    weights = factory.random_weights(config, 3)
    weights["embedder.segment.weight"] = weights["embedder.segment.weight"].copy()
    weights["embedder.segment.weight"][2] = value
    with pytest.raises(ModelError, match=r"embedder\.segment\.weight: the float weights hold NaN"):
        quantize(config, weights, 3, [factory.random_ids(config, seed) for seed in range(4)])


def test_a_layer_that_has_died_is_named():
    config = factory.small_config()
    weights = factory.random_weights(config, 3)
    for name in weights:
        if name.startswith("layers.0.") and ("out." in name or "contract." in name):
            weights[name] = weights[name] * np.float32(1e-9)
    with pytest.raises(ModelError, match=r"layers\.1\.norm: .* the layer before it has died"):
        quantize(config, weights, 3, texts_of(config, 4))
