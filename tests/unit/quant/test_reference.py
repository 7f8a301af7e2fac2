"""The NumPy specification against the naive oracle: every operator, every element, exactly."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import architectures
import factory
import oracle
import plans
from embbert.errors import DataError
from embbert.quant import reference, spec
from embbert.quant.arithmetic import inverse_root, requantize, round_shift

VARIANTS = [
    {"residual": residual, "causal_conv": causal, "pooling": pooling}
    for residual, causal, pooling in product((False, True), (False, True), ("cls", "mean"))
]


def compare(plan: spec.Plan, ids: list[int]) -> None:
    rows: dict[str, list[list[int]]] = {}
    logits = reference.run(plan, ids, lambda name, value: rows.__setitem__(name, value.tolist()))
    expected, seen = oracle.run(plan, ids)
    assert rows.keys() == seen.keys()
    for name, value in seen.items():
        assert rows[name] == value, name
    assert logits.tolist() == expected


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_every_operator_equals_the_oracle(variant):
    config = factory.small_config(**variant)
    for seed in range(3):
        plan = factory.random_plan(config, seed=seed)
        for ids in (
            factory.random_ids(config, seed, length=1),
            factory.random_ids(config, seed, length=2),
            factory.random_ids(config, seed, length=config.max_length, pair=True),
            factory.random_ids(config, seed + 50),
        ):
            compare(plan, ids)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    layers=st.integers(1, 3),
    expansion=st.integers(1, 3),
    kernel=st.integers(1, 9),
    hidden=st.integers(1, 9),
    variant=st.sampled_from(VARIANTS),
)
def test_random_shapes_equal_the_oracle(seed, layers, expansion, kernel, hidden, variant):
    config = factory.small_config(
        num_layers=layers, expansion=expansion, kernel_size=kernel, hidden_size=hidden, **variant
    )
    plan = factory.random_plan(config, classes=1 + seed % 4, seed=seed)
    compare(plan, factory.random_ids(config, seed, pair=seed % 2 == 0))


def test_extreme_weights_saturate_as_specified():
    config = factory.small_config()
    plan = factory.random_plan(config)
    loud = []
    for stage in plan.stages:
        ops = [
            dataclasses.replace(op, multiplier=np.full_like(op.multiplier, 2**31 - 1), shift=20)
            if isinstance(op, spec.Linear) and op.out != plan.output
            else op
            for op in stage.ops
        ]
        loud.append(dataclasses.replace(stage, ops=tuple(ops)))
    loud_plan = dataclasses.replace(plan, stages=tuple(loud))
    seen = {}
    reference.run(loud_plan, factory.random_ids(config, 3), seen.__setitem__)
    assert np.abs(seen["layer0.query"].astype(int)).max() == 127
    assert np.abs(seen["layer0.out"].astype(int)).max() == 32767
    compare(loud_plan, factory.random_ids(config, 3))


def test_uniform_attention_is_the_mean():
    x = np.array([[10, -20], [30, 20], [20, -60]], dtype=np.int8)
    op = spec.Attend("attend", "q", "x", "x", "ctx", 1, 1, 1 << 19, 24 + 19)
    query = np.zeros((1, 2), dtype=np.int8)
    assert reference._attend(op, query, x, x).tolist() == [[20, -20]]


def test_what_is_mixed_are_the_values():
    keys = np.array([[127], [-127]], dtype=np.int8)
    values = np.array([[10, -20, 3], [30, 20, 4]], dtype=np.int8)
    op = spec.Attend("attend", "q", "k", "v", "ctx", 2**30, 33, 1 << 19, 24 + 19)
    query = np.array([[127], [-127]], dtype=np.int8)
    assert reference._attend(op, query, keys, values).tolist() == values.tolist()


@pytest.mark.parametrize("name", architectures.PLANS)
def test_every_architecture_equals_the_oracle(name):
    """In quiet values, in extreme ones and with low shifts, and saturation happens."""
    for seed in range(3):
        quiet = architectures.PLANS[name](seed)
        extreme = plans.wild(quiet, seed)
        for plan in (quiet, extreme, plans.low_plan(extreme)):
            for question in plans.id_questions(plan, seed, count=11):
                compare(plan, list(question.ids))


@settings(max_examples=60)
@given(
    rows=st.integers(1, 4).flatmap(
        lambda cols: st.lists(
            st.lists(st.integers(-32767, 32767), min_size=cols, max_size=cols), min_size=1, max_size=3
        )
    ),
    epsilon=st.sampled_from([1, 2, 2**20, 2**45, 2**62 - 1]),
    shift=st.integers(23, 32),
    seed=st.integers(0, 9),
)
def test_any_row_has_a_layer_norm(rows, epsilon, shift, seed):
    cols = len(rows[0])
    gain, bias = np.random.default_rng(seed).integers(-32767, 32768, (2, cols)).astype(np.int16)
    op = spec.LayerNorm("norm", "y", "x", gain, bias, shift, epsilon)
    found = reference._layer_norm(op, np.array(rows, dtype=np.int16))
    assert found.tolist() == [oracle.layer_norm_row(op, row) for row in rows]


@settings(max_examples=60)
@given(
    values=st.lists(st.integers(-32767, 32767), min_size=1, max_size=5),
    multiplier=st.integers(-(2**31) + 1, 2**31 - 1),
    shift=st.integers(1, 62),
    add=st.booleans(),
    old=st.integers(-32767, 32767),
)
def test_any_value_can_be_rescaled(values, multiplier, shift, add, old):
    op = spec.Rescale("rescale", "a", "b", multiplier, shift, add)
    x, before = np.array([values], dtype=np.int16), np.full((1, len(values)), old, dtype=np.int16)
    expected = oracle.rescale_row(op, values, before[0].tolist(), "int16")
    assert reference._rescale(op, x, before).tolist() == [expected]


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-127, 127), min_size=2, max_size=2), min_size=1, max_size=40))
def test_any_rows_have_a_root_mean_square(rows):
    found = reference._pool_rms(np.array(rows, dtype=np.int8))
    assert found.tolist() == [oracle.pool_rms_rows(rows)]
    exact = np.sqrt((np.array(rows, dtype=np.float64) ** 2).mean(axis=0))
    assert np.abs(found[0] / 256 - exact).max() < 1 / 100


def test_the_mean_square_is_rounded():
    rows = np.array([[100, 100, 100, 100, 100, 0, 1, 77, 98]], dtype=np.int8).T
    assert 2**16 * (rows.astype(int) ** 2).sum() == 9 * 21845**2 - 1
    assert reference._pool_rms(rows).tolist() == [[21845]]


def test_a_layer_norm_is_close_to_the_real_one():
    rng = np.random.default_rng(4)
    x, gain, bias = rng.normal(900, 5000, (6, 64)), rng.normal(1, 0.2, 64), rng.normal(0, 0.4, 64)
    exact = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) * gain + bias
    scale, bits = 4 / 127, 6
    units = np.round(gain * 8 / scale * 2**bits).astype(np.int16)  # 8 is √64
    op = spec.LayerNorm("norm", "y", "x", units, np.round(bias / scale * 256).astype(np.int16), 31 + bits, 1)
    found = reference._layer_norm(op, np.round(x).astype(np.int16)) * scale
    assert np.abs(found - np.clip(exact, -4, 4)).max() < 0.51 * scale


def test_a_row_of_zeros_normalises_to_zeros():
    op = spec.Norm("norm", "y", "x", np.full(4, 20000, dtype=np.int16), 40, 1)
    assert reference._norm(op, np.zeros((2, 4), dtype=np.int16)).tolist() == [[0] * 4] * 2


@given(st.integers(1, 2**40))
def test_inverse_root_bounds(square_sum):
    inverse, e = inverse_root(square_sum)
    assert e % 2 == 0
    assert 32767 <= inverse <= 65535
    exact = 2.0**31 * 2.0 ** (e / 2) / np.sqrt(float(square_sum))
    assert abs(inverse - exact) <= 1 + exact * 2.0**-15


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31) + 1, 2**31 - 1), st.integers(1, 62))
def test_requantize_is_division_with_halves_up(acc, multiplier, shift):
    expected = (acc * multiplier * 2 + 2**shift) // 2 ** (shift + 1)
    assert int(requantize(np.int64(acc), multiplier, shift)) == expected


@pytest.mark.parametrize(("value", "expected"), [(3, 2), (1, 1), (-1, 0), (-3, -1), (-2, -1), (0, 0)])
def test_halves_go_up(value, expected):
    assert int(round_shift(np.int64(value), 1)) == expected


def test_the_exponential_table_is_exact():
    assert spec.exp_table().tolist() == oracle.EXP


@given(st.integers(0, 2**32 - 1))
def test_the_oracles_roots_agree(value):
    small = value % 100_000
    assert oracle.fast_isqrt(small) == oracle.isqrt(small)
    root = oracle.fast_isqrt(value)
    assert root * root <= value < (root + 1) * (root + 1)


@pytest.mark.parametrize(
    ("ids", "message"),
    [([], "1 to 24 tokens"), ([2] * 25, "this one has 25"), ([2, 37], "0..36"), ([-1], "0..36")],
)
def test_ids_that_cannot_be_run_are_refused(ids, message):
    with pytest.raises(DataError, match=message):
        reference.run(factory.random_plan(factory.small_config()), ids)


def test_predict_runs_each_text_alone():
    config = factory.small_config(residual=True)
    plan = factory.random_plan(config)
    texts = [factory.random_ids(config, seed) for seed in range(5)]
    together = reference.predict(plan, texts)
    assert together.dtype == np.int32
    for row, ids in zip(together, texts, strict=True):
        assert row.tolist() == reference.run(plan, ids).tolist()
