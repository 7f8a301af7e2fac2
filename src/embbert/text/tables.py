"""Alphabets and tokenizers as the constant tables that the C reads.

Three look-ups make an id: what a code point does (`run_*`, `sequence`), which ids a character has
(`symbol_*`), which token a pair of tokens merges into (`merge_*`). docs/tokenizer.md draws them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.errors import ModelError
from embbert.text.charset import in_charset
from embbert.text.joint import JointTokenizer
from embbert.text.ngrams import NgramTokenizer
from embbert.text.pipeline import UNK, Boundary, is_reordered, prefix
from embbert.text.training import MAX_ALPHABET
from embbert.text.unicode import CODE_POINTS, ISOLATED, OTHER, WORD, Part, behaviour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embbert.text import AnyTokenizer
    from embbert.text.charset import Charset
    from embbert.text.tokenizer import Tokenizer

    UInt16 = NDArray[np.uint16]

PLANES = CODE_POINTS >> 16

MORE, ALONE, UNKNOWN = 1 << 15, 1 << 14, MAX_ALPHABET
"""An element of `sequence`: a symbol's index or UNKNOWN in 14 bits, ALONE if it is a piece of its own,
MORE if another element follows."""


@dataclass(frozen=True)
class AlphabetTables:
    """What code points do. All arrays are uint16; n runs, s symbols.

    A run is a stretch of code points that do the same. Runs and symbols are sorted by code point; only
    its lower 16 bits are stored, and `*_planes[p]` is where plane p (the upper bits) begins.

    Attributes:
        charset: see `text.Charset`.
        vocab_size: entries of the vocabulary whose alphabet this is.
        run_first: [n] first code point of each run; every plane begins with a run.
        run_action: [n] DROP, SPACE, WORD, ISOLATED (see `unicode`) or 4 + a place in `sequence`.
        run_planes: [PLANES + 1].
        sequence: what other code points become, see MORE.
        symbol_code: [s] the characters of the alphabet.
        symbol_planes: [PLANES + 1].
    """

    charset: Charset
    vocab_size: int
    run_first: UInt16
    run_action: UInt16
    run_planes: UInt16
    sequence: UInt16
    symbol_code: UInt16
    symbol_planes: UInt16

    def arrays(self) -> dict[str, UInt16]:
        """Those that are stored, by field: no `symbol_inside` that repeats `symbol_start`, none empty."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        if "symbol_inside" in found and np.array_equal(found["symbol_inside"], found["symbol_start"]):
            del found["symbol_inside"]
        # C has no empty arrays; nothing reads the zero.
        return {
            name: values if len(values) else np.zeros(1, np.uint16)
            for name, values in found.items()
            if isinstance(values, np.ndarray)
        }

    @property
    def bytes(self) -> int:
        """Of all stored arrays."""
        return sum(values.nbytes for values in self.arrays().values())


@dataclass(frozen=True)
class TokenizerTables(AlphabetTables):
    """An alphabet and its tokens. All arrays are uint16; s symbols, m merges, v tokens.

    Attributes:
        boundary: see `text.Boundary`.
        symbol_start: [s] the id of a character that begins a piece.
        symbol_inside: [s] the id of one inside a piece.
        merge_left: [l] the tokens that are on the left of a merge, ascending.
        merge_begin: [l + 1] where the merges of each of them begin.
        merge_right: [m] right tokens, ascending for each left one.
        merge_rank: [m] ranks; rank k makes token first_merged + k.
        first_merged: the id of the first merge's result.
    """

    boundary: Boundary
    symbol_start: UInt16
    symbol_inside: UInt16
    merge_left: UInt16
    merge_begin: UInt16
    merge_right: UInt16
    merge_rank: UInt16
    first_merged: int


@dataclass(frozen=True)
class NgramTables(AlphabetTables):
    """An alphabet and its n-grams. All arrays are uint16; v n-grams, B bits.

    Attributes:
        bucket_bits: B; the upper B bits of a hash choose a bucket.
        bucket_begin: [2^B + 1] where the n-grams of each bucket begin.
        keys: [v] the 16 bits below those, ascending in each bucket.
    """

    bucket_bits: int
    bucket_begin: UInt16
    keys: UInt16


@dataclass(frozen=True)
class JointTables:
    """Tables of tokens and of n-grams."""

    tokens: TokenizerTables
    ngrams: NgramTables

    @property
    def charset(self) -> Charset:
        """See `text.Charset`."""
        return self.tokens.charset

    @property
    def shared(self) -> frozenset[str]:
        """Arrays that are stored once for both: those of the alphabet, if it is the same."""
        names = [item.name for item in fields(AlphabetTables)]
        arrays, others = self.tokens.arrays(), self.ngrams.arrays()
        found = frozenset(names) & arrays.keys()
        return found if all(np.array_equal(arrays[name], others[name]) for name in found) else frozenset()

    @property
    def bytes(self) -> int:
        """Of all stored arrays."""
        twice = sum(values.nbytes for name, values in self.ngrams.arrays().items() if name in self.shared)
        return self.tokens.bytes + self.ngrams.bytes - twice


