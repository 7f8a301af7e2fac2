"""Words and n-grams with logistic regression (for values: ridge regression), cut to a budget.

* TF-IDF: single words and pairs of neighbours. Within a budget it is fitted twice: on all features, and on
  those of the largest absolute weight that the budget pays for.
* Hashed: words, pairs of neighbours and characters, in as many buckets as the budget pays for: no dictionary.

Both answer in floating point on a host. The second text of a pair has features of its own beside those of
the first; nothing compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bench.interface import Bytes, Work
from embbert.bench.peers import LARGE, SECOND, SMALL, Choice, choose, row_words, split
from embbert.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.bench.peers import Split
    from embbert.data import Examples

STRENGTHS = (0.03125, 0.125, 0.5, 2.0, 8.0, 32.0, 128.0, 512.0)
"""C of the logistic regression, 1/alpha of the ridge regression; validation rows decide."""

BALANCED = ("mcc", "macro_f1")
"""Metrics that ask as much of a rare class as of a frequent one: then each class weighs the same."""

PRUNING = 8.0
"""Strength of the fit whose weights say which features stay."""

FEATURES = 20_000
"""Of the model without a budget: the most frequent."""

CHARACTERS = (3, 4, 5)
"""Lengths of the hashed character n-grams; the ends of a word are characters too."""

_FLOAT = 4  # bytes
_ITERATIONS = 1000

_Words = list[str]


@dataclass(frozen=True)
class _Linear:
    """A regression on features.

    Attributes:
        features: of rows [n] of words: sparse [n, features].
        regression: scikit-learn's; its weights are float32.
        constants: bytes of features and weights.
    """

    features: Callable[[Sequence[_Words]], Any]
    regression: Any
    constants: int

    def answers(self, texts: Sequence[_Words]) -> NDArray[Any]:
        answers: NDArray[Any] = self.regression.predict(self.features(texts))
        return answers


@dataclass(frozen=True)
class TfIdf:
    """TF-IDF of words and pairs of neighbours.

    Attributes:
        name: of the system.
        title: a sentence.
        budget: bytes of features and weights, or None for the `FEATURES` most frequent.
        precisions: floating point.
    """

    name: str
    title: str
    budget: int | None
    precisions: tuple[str, ...] = ("float",)

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> Fitted:  # noqa: ARG002
        """Fit and score every strength; keep the best. The seed draws the validation rows.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        text, rows, vectors = _begin("TF-IDF", train, seed)
        counter = text.CountVectorizer(analyzer=_grams, max_features=None if self.budget else FEATURES)
        counts = counter.fit_transform(rows.train)
        names = counter.get_feature_names_out()
        # Its text with an end, its inverse document frequency, a weight for each vector.
        each = np.array([len(name.encode()) + 1 for name in names]) + _FLOAT * (1 + vectors)
        kept = np.arange(len(names))
        if self.budget is not None:
            whole = text.TfidfTransformer(sublinear_tf=True).fit_transform(counts)
            first = np.abs(np.atleast_2d(_regression(whole, rows, PRUNING, metric).coef_)).max(axis=0)
            order = np.argsort(-first, kind="stable")
            room = self.budget - _FLOAT * vectors
            kept = np.sort(order[: int(np.searchsorted(np.cumsum(each[order]), room, "right"))])
        weighing = text.TfidfTransformer(sublinear_tf=True)
        weighed = weighing.fit_transform(counts[:, kept])

        def features(texts: Sequence[_Words]) -> Any:  # noqa: ANN401
            return weighing.transform(counter.transform(texts)[:, kept])

        def make(strength: float) -> _Linear:
            constants = int(each[kept].sum()) + _FLOAT * vectors
            return _Linear(features, _regression(weighed, rows, strength, metric), constants)

        chosen = choose(STRENGTHS, make, lambda model: model.answers(rows.held), rows, metric)
        return Fitted(chosen, seed, {"budget": self.budget, "pruning": PRUNING if self.budget else None})


