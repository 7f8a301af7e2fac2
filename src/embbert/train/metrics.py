"""How good the answers are. scikit-learn and SciPy do the counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embbert.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.config import Score, Task

SCORES: dict[Task, tuple[str, ...]] = {
    "classify": ("accuracy", "macro_f1", "mcc"),
    "regress": ("spearman", "pearson"),
}
"""Metrics that can choose the epoch; the first does unless another is asked for."""


def score_name(task: Task, score: Score) -> str:
    """The metric that chooses the epoch.

    Raises:
        UsageError: the task has no such metric.
    """
    if score == "auto":
        return SCORES[task][0]
    if score not in SCORES[task]:
        kind = "classification" if task == "classify" else "regression"
        raise UsageError(f"a {kind} has no {score}; it can be chosen by {', '.join(SCORES[task])}")
    return score


def measure(task: Task, targets: NDArray[np.generic], logits: NDArray[np.floating]) -> dict[str, float]:
    """The metrics of a task.

    Args:
        task: `classify` or `regress`.
        targets: [n] class numbers, or values.
        logits: [n, classes], or [n, 1] values.

    Returns:
        accuracy, macro_f1 and mcc; or pearson, spearman and mse.

    Raises:
        MissingExtraError: scikit-learn or SciPy is not installed.
    """
    if task == "classify":
        return class_metrics(targets.astype(np.int64), logits.argmax(axis=1))
    return value_metrics(targets.astype(np.float64), logits[:, 0].astype(np.float64))


def class_metrics(targets: NDArray[np.int64], answers: NDArray[np.int64]) -> dict[str, float]:
    """Accuracy, macro-averaged F1, Matthews correlation (0 if only one class is there) of class numbers [n].

    The average is over the classes that occur.
    """
    try:
        from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("measuring a model", "train") from error
    constant = len(np.union1d(targets, answers)) < 2
    return {
        "accuracy": float(accuracy_score(targets, answers)),
        "macro_f1": float(f1_score(targets, answers, average="macro", zero_division=0.0)),
        "mcc": 0.0 if constant else float(matthews_corrcoef(targets, answers)),
    }


def value_metrics(targets: NDArray[np.float64], values: NDArray[np.float64]) -> dict[str, float]:
    """Pearson and Spearman correlation (0 where a side is constant), mean squared error, of values [n]."""
    try:
        from scipy.stats import pearsonr, spearmanr  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("measuring a model", "train") from error
    constant = len(targets) < 2 or bool(np.ptp(targets) == 0.0) or bool(np.ptp(values) == 0.0)
    return {
        "pearson": 0.0 if constant else float(pearsonr(targets, values).statistic),
        "spearman": 0.0 if constant else float(spearmanr(targets, values).statistic),
        "mse": float(np.mean((targets - values) ** 2)),
    }
