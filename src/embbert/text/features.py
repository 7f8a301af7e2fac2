"""The n-grams of a text: words, pairs of neighbouring words, and stretches of characters inside a word.

docs/linear.md is the specification in words, `embbert_ngrams.c` the same on a device.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from embbert.text.pipeline import NORMALIZER, WORD_SPLITTER, replace_surrogates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from numpy.typing import NDArray

    UInt32 = NDArray[np.uint32]
    Int64 = NDArray[np.int64]

Kind = Literal["words", "characters"]

LENGTHS = (3, 4, 5)
"""Characters per stretch, the marks around the word included."""

MARK = 0x20
"""Stands before and behind every word, and between the words of a pair: no piece has a space."""

UNKNOWN = 0xFFFD
"""In place of a character that is not in the alphabet; normalisation drops the real U+FFFD."""

START: dict[tuple[Kind, bool], int] = {
    ("words", False): 0x811C9DC5,
    ("characters", False): 0xC4B8A6E1,
    ("words", True): 0x5D3A21F7,
    ("characters", True): 0x2E97F01B,
}
"""What a hash begins with, by kind and whether the text is a pair's second: any four different numbers."""

_PRIME, _MIX, _HALF = np.uint32(0x01000193), np.uint32(0x85EBCA6B), np.uint32(16)
_SPACE, _WORD, _ISOLATED = 0, 1, 2
_COLUMNS = len(LENGTHS) + 2


class Ngram(NamedTuple):
    """A feature.

    Attributes:
        kind: `words` for one word or two with a space between them, `characters` for a stretch of a word.
        text: its characters; a space for the mark around a word.
        second: of the second text of a pair.
    """

    kind: Kind
    text: str
    second: bool = False


class Features(NamedTuple):
    """All n-grams of some texts, in the order in which they end.

    Attributes:
        hashes: [m] of the n-grams, 32 bits.
        begins: [texts + 1] where those of each text begin.
        stream: the characters that were hashed, as code points with marks between the words.
        ends: [m] the place in `stream` of each n-gram's last character; of words, of the mark behind.
        columns: [m] which kind it is: an index into `LENGTHS`, or behind those a word or two words.
    """

    hashes: UInt32
    begins: Int64
    stream: UInt32
    ends: Int64
    columns: NDArray[np.int8]

    def ngram(self, index: int, *, second: bool) -> Ngram:
        """The n-gram at a place, spelled out."""
        column, end = int(self.columns[index]), int(self.ends[index])
        if column < len(LENGTHS):
            begin = end + 1 - LENGTHS[column]
            return Ngram("characters", self._spell(begin, end + 1), second)
        first = self._before(end)
        if column == len(LENGTHS):
            return Ngram("words", self._spell(first + 1, end), second)
        before = self._before(first - 1)
        return Ngram("words", f"{self._spell(before + 1, first - 1)} {self._spell(first + 1, end)}", second)

    def _before(self, end: int) -> int:
        """The place of the mark before the word whose mark behind is at `end`."""
        at = end - 1
        while self.stream[at] != MARK:
            at -= 1
        return at

    def _spell(self, begin: int, end: int) -> str:
        return "".join(map(chr, self.stream[begin:end].tolist()))


