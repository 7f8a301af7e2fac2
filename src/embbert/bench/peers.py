"""What the peers that are not language models share: words, validation rows, the choice of a setting."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from embbert.bench.metrics import class_scores
from embbert.data import encode_targets, label_names, split_validation
from embbert.text.pipeline import NORMALIZER, replace_surrogates
from embbert.train.metrics import value_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from embbert.data import Examples

SMALL, LARGE = 781_056, 2_000_000
"""Bytes: what the paper counts for its 8-bit model, and the budget that its models share."""

SECOND = ">"
"""Stands before every word of the second text of a pair. No word of a text begins so: it is punctuation."""

_FRACTION = 0.1
_WORDS = re.compile(r"[^\W_]+|[^\w\s]|_")

_Setting = TypeVar("_Setting")
_Model = TypeVar("_Model")


def words(text: str) -> list[str]:
    """Lower-case words without accents, as our tokenizers see them; every sign of punctuation is one."""
    found: list[str] = _WORDS.findall(NORMALIZER.normalize_str(replace_surrogates(text)))
    return found


def row_words(rows: Examples) -> list[list[str]]:
    """The words of each row; those of the second text follow, marked with `SECOND`."""
    if rows.pairs is None:
        return [words(text) for text in rows.texts]
    return [
        words(text) + [SECOND + word for word in words(pair)]
        for text, pair in zip(rows.texts, rows.pairs, strict=True)
    ]


@dataclass(frozen=True)
class Split:
    """Training rows without the validation rows, and those.

    Attributes:
        train: [n] words of each row to learn from.
        held: [m] words of each validation row.
        train_targets: [n] class numbers, or values.
        held_targets: [m] the same.
        classes: how many there are; 0 for values.
    """

    train: list[list[str]]
    held: list[list[str]]
    train_targets: NDArray[Any]
    held_targets: NDArray[Any]
    classes: int

    def scores(self, answers: NDArray[Any]) -> dict[str, float]:
        """What answers [m] to the validation rows are worth."""
        if self.classes:
            return class_scores(self.held_targets, answers, self.classes)
        return value_metrics(self.held_targets, answers.astype(np.float64))


def split(rows: Examples, seed: int) -> Split:
    """Hold out a tenth, as every system does.

    Raises:
        DataError: the rows have one class only, or too few texts.
    """
    names = () if rows.task == "regress" else label_names(rows)
    targets = encode_targets(rows, names) if names else np.array(rows.targets, dtype=np.float64)
    kept, held = split_validation(rows, _FRACTION, seed)
    texts = row_words(rows)
    return Split(
        [texts[index] for index in kept],
        [texts[index] for index in held],
        targets[kept],
        targets[held],
        len(names),
    )


@dataclass(frozen=True)
class Choice:
    """The setting whose model answered the validation rows best.

    Attributes:
        setting: the first of the best.
        model: that it made.
        validation: scores of the model.
        tried: score of every setting, in their order.
    """

    setting: Any
    model: Any
    validation: dict[str, float]
    tried: list[float]


def choose(
    settings: Iterable[_Setting],
    make: Callable[[_Setting], _Model],
    answer: Callable[[_Model], NDArray[Any]],
    rows: Split,
    metric: str,
) -> Choice:
    """Make a model of every setting and keep the best.

    Args:
        settings: at least one.
        make: learns from `rows.train`.
        answer: gives a model's answers [m] to `rows.held`.
        rows: to learn from and to choose by.
        metric: that decides.
    """
    best: Choice | None = None
    tried: list[float] = []
    for setting in settings:
        model = make(setting)
        scores = rows.scores(answer(model))
        if best is None or scores[metric] > max(tried):
            best = Choice(setting, model, scores, tried)
        tried.append(scores[metric])
    assert best is not None  # noqa: S101 - there are settings
    return best
