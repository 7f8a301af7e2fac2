"""A tokenised corpus as one long row of tokens, of which any stretch can be read without loading the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CONTINUES, SENTENCE, DOCUMENT = 1, 2, 4
"""Flags of a token: it goes on with the word before it, starts a sentence, starts a document."""


@dataclass(frozen=True)
class Stream:
    """Tokens and flags, in shards that are usually memory-mapped. No window crosses from shard to shard.

    Attributes:
        tokens: uint16 ids, one array per shard.
        flags: uint8, as long as the tokens.
    """

    tokens: Sequence[NDArray[np.uint16]]
    flags: Sequence[NDArray[np.uint8]]

    def __len__(self) -> int:
        return sum(map(len, self.tokens))

    @cached_property
    def document_starts(self) -> list[NDArray[np.int64]]:
        """Where documents start, per shard."""
        return [np.flatnonzero(flags & DOCUMENT) for flags in self.flags]


@dataclass(frozen=True)
class Windows:
    """All windows of one length at one offset: a partition of the stream, less the ends of its shards.

    Attributes:
        stream: what they look at.
        length: tokens per window.
        offset: where the first window of each shard begins.
    """

    stream: Stream
    length: int
    offset: int = 0

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        """Number of the first window of each shard, and the number of windows in all."""
        counts = [max(0, len(tokens) - self.offset) // self.length for tokens in self.stream.tokens]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def read(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """Tokens and flags [n, length] of the windows with these numbers (each in 0 … len − 1)."""
        shards = np.searchsorted(self._firsts, numbers, side="right") - 1
        tokens = np.empty((len(numbers), self.length), np.uint16)
        flags = np.empty((len(numbers), self.length), np.uint8)
        for shard in np.unique(shards):
            rows = np.flatnonzero(shards == shard)
            starts = self.offset + (numbers[rows] - self._firsts[shard]) * self.length
            index = starts[:, None] + np.arange(self.length)
            tokens[rows] = self.stream.tokens[shard][index]
            flags[rows] = self.stream.flags[shard][index]
        return tokens, flags

    def documents(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the document that each window begins in; numbers differ between shards too."""
        shards = np.searchsorted(self._firsts, numbers, side="right") - 1
        before = np.cumsum([0, *map(len, self.stream.document_starts)])
        result = np.empty(len(numbers), np.int64)
        for shard in np.unique(shards):
            rows = shards == shard
            starts = self.offset + (numbers[rows] - self._firsts[shard]) * self.length
            found = np.searchsorted(self.stream.document_starts[shard], starts, side="right")
            result[rows] = before[shard] + found
        return result
