"""Logistic regression (for values: ridge regression) on n-grams: fit, prune, fit again.

The features of a text are its counts over the root of their sum, which is what the integer model computes.
For the fit each n-gram is scaled by how telling it is: by its inverse document frequency, and, if that serves
the validation rows, by how differently the classes use it (naive Bayes' log ratio). Scaling decides what the
penalty costs; the scales end up in the weights, and the model that runs knows nothing of them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.train.budget import FEWEST
from embbert.train.metrics import measure
from embbert.train.schedule import Rank

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from embbert.config import Task
    from embbert.train.ngram_counts import Counts, Sparse

    Float = NDArray[np.float64]

STRENGTHS = (0.0625, 0.25, 1.0, 4.0)
"""Inverse penalties tried; the first fit, which only ranks the n-grams, has RANKING."""

RANKING = 1.0
RIDGE = 16.0
"""The penalty of a ridge regression at strength 1."""

TOLERANCE, ITERATIONS = 1e-4, 200


@dataclass(frozen=True)
class Setting:
    """What validation chooses.

    Attributes:
        characters: whether stretches of characters are features, not words alone.
        contrast: whether n-grams are scaled by how differently the classes use them.
        strength: of the weights; the penalty is its inverse.
    """

    characters: bool
    contrast: bool
    strength: float


@dataclass(frozen=True)
class Goal:
    """What the answers should be.

    Attributes:
        task: `classify` or `regress`.
        classes: how many, or 1.
        score: name of the metric that chooses.
        class_weights: [classes] what rows of each class count, or None.
    """

    task: Task
    classes: int
    score: str
    class_weights: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Weights:
    """A fitted model: logits are features · weightᵀ + bias.

    Attributes:
        weight: [classes, n-grams].
        bias: [classes].
    """

    weight: Float
    bias: Float

    def logits(self, counts: Sparse) -> Float:
        """[texts, classes]."""
        answers: Float = shares(counts) @ self.weight.T + self.bias
        return answers


@dataclass(frozen=True)
class Chosen:
    """The best setting, and what it keeps.

    Attributes:
        setting: see there.
        columns: the n-grams, the most important first.
        score: on the validation rows.
    """

    setting: Setting
    columns: NDArray[np.int64]
    score: float


def choose(
    counts: Counts, targets: NDArray[Any], held: Sparse, held_targets: NDArray[Any], goal: Goal, most: int
) -> Chosen:
    """Try all settings with `most` n-grams.

    Args:
        counts: of the training rows.
        targets: [training rows] class numbers, or values around 0.
        held: counts of the same n-grams in the validation rows.
        held_targets: theirs.
        goal: what for.
        most: n-grams that may be kept.
    """
    best: Chosen | None = None
    best_rank: Rank | None = None
    # Where hardly any word comes in two texts, as among names, words alone would make no model.
    kinds = (False, True) if counts.words.sum() >= FEWEST else (True,)
    for characters, contrast in product(kinds, (False, True) if goal.task == "classify" else (False,)):
        order = _importance(counts, targets, goal, Setting(characters, contrast, RANKING))[:most]
        kept = np.sort(order)
        train, validation = counts.matrix[:, kept], held[:, kept]
        for strength in STRENGTHS:
            setting = Setting(characters, contrast, strength)
            logits = fit(train, targets, goal, setting).logits(validation)
            score = measure(goal.task, held_targets, logits)[goal.score]
            rank = Rank(score, -loss(goal.task, held_targets, logits))
            if best_rank is None or rank > best_rank:
                best, best_rank = Chosen(setting, order, score), rank
    assert best is not None  # noqa: S101 - there are settings
    return best


def fit(counts: Sparse, targets: NDArray[Any], goal: Goal, setting: Setting) -> Weights:
    """Fit the weights of all n-grams of `counts`."""
    from scipy.sparse import diags  # noqa: PLC0415 - optional
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    scale = _scale(counts, targets, goal, contrast=setting.contrast)
    scaled = shares(counts) @ diags(scale)
    if goal.task == "regress":
        ridge = Ridge(alpha=RIDGE / setting.strength, solver="sparse_cg", tol=TOLERANCE, max_iter=ITERATIONS)
        with threadpool_limits(1):
            ridge.fit(scaled, targets)
        return Weights(ridge.coef_[None] * scale, np.array([ridge.intercept_]))
    weights = None if goal.class_weights is None else dict(enumerate(goal.class_weights.tolist()))
    logistic = LogisticRegression(
        C=setting.strength, class_weight=weights, tol=TOLERANCE, max_iter=ITERATIONS
    )
    # One thread: the same sums in the same order on every machine, and vectors too short to share out.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough after so many steps
        logistic.fit(scaled, targets)
    weight, bias = logistic.coef_ * scale, logistic.intercept_
    if len(weight) == 1:  # two classes share one vector
        weight, bias = np.vstack([-weight, weight]) / 2, np.array([-bias[0], bias[0]]) / 2
    return Weights(weight, bias)


def shares(counts: Sparse) -> Sparse:
    """Counts over the root of their sum in each text."""
    from scipy.sparse import diags  # noqa: PLC0415 - optional

    totals = np.asarray(counts.sum(axis=1), np.float64).ravel()
    return diags(1 / np.sqrt(np.maximum(totals, 1.0))) @ counts


def loss(task: Task, targets: NDArray[Any], logits: Float) -> float:
    """Mean cross-entropy, or mean squared error."""
    if task == "regress":
        return float(np.mean((logits[:, 0] - targets) ** 2))
    top = logits.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return float(np.mean(log_sum - logits[np.arange(len(targets)), targets]))


def _importance(counts: Counts, targets: NDArray[Any], goal: Goal, setting: Setting) -> NDArray[np.int64]:
    """Columns by falling magnitude of their scaled weight, of those that the setting admits."""
    columns = np.arange(len(counts.hashes)) if setting.characters else np.flatnonzero(counts.words)
    matrix = counts.matrix[:, columns]
    fitted = fit(matrix, targets, goal, setting)
    scale = _scale(matrix, targets, goal, contrast=setting.contrast)
    sizes = np.abs(fitted.weight).max(axis=0) / np.maximum(scale, 1e-12)
    return columns[np.argsort(-sizes, kind="stable")]


def _scale(counts: Sparse, targets: NDArray[Any], goal: Goal, *, contrast: bool) -> Float:
    """[n-grams] inverse document frequency, times the largest log ratio of any class to the others."""
    texts = np.asarray((counts > 0).sum(axis=0), np.float64).ravel()
    scale: Float = np.log((1 + counts.shape[0]) / (1 + texts)) + 1
    if contrast:
        ratio = np.zeros(counts.shape[1])
        for own in _class_counts(counts, targets, goal.classes):
            others = np.asarray(counts.sum(axis=0), np.float64).ravel() - own
            share, rest = (1 + own) / (1 + own).sum(), (1 + others) / (1 + others).sum()
            ratio = np.maximum(ratio, np.abs(np.log(share / rest)))
        scale = scale * ratio
    return scale


def _class_counts(counts: Sparse, targets: NDArray[Any], classes: int) -> Iterable[Float]:
    for number in range(classes):
        yield np.asarray(counts[targets == number].sum(axis=0), np.float64).ravel()