@dataclass(frozen=True)
class Hashed:
    """Hashed words, pairs of neighbours and characters.

    Attributes:
        name: of the system.
        title: a sentence.
        budget: bytes of the weights.
        precisions: floating point.
    """

    name: str
    title: str
    budget: int
    precisions: tuple[str, ...] = ("float",)

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> Fitted:  # noqa: ARG002
        """Fit and score every strength; keep the best. The seed draws the validation rows.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        text, rows, vectors = _begin("hashed n-grams", train, seed)
        buckets = self.budget // (_FLOAT * vectors) - 1  # one place for the bias
        hashing = text.HashingVectorizer(analyzer=_all_grams, n_features=buckets)
        whole = hashing.transform(rows.train)

        def make(strength: float) -> _Linear:
            regression = _regression(whole, rows, strength, metric)
            return _Linear(hashing.transform, regression, _FLOAT * vectors * (buckets + 1))

        chosen = choose(STRENGTHS, make, lambda model: model.answers(rows.held), rows, metric)
        return Fitted(chosen, seed, {"budget": self.budget, "buckets": buckets, "characters": CHARACTERS})


@dataclass
class Fitted:
    """The best regression, and how it was made."""

    chosen: Choice
    seed: int
    made: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """The strength, what else was tried, and the features."""
        return {
            **self.made,
            "strength": self.chosen.setting,
            "class_weight": getattr(self.chosen.model.regression, "class_weight", None),
            "strengths": STRENGTHS,
            "validation_of_each": self.chosen.tried,
            "features": int(self.chosen.model.regression.coef_.shape[-1]),
            "seed": self.seed,
            "second_text": SECOND,
        }

    @property
    def validation(self) -> dict[str, float]:
        """Scores on the validation rows."""
        return self.chosen.validation

    @property
    def curve(self) -> tuple[float, ...]:
        """There are no epochs."""
        return ()

    def answers(self, precision: str, rows: Examples) -> NDArray[Any]:  # noqa: ARG002 - there is one
        """What the regression answers."""
        answers: NDArray[Any] = self.chosen.model.answers(row_words(rows))
        return answers

    def size(self, precision: str) -> Bytes:  # noqa: ARG002
        """Features and weights; what it needs while it runs is not known."""
        return Bytes(self.chosen.model.constants, tokenizer=0)

    def work(self, precision: str, rows: Examples) -> Work | None:  # noqa: ARG002
        """A multiply-accumulate for each different feature of a row and each vector of weights."""
        texts = row_words(rows)
        active = self.chosen.model.features(texts).nnz / len(texts)
        vectors = np.atleast_2d(self.chosen.model.regression.coef_).shape[0]
        return Work(float(np.mean([len(text) for text in texts])), round(active * vectors))


def _grams(words: _Words) -> Iterator[str]:
    """Words and pairs of neighbours."""
    yield from words
    for first, second in pairwise(words):
        yield f"{first} {second}"


def _all_grams(words: _Words) -> Iterator[str]:
    """And the characters of each word, the ends included; those of a second text are marked as it is."""
    yield from _grams(words)
    for word in words:
        mark = SECOND if word.startswith(SECOND) and len(word) > 1 else ""
        inside = f" {word.removeprefix(mark)} "
        for length in CHARACTERS:
            for start in range(len(inside) - length + 1):
                yield f"{mark}#{inside[start : start + length]}"


def _begin(what: str, train: Examples, seed: int) -> tuple[Any, Split, int]:
    """scikit-learn's features of text, the rows, and vectors of weights: one for values and for two classes.

    Raises:
        MissingExtraError: scikit-learn, which `what` needs, is not installed.
    """
    try:
        text = import_module("sklearn.feature_extraction.text")
    except ImportError as error:
        raise MissingExtraError(what, "train") from error
    rows = split(train, seed)
    return text, rows, rows.classes if rows.classes > 2 else 1


def _regression(features: Any, rows: Split, strength: float, metric: str) -> Any:  # noqa: ANN401
    """A fit on sparse features [n, features], its weights rounded to float32."""
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415 - optional

    if rows.classes:
        balanced = "balanced" if metric in BALANCED else None
        found = LogisticRegression(C=strength, class_weight=balanced, max_iter=_ITERATIONS)
    else:
        found = Ridge(alpha=1.0 / strength, solver="sparse_cg")
    found.fit(features, rows.train_targets)
    found.coef_ = found.coef_.astype(np.float32)
    found.intercept_ = np.asarray(found.intercept_, dtype=np.float32)
    return found


TFIDF = (
    TfIdf("tfidf-781k", "TF-IDF of words and pairs, logistic regression, pruned to 781,056 bytes.", SMALL),
    TfIdf("tfidf-2m", "TF-IDF of words and pairs, logistic regression, pruned to 2,000,000 bytes.", LARGE),
    TfIdf("tfidf-20000", "TF-IDF of words and pairs, the 20,000 most frequent, logistic regression.", None),
    Hashed("hashed-781k", "Hashed words, pairs and characters, logistic regression, 781,056 bytes.", SMALL),
    Hashed("hashed-2m", "Hashed words, pairs and characters, logistic regression, 2,000,000 bytes.", LARGE),
)
