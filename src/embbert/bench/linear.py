"""The linear model of n-grams within three budgets, in float and as compiled integer C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bench.finetuned import CHOOSES, TrainedModel
from embbert.bench.interface import Bytes, Work
from embbert.errors import ModelError
from embbert.footprint import macs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.data import Examples
    from embbert.text.tables import NgramTables

KIB = 1024


@dataclass(frozen=True)
class Linear:
    """`embbert train --arch linear` within a budget; the reported metric chooses.

    Attributes:
        name: of the system.
        title: a sentence.
        budget: bytes for weights, tables, arena and stack.
        precisions: `int8` is the compiled C over every row.
    """

    name: str
    title: str
    budget: int
    precisions: tuple[str, ...] = ("float", "int8")

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> LinearModel:
        """Choose, fit and quantise a model folder."""
        from embbert.store import load_model  # noqa: PLC0415 - the list of systems needs none of this
        from embbert.train.linear import LinearRequest, train_linear  # noqa: PLC0415

        score: Any = metric if metric in CHOOSES else "auto"
        out = folder / self.name
        request = LinearRequest(train, None, out, budget=self.budget, score=score, seed=seed, overwrite=True)
        train_linear(request)
        return LinearModel(load_model(out))


@dataclass
class LinearModel(TrainedModel):
    """A linear model folder that answers."""

    @property
    def curve(self) -> tuple[float, ...]:
        """None: there are no epochs."""
        return ()

    def size(self, precision: str) -> Bytes:
        """What the export states; the table of n-grams, which grows with the model, counts as constants."""
        tables = self._tables()
        grams = tables.keys.nbytes + tables.bucket_begin.nbytes
        if precision == "int8":
            stated = self.report
            return Bytes(
                stated["constants"] + grams,
                arena=stated["arena"],
                stack=stated["stack"],
                tokenizer=stated["tokenizer"] - grams,
                code=stated["code_margin"],
            )
        weights = 4 * self.folder.outputs * (self.folder.config.vocab_size + 1)
        ids = 2 * self.folder.config.max_length
        return Bytes(weights + grams, arena=ids, tokenizer=tables.bytes - grams)

    def work(self, precision: str, rows: Examples) -> Work:  # noqa: ARG002 - the same sums
        """Additions of weights at the mean number of known n-grams."""
        tokens = float(np.mean([len(row) for row in self._ids(rows)]))
        return Work(tokens, macs(self.folder.config, self.folder.outputs, round(tokens)))

    def _tables(self) -> NgramTables:
        from embbert.text import NgramTokenizer  # noqa: PLC0415
        from embbert.text.tables import ngram_tables  # noqa: PLC0415

        tokenizer = self.folder.tokenizer
        if not isinstance(tokenizer, NgramTokenizer):
            raise ModelError(f"{self.folder.path} is no linear model")
        return ngram_tables(tokenizer)

    def _float(self, rows: Examples) -> NDArray[Any]:
        from embbert.quant.float_model import forward  # noqa: PLC0415

        weights, config = self.folder.weights(), self.folder.config
        return np.array([forward(config, weights, ids) for ids in self._ids(rows)])


LINEAR = tuple(
    Linear(f"linear-{size}k", f"Hashed n-grams, pruned to {size} kB, memory included.", size * KIB)
    for size in (64, 256, 512)
)