AnyTables = TokenizerTables | NgramTables | JointTables


def tokenizer_tables(tokenizer: Tokenizer) -> TokenizerTables:
    """Lay a tokenizer out; the first call in a process takes some seconds for `unicode.behaviour`.

    Raises:
        ModelError: a vocabulary that the C tokenizer cannot represent exactly.
    """
    ids = {token: index for index, token in enumerate(tokenizer.tokens)}
    continuation = prefix(tokenizer.boundary)
    first_merged = tokenizer.vocab_size - len(tokenizer.merges)
    alphabet = sorted(each for each in tokenizer.alphabet if in_charset(each, tokenizer.charset))
    merges = sorted(
        (ids[left], ids[right], rank)
        for rank, (left, right) in enumerate(tokenizer.merges)
        if in_charset(left + right, tokenizer.charset)
    )
    left_of_each, rights, ranks = np.array(merges, np.int64).reshape(-1, 3).T
    lefts = np.unique(left_of_each)
    return TokenizerTables(
        **_alphabet(alphabet, tokenizer.charset, tokenizer.vocab_size),
        boundary=tokenizer.boundary,
        symbol_start=_uint16([ids.get(character, UNK) for character in alphabet]),
        symbol_inside=_uint16([ids.get(continuation + character, UNK) for character in alphabet]),
        merge_left=_uint16(lefts),
        merge_begin=_uint16(np.searchsorted(left_of_each, [*lefts, tokenizer.vocab_size])),
        merge_right=_uint16(rights),
        merge_rank=_uint16(ranks),
        first_merged=first_merged,
    )


def tables_of(tokenizer: AnyTokenizer) -> AnyTables:
    """Lay out a tokenizer of any kind."""
    if isinstance(tokenizer, JointTokenizer):
        return JointTables(tokenizer_tables(tokenizer.tokens), ngram_tables(tokenizer.ngrams))
    return ngram_tables(tokenizer) if isinstance(tokenizer, NgramTokenizer) else tokenizer_tables(tokenizer)


def ngram_tables(tokenizer: NgramTokenizer) -> NgramTables:
    """Lay n-grams out; see `tokenizer_tables`."""
    hashes = tokenizer.hashes.astype(np.int64)
    bits = tokenizer.bucket_bits
    return NgramTables(
        **_alphabet(sorted(tokenizer.known_characters), tokenizer.charset, tokenizer.vocab_size),
        bucket_bits=bits,
        bucket_begin=_uint16(np.searchsorted(hashes >> 16, np.arange((1 << bits) + 1))),
        keys=_low(hashes),
    )


def _alphabet(characters: Sequence[str], charset: Charset, vocab_size: int) -> dict[str, Any]:
    """The fields of `AlphabetTables` for these characters, in order of code points."""
    if len(characters) > MAX_ALPHABET:
        raise ModelError(f"the alphabet has {len(characters)} characters; C tables hold {MAX_ALPHABET}")
    for character in characters:
        if is_reordered(character):
            raise ModelError(
                f"the vocabulary has the combining character U+{ord(character):04X}; train it anew"
            )
    codes = np.array([ord(character) for character in characters], np.int64)
    first, actions, sequence = _runs({character: index for index, character in enumerate(characters)})
    return {
        "charset": charset,
        "vocab_size": vocab_size,
        "run_first": _low(first),
        "run_action": _uint16(actions),
        "run_planes": _planes(first),
        "sequence": _uint16(sequence),
        "symbol_code": _low(codes),
        "symbol_planes": _planes(codes),
    }


def _runs(symbols: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """First code points and actions of the runs, and the sequences they point to."""
    kinds, parts_of = behaviour()
    action = kinds.astype(np.int64)
    places: dict[tuple[Part, ...], int] = {}
    sequence: list[int] = []
    for code, parts in parts_of.items():
        known = tuple(part if part.character in symbols else Part("", part.isolated) for part in parts)
        if len(known) == 1 and not known[0].character and chr(code) not in symbols:
            # An unknown character in place of another one: as good as itself, and the run goes on.
            action[code] = ISOLATED if known[0].isolated else WORD
            continue
        if known not in places:
            places[known] = len(sequence)
            elements = [symbols.get(p.character, UNKNOWN) | (ALONE if p.isolated else 0) for p in known]
            sequence += [element | MORE for element in elements[:-1]] + elements[-1:]
        action[code] = OTHER + places[known]
    begins = np.concatenate([[True], action[1:] != action[:-1]])
    begins[:: 1 << 16] = True
    first = np.flatnonzero(begins)
    return first, action[first], sequence


def _planes(codes: NDArray[np.int64]) -> UInt16:
    return _uint16(np.searchsorted(codes >> 16, np.arange(PLANES + 1)))


def _low(codes: NDArray[np.int64]) -> UInt16:
    return _uint16(codes & 0xFFFF)


def _uint16(values: Sequence[int] | NDArray[np.int64]) -> UInt16:
    wide = np.asarray(values, np.int64)
    if wide.size and wide.max() > 0xFFFF:
        raise ModelError("the vocabulary is too large for the tables of the C tokenizer")
    return wide.astype(np.uint16)
