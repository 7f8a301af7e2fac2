"""EmbBERT with n-grams within a budget, in float and as compiled integer C."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bench.finetuned import CHOOSES, TrainedModel
from embbert.bench.interface import Work
from embbert.config import TrainConfig
from embbert.errors import MissingExtraError
from embbert.footprint import macs

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.bench.interface import Bytes
    from embbert.data import Examples

KIB = 1024


@dataclass(frozen=True)
class Both:
    """`embbert train --arch both` within a budget; the reported metric chooses.

    Attributes:
        name: of the system.
        title: a sentence.
        base: a shipped base.
        budget: bytes for weights, tables, arena and stack.
        precisions: `int8` is the compiled C over every row.
    """

    name: str
    title: str
    base: str
    budget: int
    precisions: tuple[str, ...] = ("float", "int8")

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> BothModel:
        """Train, add n-grams and quantise a model folder."""
        from embbert.bases import load_base  # noqa: PLC0415 - the list of systems needs none of this
        from embbert.store import load_model  # noqa: PLC0415

        try:
            from embbert.train.both import BothRequest, train_both  # noqa: PLC0415
            from embbert.train.finished import finished  # noqa: PLC0415
            from embbert.train.prepare import Request  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError("training", "train") from error
        score: Any = metric if metric in CHOOSES else "auto"
        base = load_base(self.base)
        config = TrainConfig(seed=seed, score=score)
        out, alone = folder / self.name, folder / base.name
        request = Request(train, None, base.fitted(), config, out, overwrite=True, base=base)
        known = finished(replace(request, out=alone)) is not None
        train_both(BothRequest(request, self.budget, shared=alone))
        shape = load_model(out).config
        known &= shape.max_length == base.config.max_length
        return BothModel(load_model(out), (base.name,) if known else ())


@dataclass
class BothModel(TrainedModel):
    """A folder of EmbBERT and n-grams that answers; without n-grams where they were of no use."""

    @property
    def settings(self) -> dict[str, Any]:
        """Those of EmbBERT, how the n-grams were chosen, their share, and what both scored alone."""
        return {**super().settings, "both": self.folder.metrics["both"]}

    def size(self, precision: str) -> Bytes:
        """What the export states; the table of n-grams, which grows with the model, counts as constants."""
        counted = super().size(precision)
        grams = self._gram_bytes()
        if counted.tokenizer is None:
            raise AssertionError("a model folder has a tokenizer")
        weights = 0 if precision == "int8" else 4 * self.folder.outputs * self.shape.ngrams
        ids = 0 if precision == "int8" else 2 * self.shape.max_ngrams
        return replace(
            counted,
            constants=counted.constants + grams + weights,
            arena=(counted.arena or 0) + ids,
            tokenizer=counted.tokenizer - grams,
        )

    def work(self, precision: str, rows: Examples) -> Work:  # noqa: ARG002 - the same sums
        """Multiply-accumulates at the mean number of tokens, and additions at that of known n-grams."""
        first = self.shape.vocab_size
        ids = self._ids(rows)
        tokens = float(np.mean([sum(index < first for index in row) for row in ids]))
        ngrams = float(np.mean([sum(index >= first for index in row) for row in ids]))
        return Work(tokens, macs(self.shape, self.folder.outputs, round(tokens), round(ngrams)))

    def _gram_bytes(self) -> int:
        """Of the tables that know n-grams, those of characters aside."""
        from embbert.train.budget import ngram_bytes  # noqa: PLC0415

        return ngram_bytes(self.shape.ngrams) if self.shape.ngrams else 0


BOTH = (
    Both(
        "both-512k",
        "EmbBERT from embbert-base and n-grams, added up, 512 kB, memory included.",
        "embbert-base",
        512 * KIB,
    ),
)
