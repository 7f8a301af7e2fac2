"""Batches of pre-training, each a pure function of seed and step: nothing to store, nothing to replay.

Rows are full: no padding. A row of packed text is `[CLS]` and a stretch of the corpus; a row of a pair is
`[CLS] A [SEP] B [SEP]`, cut where a sentence starts, B being what follows A or a stretch of another document.
Every epoch cuts the corpus at another offset, shuffles anew and masks anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embbert.errors import DataError, UsageError
from embbert.text import CLS, SEP
from embbert.train.pretraining.masking import choose, hide, predicted_count
from embbert.train.pretraining.stream import DOCUMENT, SENTENCE, Windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.train.pretraining.stream import Stream

_EPOCH, _STEP = 0, 1  # what a generator is for: keys of different streams of random numbers


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes:
        ids: [n, T] int64, with hidden tokens.
        columns: [n, count] int64, where tokens are predicted.
        labels: [n, count] int64, the tokens that stood there.
        other: [n] int64, 1 where B comes from another document; None for packed text.
    """

    ids: NDArray[np.int64]
    columns: NDArray[np.int64]
    labels: NDArray[np.int64]
    other: NDArray[np.int64] | None

    def rows(self, start: int, stop: int) -> Batch:
        """Some of the rows."""
        other = None if self.other is None else self.other[start:stop]
        return Batch(self.ids[start:stop], self.columns[start:stop], self.labels[start:stop], other)


@dataclass(frozen=True)
class Packing:
    """How the stream becomes rows.

    Attributes:
        length: tokens per row, special tokens included.
        vocab_size: random tokens are drawn from it.
        pairs: rows are pairs of stretches instead of one.
        mask_share: share of the tokens of a row that are predicted.
        whole_words: tokens of one word are hidden together.
        seed: with the step it decides everything.
    """

    length: int
    vocab_size: int
    pairs: bool = False
    mask_share: float = 0.15
    whole_words: bool = False
    seed: int = 0


class Batches:
    """Batch by step: `batches[step]` is the same whenever and wherever it is asked for.

    Args:
        stream: the tokenised corpus; must fill one batch.
        packing: how it becomes rows.
        rows: per batch.

    Raises:
        DataError: the corpus is too small for one batch.
        UsageError: a row is too short to hold a text, or two if rows are pairs.
    """

    def __init__(self, stream: Stream, packing: Packing, rows: int) -> None:
        self.stream, self.packing, self.rows = stream, packing, rows
        self.specials = 3 if packing.pairs else 1
        self.room = packing.length - self.specials
        shortest = 5 if packing.pairs else 2
        if packing.length < shortest:
            raise UsageError(f"a row of {packing.length} tokens is too short: take at least {shortest}")
        self.count = predicted_count(self.room, packing.mask_share)
        # Counted at the largest offset, so that every epoch has as many.
        self.windows = len(Windows(stream, self.room, self.room - 1))
        self.steps = self.windows // rows
        if self.steps == 0:
            # What a shard loses at its ends: the offset, and less than a window behind the last one.
            needed = rows * self.room + (2 * len(stream.tokens) - 1) * (self.room - 1)
            raise DataError(
                f"the corpus has {len(stream):,} tokens, and one batch of {rows:,} rows of"
                f" {packing.length} tokens may need {needed:,}",
                remedy="give more text, or take smaller batches or shorter rows",
            )
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)
        self._cut = Windows(stream, self.room)

    def __getitem__(self, step: int) -> Batch:
        epoch, index = divmod(step, self.steps)
        self._begin(epoch)
        random = _generator(self.packing.seed, _STEP, step)
        numbers = self._order[index * self.rows : (index + 1) * self.rows]
        tokens, flags = self._cut.read(numbers)
        if self.packing.pairs:
            ids, flags, other = self._pairs(tokens, flags, numbers, random)
        else:
            ids = np.pad(tokens.astype(np.int64), ((0, 0), (1, 0)), constant_values=CLS)
            flags, other = np.pad(flags, ((0, 0), (1, 0))), None
        columns = choose(ids, flags, self.count, random, whole_words=self.packing.whole_words)
        labels = np.take_along_axis(ids, columns, axis=1)
        return Batch(hide(ids, columns, self.packing.vocab_size, random), columns, labels, other)

    def _begin(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        random = _generator(self.packing.seed, _EPOCH, epoch)
        self._cut = Windows(self.stream, self.room, int(random.integers(self.room)))
        self._order = random.permutation(self.windows)
        self._epoch = epoch

    def _pairs(
        self,
        tokens: NDArray[np.uint16],
        flags: NDArray[np.uint8],
        numbers: NDArray[np.int64],
        random: np.random.Generator,
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
        """Ids and flags [n, length], and which rows got another document's text as B."""
        rows, room = tokens.shape
        column = np.arange(room)
        low, high = max(1, room // 4), room - room // 4
        cut = _nearest(_is_start(flags), random.integers(low, high, rows))
        partners = random.integers(0, len(self._cut), (rows,))
        partner_tokens, partner_flags = self._cut.read(partners)
        # B of another document starts where a sentence does, if one starts early enough to fill the row.
        first = _nearest(_is_start(partner_flags), np.zeros(rows, np.int64))
        first = np.where(first <= cut, first, 0)
        # Another document means that A and B have none in common, wherever documents end inside of them.
        mine = _documents(self._cut.documents(numbers), flags)
        theirs = _documents(self._cut.documents(partners), partner_flags)
        row = np.arange(rows)
        apart = (theirs[row, first] > mine[row, cut - 1]) | (theirs[row, first + room - cut - 1] < mine[:, 0])
        taken = (random.integers(2, size=rows) == 1) & apart
        # A row without a better cut may be cut where a document starts: what follows is no successor then.
        other = (taken | (mine[row, cut] > mine[row, cut - 1])).astype(np.int64)
        source = np.clip(column - cut[:, None] + first[:, None], 0, room - 1)
        from_other = taken[:, None] & (column >= cut[:, None])
        text = np.where(from_other, np.take_along_axis(partner_tokens, source, axis=1), tokens)
        marks = np.where(from_other, np.take_along_axis(partner_flags, source, axis=1), flags)
        # Everything from the cut on moves one to the right, to let [SEP] in.
        place = 1 + column + (column >= cut[:, None])
        ids = np.full((rows, room + 3), SEP, np.int64)
        ids[:, 0] = CLS
        np.put_along_axis(ids, place, text.astype(np.int64), axis=1)
        spread = np.zeros((rows, room + 3), np.uint8)
        np.put_along_axis(spread, place, marks, axis=1)
        return ids, spread, other


def _is_start(flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Sentences that have a predecessor in their document start here."""
    starts: NDArray[np.bool_] = (flags & (SENTENCE | DOCUMENT)) == SENTENCE
    return starts


def _documents(first: NDArray[np.int64], flags: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number of the document of each token [n, T], given that of the first token of each row [n]."""
    later = np.cumsum((flags & DOCUMENT) > 0, axis=1)
    return first[:, None] + later - later[:, :1]


def _nearest(starts: NDArray[np.bool_], target: NDArray[np.int64]) -> NDArray[np.int64]:
    """The column [n] of the start that is nearest to `target`, the first column left out; else the target."""
    column = np.arange(starts.shape[1])
    distance = np.where(starts & (column > 0), np.abs(column - target[:, None]), starts.shape[1])
    found = distance.argmin(axis=1)
    return np.where(distance.min(axis=1) < starts.shape[1], found, target)


def _generator(seed: int, purpose: int, number: int) -> np.random.Generator:
    """A generator of its own for every step and epoch of every seed."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose, number])))
