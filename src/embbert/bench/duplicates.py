"""Test rows that the training rows give away: the same text, the same but for looks, or nearly the same."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embbert.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from embbert.data import Examples

_WORD = re.compile(r"[^\W_]+")
_LENGTH = 3
_CHUNK = 256
# Three words to a code of 63 bits. Beyond two million words numbers repeat, and `near` may count too many.
_BITS = np.uint64(21)
_TWICE = np.uint64(42)
_MOST = np.uint64(2**21 - 1)


@dataclass(frozen=True)
class Duplicates:
    """How many test rows have a counterpart among the training rows; each count includes the one before.

    Attributes:
        rows: test rows.
        exact: the same text (and second text).
        normalized: the same words in the same order, whatever their case, punctuation and spaces.
        near: Jaccard similarity of the sets of word trigrams of at least 0.8.
    """

    rows: int
    exact: int
    normalized: int
    near: int


def count_duplicates(train: Examples, test: Examples) -> Duplicates:
    """Compare every test row with every training row.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    exact = _same(_raw(train), _raw(test))
    words, asked = [_words(key) for key in _raw(train)], [_words(key) for key in _raw(test)]
    normalized = _same(words, asked)
    numbers: dict[tuple[int, str], int] = {}
    near = exact | normalized | _near(_shingles(words, numbers), _shingles(asked, numbers))
    return Duplicates(len(test), int(exact.sum()), int((exact | normalized).sum()), int(near.sum()))


_Key = tuple[str, ...]
_Row: TypeAlias = "NDArray[np.uint64]"


def _raw(examples: Examples) -> list[_Key]:
    if examples.pairs is None:
        return [(text,) for text in examples.texts]
    return list(zip(examples.texts, examples.pairs, strict=True))


def _words(key: _Key) -> _Key:
    """Each text as words with one space between; a text without words stays as it is."""
    texts = (unicodedata.normalize("NFKC", text).casefold() for text in key)
    return tuple(" ".join(_WORD.findall(text)) or text for text in texts)


def _same(train: Iterable[_Key], test: Iterable[_Key]) -> NDArray[np.bool_]:
    known = set(train)
    return np.array([key in known for key in test], dtype=np.bool_)


def _shingles(keys: Iterable[_Key], numbers: dict[tuple[int, str], int]) -> list[_Row]:
    """Sorted codes of the word trigrams of each row; a text of fewer words is one shingle.

    A code is three numbers of words, counted from 1 and apart for the two sides of a pair.
    """
    rows = []
    for key in keys:
        codes = []
        for side, text in enumerate(key):
            words = [numbers.setdefault((side, word), len(numbers) + 1) for word in text.split(" ")]
            ids = np.array(words + [0] * (_LENGTH - len(words)), dtype=np.uint64) & _MOST
            codes.append(ids[:-2] << _TWICE | ids[1:-1] << _BITS | ids[2:])
        rows.append(np.unique(np.concatenate(codes)))
    return rows


def _near(train: list[_Row], test: list[_Row]) -> NDArray[np.bool_]:
    """Which test rows share at least 4/5 of their shingles' union with a training row.

    With all shingles in one order, the rarest first, two sets so alike have one in common among the first
    fifth, and one more, of either: only rows that do are compared.
    """
    try:
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - optional, and slow to load
    except ImportError as error:
        raise MissingExtraError("looking for duplicates", "train") from error
    known, numbers, counts = np.unique(np.concatenate(train + test), return_inverse=True, return_counts=True)
    order = np.empty(len(known), dtype=np.int64)
    order[np.argsort(counts, kind="stable")] = np.arange(len(known))
    places = np.split(order[numbers], np.cumsum([len(row) for row in train + test])[:-1])
    rarest = [np.sort(row)[: len(row) - -(-4 * len(row) // 5) + 1] for row in places]
    first = _matrix(csr_matrix, rarest[: len(train)], len(known)).T.tocsr()
    second = _matrix(csr_matrix, rarest[len(train) :], len(known))
    near = np.zeros(len(test), dtype=np.bool_)
    for start in range(0, len(test), _CHUNK):
        candidates = (second[start : start + _CHUNK] @ first).tocoo()
        for row, column in zip(candidates.row + start, candidates.col, strict=True):
            if not near[row]:
                near[row] = _alike(test[row], train[column])
    return near


def _alike(first: _Row, second: _Row) -> bool:
    if 5 * min(len(first), len(second)) < 4 * max(len(first), len(second)):
        return False
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return 5 * shared >= 4 * (len(first) + len(second) - shared)


def _matrix(make: Any, rows: list[NDArray[np.int64]], columns: int) -> Any:  # noqa: ANN401 - SciPy
    """Which row has which column."""
    flat = np.concatenate(rows)
    ends = np.cumsum([0, *(len(row) for row in rows)])
    return make((np.ones(len(flat), dtype=np.int32), flat, ends), shape=(len(rows), columns))
