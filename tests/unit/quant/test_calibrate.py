"""Calibration: which texts run, and which real value one unit of a tensor stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factory
from embbert.blueprint import blueprint
from embbert.errors import DataError, ModelError
from embbert.quant.calibrate import HEADROOM, Ranges, calibrate, calibration_rows, evenly
from embbert.quant.float_model import run


def observed(*values, name="x"):
    ranges = Ranges(len(values))
    for value in values:
        ranges.observe(name, np.array(value, np.float32))
    return ranges


@pytest.mark.parametrize(
    ("count", "step"), [(1, 1), (5, 1), (512, 1), (513, 2), (1024, 2), (1025, 3), (1195, 3), (52_760, 104)]
)
def test_rows_are_evenly_spaced(count, step):
    assert calibration_rows(count) == range(0, count, step)
    assert len(calibration_rows(count)) <= 512


def test_wide_tensors_hold_the_largest_value_of_all_texts_twice():
    ranges = observed([0.5, -3.0], [1.0, 2.0], [0.25, 0.0])
    assert ranges.int16_scale("x") == HEADROOM * 3.0 / 32767 == 6.0 / 32767
    ranges.observe("y", np.array([[4.0, 1.0]], np.float32))
    assert ranges.int16_scale("x", "y") == ranges.int16_scale("y") == 8.0 / 32767


def test_narrow_tensors_are_clipped_where_the_squared_error_is_least():
    values = np.append(np.random.default_rng(1).normal(size=100_000), [6.0, -6.0]).astype(np.float32)
    found = observed(values[:50_001], values[50_001:]).int8_scale("x")

    def error(scale):
        return np.square(np.clip(np.rint(values.astype(float) / scale), -127, 127) * scale - values).mean()

    tried = np.linspace(0.2, 1.0, 81) * 6.0 / 127
    assert found == pytest.approx(tried[np.argmin([error(scale) for scale in tried])], rel=1e-12)
    assert found < 0.9 * 6.0 / 127  # two far values are not worth coarser steps for all others


@given(st.integers(1, 300), st.integers(1, 200), st.integers(1, 600), st.integers(0, 511))
def test_a_sample_is_spread_over_rows_and_columns(rows, columns, count, start):
    places = evenly(rows * columns, count, start=start)
    assert len(set(places.tolist())) == len(places) == min(count, rows * columns)
    assert 0 <= places.min() <= places.max() < rows * columns
    often = np.bincount(places % columns, minlength=columns)
    assert often.max() - often.min() <= 1
    if len(places) < rows * columns:  # no part of the rows is left out
        gaps = np.diff(np.sort(places), append=places.min() + rows * columns)
        assert gaps.max() <= 8 * rows * columns / len(places) + columns


def test_a_tensor_with_large_columns_is_sampled_in_all_of_them():
    """512 texts leave 512 values each, of 256 rows of 128: every 64th would see two columns."""
    rows = np.ones((256, 128), np.float32)
    rows[:, 5] = 50.0
    ranges = Ranges(512)
    for _ in range(3):
        ranges.observe("x", rows)
    kept = np.concatenate(ranges._samples["x"])
    assert np.count_nonzero(kept == 50.0) == 3 * 512 / 128


def test_what_is_kept_of_a_tensor_does_not_keep_the_tensor():
    ranges = Ranges(512)
    ranges.observe("x", np.ones((256, 128), np.float32))
    (kept,) = ranges._samples["x"]
    assert kept.size == 512
    assert kept.base is None


def test_values_of_one_size_are_not_clipped():
    assert observed([2.0, -2.0], [2.0, 2.0]).int8_scale("x") == 2.0 / 127


def test_a_tensor_of_zeros_has_a_scale():
    ranges = observed([0.0, 0.0])
    assert ranges.int8_scale("x") == 1.0 / 127
    assert ranges.int16_scale("x") == 1.0 / 32767


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name(value):
    with pytest.raises(ModelError, match="at x: it cannot be quantised"):
        observed([0.0, value])


def test_every_text_counts():
    config = factory.small_config()
    weights, drawn = factory.random_weights(config, 3), blueprint(config, 3)
    texts = [factory.random_ids(config, seed) for seed in range(4)]
    largest = {}

    def note(name, value):
        largest[name] = max(largest.get(name, 0.0), float(np.abs(value).max()))

    for ids in texts:
        run(drawn, weights, ids, note)
    ranges = calibrate(drawn, weights, texts)
    assert {name: ranges.int16_scale(name) for name in largest} == {
        name: HEADROOM * value / 32767 for name, value in largest.items()
    }


def test_no_texts_are_refused():
    config = factory.small_config()
    with pytest.raises(DataError, match="at least one text"):
        calibrate(blueprint(config, 3), factory.random_weights(config, 3), [])
