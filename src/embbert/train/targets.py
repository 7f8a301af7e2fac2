"""Labels as the loss wants them: class numbers and weights, or values around 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embbert.data import encode_targets
from embbert.errors import DataError, UsageError
from embbert.footprint import MAX_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embbert.data import Examples

LARGEST_VALUE = 32000.0
"""Regression values beyond this do not fit the integer model's output, an int32 in units of 1/65536."""

SMALLEST_DEVIATION = 100 / 65536
"""Training values that differ by less drown in those units."""


@dataclass(frozen=True)
class Standard:
    """Values are learned as (value − mean) / deviation; the head takes both in when training is done."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Standard:
        """Mean and deviation of the training values; a deviation of 0 counts as 1."""
        deviation = float(values.std())
        return cls(float(values.mean()), deviation if deviation > 0.0 else 1.0)

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """What the loss compares with."""
        return ((values - self.mean) / self.deviation).astype(np.float32)

    def fold(self, weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """The same model with a head that answers in the units of the data."""
        scale, shift = np.float32(self.deviation), np.float32(self.mean)
        return {
            **weights,
            "head.weight": weights["head.weight"] * scale,
            "head.bias": weights["head.bias"] * scale + shift,
        }


def check_rows(examples: Examples, test: Examples | None, *, class_weights: bool) -> None:
    """Refuse rows and settings that contradict each other, before anything that takes time.

    Raises:
        DataError: pairs are measured by a model of single texts, or the reverse; there are more classes than
            an integer model can answer with; values that are all alike, or too near to each other for its
            answers; or test rows that are the training rows.
        UsageError: classes are to be weighed, and there are none.
    """
    if test is not None and (test.pairs is None) != (examples.pairs is None):
        raise DataError("the training rows are pairs and these are not, or the reverse", source=test.source)
    if examples.task == "classify" and examples.targets is not None:
        classes = len(set(examples.targets))
        if classes > MAX_CLASSES:
            raise DataError(
                f"there are {classes:,} classes; a model answers with {MAX_CLASSES:,} at most",
                source=examples.source,
                remedy="Name the column of the labels with --label COL, or learn values with --regress.",
            )
    if examples.task == "regress":
        _check_spread(examples)
        if class_weights:
            raise UsageError("--class-weights weighs classes; a regression has none")
    if test is not None and test.fingerprint() == examples.fingerprint():
        raise DataError(
            "these are the training rows themselves: a score on them tells nothing about other texts",
            source=test.source,
            remedy="Leave --test out to measure on rows that are held out, or name other rows.",
        )


def _check_spread(examples: Examples) -> None:
    """Refuse values that there is nothing to learn of, or that the integer model cannot tell apart."""
    values = np.array(examples.targets, dtype=np.float64)
    if np.all(values == values[0]):
        raise DataError(
            f"every target is {values[0]:g}: there is nothing to learn",
            source=examples.source,
            remedy="Name the column of the values with --label COL.",
        )
    if values.std() < SMALLEST_DEVIATION:
        raise DataError(
            f"the targets differ by {values.std():.2g} only (standard deviation), "
            f"and the integer model answers in steps of 1/65536",
            source=examples.source,
            remedy="Give the targets in smaller units, such as thousandths, so that the numbers are larger.",
        )


def targets_of(examples: Examples, labels: tuple[str, ...]) -> NDArray[np.generic]:
    """Class numbers [n] int64, or values [n] float64.

    Raises:
        DataError: a label that is not among `labels`, or a value that the integer model cannot answer with.
    """
    return value_targets(examples) if examples.task == "regress" else encode_targets(examples, labels)


def value_targets(examples: Examples) -> NDArray[np.float64]:
    """Regression targets [n].

    Raises:
        DataError: a value that the integer model cannot answer with.
    """
    values = np.array(examples.targets, dtype=np.float64)
    for row, value in zip(examples.rows, values, strict=True):
        if abs(value) > LARGEST_VALUE:
            raise DataError(
                f"the target {value:g} is beyond ±{LARGEST_VALUE:g}",
                source=examples.source,
                row=row,
                remedy="Give the targets in larger units.",
            )
    return values


def balanced_weights(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """[classes] n / (classes · count): every class has the same share in the loss."""
    counts = np.bincount(targets, minlength=classes)
    return (len(targets) / (classes * np.maximum(counts, 1))).astype(np.float32)
