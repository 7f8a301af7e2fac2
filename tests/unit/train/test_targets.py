"""Targets of both tasks."""

from dataclasses import replace

import numpy as np
import pytest

from embbert.data import Examples
from embbert.errors import DataError
from embbert.train.targets import SMALLEST_DEVIATION, Standard, balanced_weights, check_rows, value_targets


def scores(*values):
    return Examples(("a",) * len(values), None, values, tuple(range(2, 2 + len(values))), "s.csv", "regress")


def test_the_head_answers_in_the_units_of_the_data():
    values = np.array([1.0, 3.0, 8.0])
    standard = Standard.of(values)
    scaled = standard.apply(values)
    assert scaled.mean() == pytest.approx(0.0, abs=1e-6)
    assert scaled.std() == pytest.approx(1.0, abs=1e-6)
    weights = {"head.weight": np.ones((1, 2), np.float32), "head.bias": np.zeros(1, np.float32)}
    folded = standard.fold({**weights, "other": np.zeros(3, np.float32)})
    pooled = np.array([0.25, 0.5], np.float32)
    before = weights["head.weight"] @ pooled + weights["head.bias"]
    after = folded["head.weight"] @ pooled + folded["head.bias"]
    assert after == pytest.approx(before * values.std() + values.mean(), rel=1e-6)
    assert after.dtype == np.float32
    assert folded["other"].shape == (3,)


def test_equal_values_do_not_divide_by_zero():
    assert Standard.of(np.array([2.0, 2.0])).apply(np.array([2.0, 3.0])).tolist() == [0.0, 1.0]


def test_values_beyond_the_integer_models_range_are_refused():
    assert value_targets(scores(1.0, -32000.0)).tolist() == [1.0, -32000.0]
    with pytest.raises(DataError, match=r"s.csv, row 3: the target 32001"):
        value_targets(scores(1.0, 32001.0))


def test_balanced_weights_give_every_class_the_same_share():
    targets = np.array([0, 0, 0, 1])
    weights = balanced_weights(targets, 3)
    assert weights.dtype == np.float32
    assert weights[targets].sum() == pytest.approx(3 * weights[0] * 2)
    assert weights.tolist() == pytest.approx([4 / 9, 4 / 3, 4 / 3])


def test_more_classes_than_a_model_can_answer_with_are_refused_before_training():
    def classes(count):
        names = tuple(f"n{number}" for number in range(count))
        return Examples(names, None, names, tuple(range(count)), "ids.csv", "classify")

    check_rows(classes(4096), None, class_weights=False)
    with pytest.raises(DataError, match="4,097 classes; a model answers with 4,096 at most"):
        check_rows(classes(4097), None, class_weights=False)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ((2.5, 2.5, 2.5), r"s\.csv: every target is 2\.5: there is nothing to learn"),
        (
            (1.0, 1.001, 1.002),
            r"s\.csv: the targets differ by 0\.00082 only .*steps of 1/65536\n.*smaller units",
        ),
    ],
)
def test_values_that_there_is_nothing_to_learn_of_are_refused(values, complaint):
    with pytest.raises(DataError, match=complaint):
        check_rows(scores(*values), None, class_weights=False)


def test_values_just_far_enough_apart_are_taken():
    apart = 2 * SMALLEST_DEVIATION
    check_rows(scores(0.0, apart), None, class_weights=False)
    with pytest.raises(DataError):
        check_rows(scores(0.0, 0.999 * apart), None, class_weights=False)


def test_the_training_rows_are_no_test():
    rows = scores(1.0, 2.0, 3.0)
    with pytest.raises(DataError, match=r"t\.csv: these are the training rows themselves"):
        check_rows(rows, replace(rows, source="t.csv"), class_weights=False)
    check_rows(rows, rows.take([0, 1]), class_weights=False)