def features(texts: Sequence[str], characters: Set[str], *, second: bool = False) -> Features:
    """The n-grams of texts.

    Args:
        texts: any number; the memory that is needed is about 60 bytes per character.
        characters: the alphabet; others are all alike.
        second: whether these are the second texts of pairs.
    """
    codes, rows = _codes(texts)
    known, kinds = _look_up(codes, characters)
    apart = (kinds[1:] == _ISOLATED) | (kinds[:-1] != _WORD) | (rows[1:] != rows[:-1])
    starts = np.concatenate([np.ones(min(1, len(codes)), np.bool_), apart])
    kept = kinds != _SPACE
    known, rows, starts = known[kept], rows[kept], starts[kept]
    first = np.flatnonzero(starts)
    lengths = np.diff(np.append(first, len(known)))
    pieces = np.repeat(np.arange(len(first)), lengths + 2)
    stream = np.full(len(pieces), MARK, np.uint32)
    stream[np.arange(len(known)) + 2 * (np.cumsum(starts) - 1) + 1] = known
    hashes = np.zeros((len(stream), _COLUMNS), np.uint32)
    there = np.zeros((len(stream), _COLUMNS), np.bool_)
    units = stream & np.uint32(0xFFFF)
    state = np.full(len(stream), START["characters", second], np.uint32)
    for length in range(1, min(LENGTHS[-1], len(stream)) + 1):
        state = _step(state[: len(stream) - length + 1], units[length - 1 :])
        if length in LENGTHS:
            column, end = LENGTHS.index(length), length - 1
            whole = lengths[pieces[end:]] + 2 == length  # that is the word itself
            hashes[end:, column] = _mix(state)
            there[end:, column] = (pieces[end:] == pieces[: len(state)]) & ~whole
    ends = np.cumsum(lengths + 2) - 1
    words = np.full(len(first), START["words", second], np.uint32)
    words = _fold(words, units, ends - lengths, lengths)
    hashes[ends, -2], there[ends, -2] = _mix(words), True
    if len(first) > 1:
        both = _fold(_step(words[:-1], np.uint32(MARK)), units, (ends - lengths)[1:], lengths[1:])
        hashes[ends[1:], -1] = _mix(both)
        there[ends[1:], -1] = rows[first[1:]] == rows[first[:-1]]
    places, columns = np.nonzero(there)
    return Features(
        hashes[there],
        np.searchsorted(rows[first][pieces[places]], np.arange(len(texts) + 1)),
        stream,
        places,
        columns.astype(np.int8),
    )


def hash_of(ngram: Ngram) -> int:
    """The 32-bit hash of an n-gram."""
    state = START[ngram.kind, ngram.second]
    for character in ngram.text:
        state = (state ^ (ord(character) & 0xFFFF)) * int(_PRIME) & 0xFFFFFFFF
    return (state ^ state >> 16) * int(_MIX) & 0xFFFFFFFF


def normalized_characters(texts: Iterable[str]) -> Iterable[str]:
    """Every character of the texts as it is after normalisation, with spaces."""
    return chain.from_iterable(NORMALIZER.normalize_str(replace_surrogates(text)) for text in texts)


def _step(state: UInt32, unit: UInt32 | np.uint32) -> UInt32:
    """One more character, FNV-1a in units of 16 bits."""
    return (state ^ unit) * _PRIME


def _mix(state: UInt32) -> UInt32:
    """Let every bit reach the upper ones, which alone are looked at."""
    return (state ^ (state >> _HALF)) * _MIX


def _fold(state: UInt32, units: UInt32, begins: Int64, lengths: Int64) -> UInt32:
    """Words of different lengths through `_step`: the k-th characters of all that have one, for every k."""
    state = state.copy()
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    for place in range(int(ordered[-1]) if len(ordered) else 0):
        active = order[np.searchsorted(ordered, place, side="right") :]
        state[active] = _step(state[active], units[begins[active] + place])
    return state


def _codes(texts: Sequence[str]) -> tuple[UInt32, Int64]:
    """Code points of the normalised texts in a row, and which text each belongs to."""
    normal = [NORMALIZER.normalize_str(replace_surrogates(text)) for text in texts]
    codes = np.frombuffer("".join(normal).encode("utf-32-le"), np.dtype("<u4")).astype(np.uint32)
    return codes, np.repeat(np.arange(len(normal)), [len(text) for text in normal])


def _look_up(codes: UInt32, characters: Set[str]) -> tuple[UInt32, NDArray[np.int8]]:
    """The code points, UNKNOWN for those that are not in the alphabet; and what each does to its piece."""
    distinct, places = np.unique(codes, return_inverse=True)
    found = [chr(code) for code in distinct.tolist()]
    known = np.array([ord(each) if each in characters else UNKNOWN for each in found], np.uint32)
    kinds = np.array([_kind(each) for each in found], np.int8)
    return known[places], kinds[places]


@cache
def _kind(character: str) -> int:
    """What the splitter does with a character that stands between two letters."""
    pieces = [piece for piece, _ in WORD_SPLITTER.pre_tokenize_str(f"a{character}a")]
    return {1: _WORD, 2: _SPACE, 3: _ISOLATED}[len(pieces)]
