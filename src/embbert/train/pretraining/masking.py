"""Which tokens are hidden and predicted: masked-language modelling (BERT, arXiv 1810.04805, section 3.1).

Whole batches at a time, in NumPy: nothing here runs once per example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embbert.text import MASK, UNK
from embbert.train.pretraining.stream import CONTINUES

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAST_SPECIAL = 4
MASKED, RANDOM = 0.8, 0.1
"""Shares of the predicted tokens that become [MASK] and a random token; the rest stays as it is."""


def predicted_count(length: int, share: float) -> int:
    """How many tokens of a row of `length` are predicted: the same in every row, so shapes never change."""
    return max(1, round(length * share))


def choose(
    ids: NDArray[np.int64],
    flags: NDArray[np.uint8],
    count: int,
    random: np.random.Generator,
    *,
    whole_words: bool,
) -> NDArray[np.int64]:
    """Columns [n, count] of the tokens to predict, rising in each row.

    Special tokens are predicted only in rows that have fewer others, and then [UNK] first.

    Args:
        ids: [n, T].
        flags: [n, T], see `stream`.
        count: tokens per row.
        random: drawn from once.
        whole_words: the tokens of a word are chosen together (the last word of a row only as far as the
            count goes).
    """
    keys = random.random(ids.shape)
    if whole_words:
        # Each token takes the key of its word's first token, so a sort keeps words in one piece.
        starts = np.where(flags & CONTINUES, 0, np.arange(ids.shape[1]))
        keys = np.take_along_axis(keys, np.maximum.accumulate(starts, axis=1), axis=1)
    keys[ids <= LAST_SPECIAL] = 3.0
    keys[ids == UNK] = 2.0
    order = np.argsort(keys, axis=1, kind="stable")[:, :count]
    return np.sort(order, axis=1)


def hide(
    ids: NDArray[np.int64], columns: NDArray[np.int64], vocab_size: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """A copy of ids [n, T]; of the tokens at `columns` [n, count] 80 % are [MASK], 10 % random, 10 % kept."""
    kept = np.take_along_axis(ids, columns, axis=1)
    draw = random.random(columns.shape)
    other = random.integers(LAST_SPECIAL + 1, vocab_size, columns.shape)
    shown = np.where(draw < MASKED, MASK, np.where(draw < MASKED + RANDOM, other, kept))
    hidden = ids.copy()
    np.put_along_axis(hidden, columns, shown, axis=1)
    return hidden
