"""Tokenised rows and the order in which they are trained on.

Rows of similar length share a batch, so that hardly anything of a batch is padding; which rows those are and
the order of the batches are drawn anew for every epoch, from the seed and the epoch's number alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset, Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

POOL = 50
"""Batches' worth of rows that are sorted by length together."""


@dataclass(frozen=True)
class Rows(Dataset[tuple[list[int], float]]):
    """Token ids and targets.

    Attributes:
        ids: one list per row, none empty.
        targets: [n] class numbers (int64) or values (float32).
    """

    ids: Sequence[list[int]]
    targets: NDArray[np.generic]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[list[int], float]:
        return self.ids[index], self.targets[index].item()

    def collate(self, rows: Sequence[tuple[list[int], float]]) -> tuple[Tensor, Tensor]:
        """Ids [B, T] padded with 0 to the longest row, and targets [B]."""
        kind = torch.int64 if self.targets.dtype.kind == "i" else torch.float32
        return pad([ids for ids, _ in rows]), torch.tensor([target for _, target in rows], dtype=kind)


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Ids [B, T], T the longest row, the rest 0."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])


class Buckets(Sampler[list[int]]):
    """Batches of row numbers, all of `batch_size` but the last few of them.

    Args:
        lengths: tokens of every row.
        batch_size: rows per batch.
        seed: with the epoch's number it decides everything.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of that epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return (len(self.lengths) + self.batch_size - 1) // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        batches: list[list[int]] = []
        for start in range(0, len(order), POOL * self.batch_size):
            pool = sorted(order[start : start + POOL * self.batch_size], key=self.lengths.__getitem__)
            batches += [pool[i : i + self.batch_size] for i in range(0, len(pool), self.batch_size)]
        # POOL·batch_size is a whole number of batches, so at most the very last one is short.
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]


def epoch_seed(seed: int, epoch: int, process: int = 0) -> int:
    """A seed of its own for every epoch of every run, in every process."""
    return (seed * 1_000_003 + epoch + process * 2**40) % 2**63
