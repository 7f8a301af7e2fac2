"""Class names and their numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from embbert.data.table import nearest
from embbert.data.values import DECIMAL, NO_CLASS_REMEDY
from embbert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embbert.data.examples import Examples

_INTEGER = re.compile(r"[+-]?[0-9]+")
# Longer than any class number; int() refuses strings of some thousand digits.
_SORTED_BY_VALUE = re.compile(r"[+-]?[0-9]{1,18}")
_SHOWN = 10


def label_names(train: Examples) -> tuple[str, ...]:
    """The classes of the training rows, sorted: by value if all are integers, else by code point.

    Raises:
        DataError: there is one class only, all are numbers and one is no integer, or the examples carry no
            class labels.
    """
    names = set(_labels(train))
    # A word among the labels makes "2.0" a name as well; numbers alone are scores.
    if all(DECIMAL.fullmatch(name) for name in names):
        for row, label in zip(train.rows, _labels(train), strict=True):
            if not _INTEGER.fullmatch(label):
                raise DataError(
                    f"the label {label!r} is no class: a class is a word or a whole number",
                    source=train.source,
                    row=row,
                    remedy=NO_CLASS_REMEDY,
                )
    if len(names) < 2:
        raise DataError(
            f"all {len(train)} rows have the label {next(iter(names), '')!r}: one class only",
            source=train.source,
            remedy="Give rows of at least two classes, or name another label column with --label COL.",
        )
    if all(_SORTED_BY_VALUE.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def encode_targets(examples: Examples, names: Sequence[str]) -> NDArray[np.int64]:
    """The class numbers [n] of the examples: positions in `names`.

    Raises:
        DataError: a label is not in `names`, or the examples carry no class labels.
    """
    number = {name: index for index, name in enumerate(names)}
    for row, label in zip(examples.rows, _labels(examples), strict=True):
        if label not in number:
            more = "" if len(names) <= _SHOWN else f" and {len(names) - _SHOWN} more"
            raise DataError(
                f"the model was not trained on the label {label!r}{nearest(label, names)}; "
                f"its labels: {', '.join(names[:_SHOWN])}{more}",
                source=examples.source,
                row=row,
                remedy="Correct the label, delete the row, or add such rows to the training data.",
            )
    return np.array([number[label] for label in _labels(examples)], dtype=np.int64)


def _labels(examples: Examples) -> tuple[str, ...]:
    if examples.targets is None or examples.task != "classify":
        raise DataError(
            "the examples carry no class labels",
            source=examples.source,
            remedy="Read them with labels, for classification.",
        )
    return tuple(str(target) for target in examples.targets)
