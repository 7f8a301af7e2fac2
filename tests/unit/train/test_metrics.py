"""Metrics against values worked out by hand."""

import numpy as np
import pytest

from embbert.errors import UsageError
from embbert.train.metrics import SCORES, class_metrics, measure, score_name, value_metrics


def test_classes():
    targets, answers = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    metrics = class_metrics(targets, answers)
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["macro_f1"] == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
    # (c·s − Σ t·p) / sqrt((s² − Σ p²)(s² − Σ t²)) with s 5, c 3, true counts 2 2 1, answered 2 3 0
    assert metrics["mcc"] == pytest.approx((15 - 10) / np.sqrt((25 - 13) * (25 - 9)))


def test_one_class_alone_correlates_with_nothing():
    alone = np.array([2, 2, 2])
    assert class_metrics(alone, alone) == {"accuracy": 1.0, "macro_f1": 1.0, "mcc": 0.0}


def test_values():
    metrics = value_metrics(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 10.0]))
    assert metrics["spearman"] == pytest.approx(1.0)
    assert metrics["pearson"] == pytest.approx(14 / np.sqrt(5 * 50))
    assert metrics["mse"] == pytest.approx(9.0)


@pytest.mark.parametrize(("targets", "values"), [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [4, 4, 4]), ([1], [2])])
def test_a_constant_side_correlates_with_nothing(targets, values):
    metrics = value_metrics(np.array(targets, dtype=np.float64), np.array(values, dtype=np.float64))
    assert metrics["pearson"] == metrics["spearman"] == 0.0


def test_answers_are_the_largest_logit_and_the_first_of_equals():
    logits = np.array([[1, 1, 0], [0, 2, 2]], dtype=np.float32)
    assert measure("classify", np.array([0, 1]), logits)["accuracy"] == 1.0
    assert measure("regress", np.array([1.0, 2.0]), np.array([[3.0], [5.0]]))["mse"] == pytest.approx(6.5)


def test_every_score_is_a_metric_of_its_task():
    logits = np.array([[1, 0], [0, 2]], dtype=np.float32)
    for task, targets, answers in (("classify", [0, 1], logits), ("regress", [1.0, 2.0], logits[:, :1])):
        metrics = measure(task, np.array(targets), answers)
        assert all(score_name(task, score) in metrics for score in SCORES[task])
        assert score_name(task, "auto") == SCORES[task][0]


@pytest.mark.parametrize(("task", "score"), [("classify", "pearson"), ("regress", "accuracy")])
def test_a_score_of_the_other_kind_is_refused(task, score):
    with pytest.raises(UsageError, match=f"has no {score}; it can be chosen by {SCORES[task][0]}"):
        score_name(task, score)
