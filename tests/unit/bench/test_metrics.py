"""Metrics are scikit-learn's and SciPy's; the bootstrap is the one over rows."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embbert.bench import metrics
from embbert.bench.metrics import OF_COUNTS, class_interval, confusion, score, value_interval

pytest.importorskip("sklearn")
stats = pytest.importorskip("scipy.stats")

answers_of = st.integers(2, 5).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=40),
    )
)


def quiet(function, *arguments, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of classes that do not occur
        return function(*arguments, **settings)


@settings(max_examples=80)
@given(answers_of)
def test_many_matrices_at_once_give_what_scikit_learn_gives(drawn):
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, matthews_corrcoef

    classes, pairs = drawn
    truth, answers = np.array(pairs).T
    counts = confusion(truth, answers, classes)
    assert np.array_equal(counts, quiet(confusion_matrix, truth, answers, labels=range(classes)))
    both = np.stack([counts, np.eye(classes, dtype=np.int64)])
    expected = {
        "accuracy": quiet(accuracy_score, truth, answers),
        "macro_f1": quiet(f1_score, truth, answers, average="macro", zero_division=0.0),
        "mcc": quiet(matthews_corrcoef, truth, answers),
    }
    if classes == 2:
        expected["f1"] = quiet(f1_score, truth, answers, zero_division=0.0)
    for name, value in expected.items():
        found = OF_COUNTS[name](both)
        assert found[0] == pytest.approx(value, abs=1e-12)
        assert found[1] == 1.0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=20))
def test_correlations_are_those_of_scipy(pairs):
    first, second = np.array(pairs, dtype=np.float64).T
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        pearson = spearman = 0.0
    else:
        pearson, spearman = stats.pearsonr(first, second)[0], stats.spearmanr(first, second)[0]
    assert metrics._pearson(first[None], second[None])[0] == pytest.approx(pearson, abs=1e-9)
    ranked = metrics._ranks(first[None]), metrics._ranks(second[None])
    assert metrics._pearson(*ranked)[0] == pytest.approx(spearman, abs=1e-9)


TRUTH = np.array([0, 0, 0, 1, 1, 1, 1, 1])
GIVEN = np.array([0, 0, 1, 1, 1, 1, 1, 0])


def test_classes_by_hand():
    found = score(TRUTH, GIVEN, ("accuracy", "f1"), "weighted_f1", 2)
    assert found.confusion == ((2, 1), (1, 4))
    assert found.rows == 8
    assert found.metrics["accuracy"] == 0.75
    assert found.metrics["f1"] == pytest.approx(0.8)  # of class 1: 8 / 10
    assert found.metrics["weighted_f1"] == found.as_published == pytest.approx((3 * 2 / 3 + 5 * 0.8) / 8)
    assert found.metrics["mcc"] == pytest.approx((2 * 4 - 1) / 15)
    assert found.interval.low <= 0.75 <= found.interval.high


def test_wnli_as_published_is_turned_round():
    assert score(TRUTH, GIVEN, ("accuracy",), "one_minus_accuracy", 2).as_published == 0.25


def test_values_by_hand():
    truth = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    found = score(truth, np.array([0.0, 2.0, 1.0, 3.0, 9.0]), ("spearman", "pearson"), "spearman", 0)
    assert found.metrics["spearman"] == found.as_published == pytest.approx(0.9)
    assert found.confusion is None
    constant = score(truth, np.full(5, 2.0), ("spearman", "pearson"), "spearman", 0)
    assert constant.metrics["pearson"] == constant.metrics["spearman"] == 0.0
    assert (constant.interval.low, constant.interval.high) == (0.0, 0.0)


def test_the_interval_is_that_of_resampled_rows():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 400)
    answers = np.where(rng.random(400) < 0.7, truth, rng.integers(0, 3, 400))
    for name in ("accuracy", "mcc", "macro_f1"):
        drawn = rng.integers(0, 400, (1000, 400))
        values = [OF_COUNTS[name](confusion(truth[rows], answers[rows], 3)[None])[0] for rows in drawn]
        low, high = np.quantile(values, [0.025, 0.975])
        found = class_interval(confusion(truth, answers, 3), name)
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)
        assert (found.level, found.resamples) == (0.95, 1000)


def test_the_interval_of_a_correlation():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=300)
    answers = 0.6 * truth + 0.8 * rng.normal(size=300)
    for name, function in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        drawn = rng.integers(0, 300, (400, 300))
        low, high = np.quantile([function(truth[rows], answers[rows])[0] for rows in drawn], [0.025, 0.975])
        found = value_interval(truth, answers, name)
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_an_interval_leaves_out_a_fortieth_on_either_side():
    found = metrics._percentiles(np.random.default_rng(3).permutation(1001) / 1000)
    assert (found.low, found.high) == pytest.approx((0.025, 0.975), abs=1e-12)


def test_intervals_are_seeded():
    truth = np.arange(400) % 3
    counts = confusion(truth, np.where(np.arange(400) % 5 == 0, 0, truth), 3)
    assert len({class_interval(counts, "mcc") for _ in range(5)}) == 1
    values = np.arange(8.0)
    assert value_interval(values, values[[1, 0, *range(2, 8)]], "pearson") == value_interval(
        values, values[[1, 0, *range(2, 8)]], "pearson"
    )
