"""The dummy: what an answer is worth that does not read the text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bench.interface import Bytes, Work
from embbert.data import label_names

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.data import Examples


@dataclass(frozen=True)
class Dummy:
    """Always the most frequent class, or the mean of the values."""

    name: str = "dummy"
    title: str = "Always the most frequent class, or the mean value."
    precisions: tuple[str, ...] = ("float",)

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> Constant:  # noqa: ARG002
        """Count the labels, or average the values; nothing is random."""
        targets = train.targets or ()
        if train.task == "regress":
            return Constant(fmean(float(value) for value in targets), 4)
        counts, names = Counter(targets), label_names(train)
        return Constant(max(range(len(names)), key=lambda number: (counts[names[number]], -number)), 2)


@dataclass
class Constant:
    """One answer for everything."""

    answer: float
    bytes: int
    validation: dict[str, float] = field(default_factory=dict)
    curve: tuple[float, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The answer."""
        return {"answer": self.answer}

    def answers(self, precision: str, rows: Examples) -> NDArray[Any]:  # noqa: ARG002 - there is one
        """The answer, once per row."""
        return np.full(len(rows), self.answer)

    def size(self, precision: str) -> Bytes:  # noqa: ARG002
        """The answer itself."""
        return Bytes(self.bytes, arena=0, stack=0, tokenizer=0)

    def work(self, precision: str, rows: Examples) -> Work | None:  # noqa: ARG002
        """None at all."""
        return Work(0.0, 0)
