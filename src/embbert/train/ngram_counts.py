"""How often every n-gram occurs in every text, as sparse matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.text.features import LENGTHS, Ngram, features
from embbert.text.ngrams import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from numpy.typing import NDArray

    from embbert.data import Examples
    from embbert.text import NgramTokenizer
    from embbert.text.features import Features

    Sparse = Any  # scipy.sparse.csr_matrix, whose package is optional
    UInt32 = NDArray[np.uint32]

OFTEN = 2
"""Texts that an n-gram must occur in, to be worth a weight; in fewer, if hardly any occurs so often."""

MOST = 400_000
"""N-grams that a first fit looks at: the most frequent ones."""

FEW = 64


@dataclass(frozen=True)
class Counts:
    """Occurrences of n-grams.

    Attributes:
        matrix: [texts, n-grams] float32, sparse.
        hashes: [n-grams] ascending, 32 bits.
        words: [n-grams] whether it is a word or two, not a stretch of characters.
    """

    matrix: Sparse
    hashes: UInt32
    words: NDArray[np.bool_]


def learn_counts(rows: Examples, characters: Set[str]) -> Counts:
    """The n-grams that occur in at least OFTEN of these texts, at most MOST of them."""
    found = list(_occurrences(rows, characters))
    texts, hashes, counts, words = (np.concatenate(part) for part in zip(*found, strict=True))
    distinct, first, column, spread = np.unique(
        hashes, return_index=True, return_inverse=True, return_counts=True
    )
    often = spread >= OFTEN
    kept = np.flatnonzero(often if often.sum() >= FEW else spread > 0)
    if len(kept) > MOST:
        kept = np.sort(kept[np.argsort(-spread[kept], kind="stable")[:MOST]])
    place = np.full(len(distinct), -1, np.int64)
    place[kept] = np.arange(len(kept))
    column = place[column]
    there = column >= 0
    matrix = _sparse(texts[there], column[there], counts[there], (len(rows), len(kept)))
    return Counts(matrix, distinct[kept], words[first][kept])


def count(rows: Examples, characters: Set[str], known: Counts) -> Sparse:
    """[texts, n-grams] how often each of the n-grams that `known` has occurs in other texts."""
    parts = []
    for texts, hashes, counts, _ in _occurrences(rows, characters):
        column = np.searchsorted(known.hashes, hashes)
        there = known.hashes[np.minimum(column, len(known.hashes) - 1)] == hashes
        parts.append((texts[there], column[there], counts[there]))
    texts, column, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _sparse(texts, column, counts, (len(rows), len(known.hashes)))


def count_ids(ids: Sequence[Sequence[int]], tokenizer: NgramTokenizer) -> Sparse:
    """[texts, n-grams] how often each id occurs."""
    texts = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    column = np.array([index for row in ids for index in row], np.int64)
    return _sparse(texts, column, np.ones(len(column)), (len(ids), tokenizer.vocab_size))


def spelled(wanted: UInt32, rows: Examples, characters: Set[str]) -> list[Ngram]:
    """The n-grams that have these hashes, in their order, as they first occur in the texts."""
    found: dict[int, Ngram] = {}
    for second, _, here in _features(rows, characters):
        distinct, places = np.unique(here.hashes, return_index=True)
        asked = np.isin(distinct, wanted)
        for value, place in zip(distinct[asked].tolist(), places[asked].tolist(), strict=True):
            if value not in found:
                found[value] = here.ngram(place, second=second)
    return [found[value] for value in wanted.tolist()]


def _occurrences(
    rows: Examples, characters: Set[str]
) -> Iterator[tuple[NDArray[np.int64], UInt32, NDArray[np.int64], NDArray[np.bool_]]]:
    """(texts, hashes, how often, whether of words), each n-gram of a text once."""
    for _, first, here in _features(rows, characters):
        texts = first + np.repeat(np.arange(len(here.begins) - 1), np.diff(here.begins))
        keys, places, counts = np.unique(
            (texts << 32) | here.hashes.astype(np.int64), return_index=True, return_counts=True
        )
        hashes = (keys & 0xFFFFFFFF).astype(np.uint32)
        yield keys >> 32, hashes, counts, here.columns[places] >= len(LENGTHS)


def _features(rows: Examples, characters: Set[str]) -> Iterator[tuple[bool, int, Features]]:
    """(whether second texts, number of the first one, their n-grams), some texts at a time."""
    for second, texts in ((False, rows.texts), (True, rows.pairs)):
        first = 0
        for chunk in chunks(texts or ()):
            yield second, first, features(chunk, characters, second=second)
            first += len(chunk)


def _sparse(texts: Any, column: Any, values: Any, shape: tuple[int, int]) -> Sparse:  # noqa: ANN401 - arrays
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - optional

    matrix = csr_matrix((values.astype(np.float32), (texts, column)), shape=shape)
    matrix.sum_duplicates()
    return matrix
