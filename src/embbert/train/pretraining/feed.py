"""Batches as tensors: this process's share of every step, in parts that fit the processor's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from embbert.errors import DataError, UsageError
from embbert.train.pretraining.packing import Batch, Batches, Packing
from embbert.train.pretraining.schedule import is_long

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import BackboneConfig, PretrainConfig
    from embbert.train.pretraining.job import PretrainJob

HELD_OUT_TOKENS = 65536
HELD_OUT_ROWS = 32
HELD_OUT_SEED = 2**31 - 1
"""The validation text is cut and masked the same in every run, whatever its seed."""


class Part(NamedTuple):
    """Arguments of `PretrainingModel`, see there."""

    ids: Tensor
    places: Tensor
    labels: Tensor
    other: Tensor | None

    @staticmethod
    def of(batch: Batch) -> Part:
        """The tensors of some rows."""
        places = batch.columns + np.arange(len(batch.ids))[:, None] * batch.ids.shape[1]
        return Part(
            torch.from_numpy(batch.ids),
            torch.from_numpy(places.ravel()),
            torch.from_numpy(batch.labels.ravel()),
            None if batch.other is None else torch.from_numpy(batch.other),
        )

    def to(self, device: torch.device) -> Part:
        """The same on a device."""
        return Part(*(None if tensor is None else tensor.to(device) for tensor in self))  # type: ignore[arg-type]


class Feed:
    """What one process trains and measures on.

    Args:
        job: the streams and how they are used.
        rank: number of this process.
        processes: how many there are; each takes its own rows of every batch.

    Raises:
        UsageError: rows longer than the model's, or fewer rows per batch than processes.
        DataError: too little text for a batch or a measurement, or a single document for pairs.

    Attributes:
        tells_apart: whether the held-out pairs are of both kinds; only then does their accuracy say anything.
    """

    def __init__(self, job: PretrainJob, rank: int, processes: int) -> None:
        config = job.config
        self.config, self.rank, self.processes = config, rank, processes
        rows = check_rows(config, job.model, processes)
        if config.pairs and sum(map(len, job.training.document_starts)) < 2:
            raise DataError(
                "the training text is one document, and no pairs of texts from two can be made of it",
                remedy="give text in several files or rows, each a document, or leave --pairs out",
            )
        self.short, *others = (Batches(job.training, _packing(job, length), rows[length]) for length in rows)
        self.long = others[0] if others else self.short
        self.held_out = _held_out(job)
        kinds = {kind for part in self.held_out if part.other is not None for kind in part.other.tolist()}
        self.tells_apart = len(kinds) > 1

    def tokens(self, done: float) -> int:
        """How many tokens the step at this progress trains on, over all processes."""
        batches = self._at(done)
        return batches.rows * batches.packing.length

    def parts(self, step: int, done: float) -> list[Part]:
        """This process's rows of a step, in equal parts of at most `micro_tokens` tokens."""
        batches = self._at(done)
        own = batches.rows // self.processes
        batch = batches[step].rows(self.rank * own, (self.rank + 1) * own)
        size = _part_rows(self.config, batches.packing.length, own)
        return [Part.of(batch.rows(start, start + size)) for start in range(0, own, size)]

    def _at(self, done: float) -> Batches:
        return self.long if is_long(self.config, done) else self.short


def check_rows(config: PretrainConfig, model: BackboneConfig, processes: int) -> dict[int, int]:
    """Rows per batch, over all processes, by tokens per row: the length most rows have, then the full one.

    It is a multiple of the processes, and each process's rows fall into equal parts.

    Raises:
        UsageError: rows longer than the model's, or fewer rows per batch than processes.
    """
    if config.length > model.max_length:
        raise UsageError(
            f"rows of {config.length} tokens do not fit a model of at most {model.max_length}: lower --length"
        )
    rows = {}
    for length in [config.length, model.max_length] if config.long_share else [config.length]:
        own = config.batch_tokens // length // processes
        if own == 0:
            raise UsageError(
                f"a batch of {config.batch_tokens} tokens holds {config.batch_tokens // length} rows of "
                f"{length}, and each process needs one: give --batch-tokens {length * processes} or more"
            )
        rows[length] = (own - own % _part_rows(config, length, own)) * processes
    return rows


def _part_rows(config: PretrainConfig, length: int, own: int) -> int:
    """Rows per forward pass: more than half of what `micro_tokens` allows, and the fewest left over."""
    most = max(1, min(own, config.micro_tokens // length))
    return min(range(most, most // 2, -1), key=lambda size: own % size)


def _packing(job: PretrainJob, length: int) -> Packing:
    config = job.config
    return Packing(
        length, job.model.vocab_size, config.pairs, config.mask_share, config.whole_words, config.seed
    )


def _held_out(job: PretrainJob) -> list[Part]:
    """Equal parts of the validation text; the loss is comparable between settings, as the same is hidden."""
    length = job.config.length
    packing = Packing(length, job.model.vocab_size, job.config.pairs, seed=HELD_OUT_SEED)
    try:
        rows = min(HELD_OUT_ROWS, Batches(job.validation, packing, 1).windows)
        held = Batches(job.validation, packing, rows)
    except DataError as error:
        raise DataError(
            f"the validation text has {len(job.validation):,} tokens, too few for one row of {length}, which "
            f"may need {2 * length - 1:,}",
            remedy="give more text, text for validation of its own, or shorter rows",
        ) from error
    steps = min(held.steps, max(1, HELD_OUT_TOKENS // (rows * length)))
    return [Part.of(held[step]) for step in range(steps)]
