"""How good the answers are, how sure that is, and what the paper would have written.

scikit-learn and SciPy count, in the definitions of GLUE. The bootstrap resamples test rows; a metric of
classes depends on the confusion matrix alone, whose resamples are multinomial: 1,000 of them cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.errors import MissingExtraError
from embbert.train.metrics import class_metrics, value_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

RESAMPLES, LEVEL, SEED = 1000, 0.95, 0
_CHUNK = 100


@dataclass(frozen=True)
class Interval:
    """Percentile bootstrap interval of the primary metric.

    Attributes:
        low: lower end.
        high: upper end.
        level: share of the resamples between them.
        resamples: how many there were.
        seed: of the resampling.
    """

    low: float
    high: float
    level: float = LEVEL
    resamples: int = RESAMPLES
    seed: int = SEED


@dataclass(frozen=True)
class Scores:
    """What the answers to one set of rows are worth.

    Attributes:
        rows: how many.
        metrics: by name, as shares of 1.
        interval: of the primary metric.
        as_published: the metric that the paper uses for this task.
        confusion: counts [true class][answered class]; None for values.
    """

    rows: int
    metrics: dict[str, float]
    interval: Interval
    as_published: float
    confusion: tuple[tuple[int, ...], ...] | None


def score(
    targets: NDArray[Any], answers: NDArray[Any], metrics: Sequence[str], published: str, classes: int
) -> Scores:
    """Measure answers.

    Args:
        targets: [n] class numbers, or values.
        answers: [n] the same.
        metrics: names; the first is the primary one.
        published: name of the paper's metric.
        classes: how many there are; 0 for values.

    Raises:
        MissingExtraError: scikit-learn or SciPy is not installed.
    """
    if classes:
        counts = confusion(targets, answers, classes)
        found = class_scores(targets, answers, classes)
        interval = class_interval(counts, metrics[0])
        matrix = tuple(tuple(int(count) for count in row) for row in counts)
    else:
        found = value_metrics(targets.astype(np.float64), answers.astype(np.float64))
        interval = value_interval(targets.astype(np.float64), answers.astype(np.float64), metrics[0])
        matrix = None
    convention = 1.0 - found["accuracy"] if published == "one_minus_accuracy" else found[published]
    return Scores(len(targets), found, interval, convention, matrix)


def class_scores(targets: NDArray[Any], answers: NDArray[Any], classes: int) -> dict[str, float]:
    """Accuracy, macro F1, Matthews correlation, weighted F1 and, of two classes, the F1 of the second."""
    try:
        from sklearn.metrics import f1_score  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("measuring a model", "train") from error
    found = class_metrics(targets, answers)
    found["weighted_f1"] = float(f1_score(targets, answers, average="weighted", zero_division=0.0))
    if classes == 2:
        found["f1"] = float(f1_score(targets, answers, pos_label=1, zero_division=0.0))
    return found


def confusion(targets: NDArray[Any], answers: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Counts [true class, answered class]."""
    flat = np.bincount(targets.astype(np.int64) * classes + answers.astype(np.int64), minlength=classes**2)
    return flat.reshape(classes, classes)


def class_interval(counts: NDArray[np.int64], metric: str) -> Interval:
    """Interval of a metric of classes from the confusion matrix [classes, classes]."""
    rows, shape = int(counts.sum()), (RESAMPLES, *counts.shape)
    drawn = np.random.default_rng(SEED).multinomial(rows, counts.ravel() / rows, RESAMPLES).reshape(shape)
    return _percentiles(OF_COUNTS[metric](drawn))


def value_interval(targets: NDArray[np.float64], answers: NDArray[np.float64], metric: str) -> Interval:
    """Interval of a correlation of values [n]."""
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(0, RESAMPLES, _CHUNK):
        rows = rng.integers(0, len(targets), (_CHUNK, len(targets)))
        sides = targets[rows], answers[rows]
        if metric == "spearman":
            sides = _ranks(sides[0]), _ranks(sides[1])
        found.append(_pearson(*sides))
    return _percentiles(np.concatenate(found))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        from scipy.stats import rankdata  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("measuring a model", "train") from error
    ranks: NDArray[np.float64] = rankdata(values, axis=1)
    return ranks


def _pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of each row with its counterpart; 0 where a side is constant."""
    first, second = (side - side.mean(axis=1, keepdims=True) for side in (first, second))
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    constant = (np.ptp(first, axis=1) == 0) | (np.ptp(second, axis=1) == 0)
    return np.where(constant, 0.0, (first * second).sum(axis=1) / np.where(constant, 1.0, scale))


def _percentiles(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _accuracy(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    hits: NDArray[np.float64] = np.trace(counts, axis1=1, axis2=2) / counts.sum(axis=(1, 2))
    return hits


def _each_f1(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(F1 of each class, rows and answers of each class) [resamples, classes]."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    both: NDArray[np.int64] = counts.sum(axis=1) + counts.sum(axis=2)
    return 2 * hits / np.maximum(both, 1), both


def _f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return _each_f1(counts)[0][:, 1]


def _macro_f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Over the classes that occur, as scikit-learn does."""
    each, both = _each_f1(counts)
    mean: NDArray[np.float64] = each.sum(axis=1) / (both > 0).sum(axis=1)
    return mean


def _mcc(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    truth, answered = counts.sum(axis=2).astype(np.float64), counts.sum(axis=1).astype(np.float64)
    rows = truth.sum(axis=1)
    shared = np.trace(counts, axis1=1, axis2=2) * rows - (truth * answered).sum(axis=1)
    square = (rows**2 - (truth**2).sum(axis=1)) * (rows**2 - (answered**2).sum(axis=1))
    return np.where(square > 0, shared / np.sqrt(np.where(square > 0, square, 1.0)), 0.0)


OF_COUNTS: dict[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "mcc": _mcc,
}
"""Metrics of many confusion matrices [resamples, classes, classes] at once."""
