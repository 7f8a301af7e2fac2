"""Text to the numbers of its known n-grams: what the linear model has in place of a vocabulary of tokens."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from embbert.config.model import MAX_NGRAMS
from embbert.errors import ModelError, TooFewNgramsError, UsageError
from embbert.text.charset import Charset, in_charset
from embbert.text.features import Kind, Ngram, features, hash_of, normalized_characters
from embbert.text.pipeline import is_reordered
from embbert.text.stored import Stored
from embbert.text.tokenizer import truncated_lengths
from embbert.text.training import MAX_ALPHABET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

TYPE, FORMAT = "ngrams", 1

KEY_BITS = 16
_PER_BUCKET_BITS, _MOST_BUCKET_BITS = 3, 13
_CHUNK = 1 << 20  # characters


def bucket_bits(count: int) -> int:
    """How many bits of a hash choose the bucket that is searched, for so many n-grams: 4 to 8 are in each.

    With the KEY_BITS bits that are stored, so many bits tell n-grams apart: one that is not known is taken
    for a known one about once in 8,000 times.
    """
    return min(max(count.bit_length() - _PER_BUCKET_BITS, 1), _MOST_BUCKET_BITS)


class NgramTokenizer(Stored):
    """The n-grams that a model knows, and their numbers: places in the order of their hashes.

    A text becomes the numbers of those of its n-grams that are known, in the order in which they end; others
    leave no trace, so a text can have none at all.

    Attributes:
        ngrams: in order of their numbers.
        characters: the alphabet; all others are one unknown character.
        charset: characters outside of it count as unknown; see `limited_to`.
        known_characters: what is left of the alphabet.
        hashes: [n] uint32, ascending: the upper `bucket_bits` + KEY_BITS bits.
        bucket_bits: see `bucket_bits`.

    Raises:
        UsageError: too few or too many n-grams, or two with the same hash.
    """

    def __init__(
        self, ngrams: Iterable[Ngram], characters: Iterable[str], charset: Charset = "unicode"
    ) -> None:
        given = list(ngrams)
        if not 1 <= len(given) <= MAX_NGRAMS:
            raise UsageError(f"there must be 1 to {MAX_NGRAMS} n-grams, not {len(given)}")
        self.bucket_bits = bucket_bits(len(given))
        hashes = [hash_of(ngram) >> self._dropped for ngram in given]
        order = sorted(range(len(given)), key=hashes.__getitem__)
        self.ngrams = tuple(given[index] for index in order)
        self.hashes: NDArray[np.uint32] = np.array([hashes[index] for index in order], np.uint32)
        if (self.hashes[1:] == self.hashes[:-1]).any():
            raise UsageError("two n-grams have the same hash: leave one of them out")
        self.charset: Charset = charset
        self.characters = frozenset(characters)
        self.known_characters = frozenset(each for each in self.characters if in_charset(each, charset))

    @classmethod
    def of_best(cls, ngrams: Sequence[Ngram], most: int, characters: Iterable[str]) -> NgramTokenizer:
        """Knows the first `most` n-grams, those left out whose hash an earlier one has.

        Args:
            ngrams: the best first; at least one.
            most: 1 to MAX_NGRAMS.
            characters: the alphabet.
        """
        hashes = [hash_of(ngram) for ngram in ngrams]
        while True:
            dropped = 32 - KEY_BITS - bucket_bits(min(most, len(ngrams)))
            first: dict[int, Ngram] = {}
            for value, ngram in zip(hashes, ngrams, strict=True):
                first.setdefault(value >> dropped, ngram)
            if len(first) >= min(most, len(ngrams)):
                return cls(list(first.values())[:most], characters)
            most = len(first)  # fewer than hoped for, so their hashes may have fewer bits

    @classmethod
    def _parse(cls, text: str, where: str) -> NgramTokenizer:
        try:
            content = json.loads(text)
            if content["type"] != TYPE or content["format"] != FORMAT:
                raise ValueError(f"it says type {content['type']!r}, format {content['format']!r}")
            characters = content["alphabet"]
            if len(characters) > MAX_ALPHABET or any(map(is_reordered, characters)):
                raise ValueError("its alphabet has characters that none can have")
            tokenizer = cls(list(_read(content)), characters)
            if json.loads(tokenizer.to_json()) != content:
                raise ValueError("it is not as it would be written")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
            raise ModelError(
                f"{where}: not the n-grams of a linear model of embbert ({error})\n"
                "  use the tokenizer.json that was saved with the model"
            ) from error
        return tokenizer

    def limited_to(self, charset: Charset) -> NgramTokenizer:
        """The same n-grams, but characters outside the charset are unknown; for running, not for saving."""
        return NgramTokenizer(self.ngrams, self.characters, charset)

    def to_json(self) -> str:
        """The n-grams by kind, each sorted; the same bytes every time."""
        content = {
            "type": TYPE,
            "format": FORMAT,
            "alphabet": "".join(sorted(self.characters)),
            **{
                _key(kind, second=second): sorted(
                    ngram.text for ngram in self.ngrams if ngram.kind == kind and ngram.second == second
                )
                for second in (False, True)
                for kind in get_args(Kind)
            },
        }
        return json.dumps(content, ensure_ascii=False, indent=0) + "\n"

    @property
    def vocab_size(self) -> int:
        """How many n-grams are known; numbers are below it."""
        return len(self.ngrams)

    def token(self, index: int) -> str:
        """An n-gram as people read it.

        Raises:
            UsageError: there is none with this number.
        """
        if not 0 <= index < self.vocab_size:
            raise UsageError(f"n-grams have numbers between 0 and {self.vocab_size - 1}, not {index}")
        ngram = self.ngrams[index]
        shown = ngram.text if ngram.kind == "words" else f"…{ngram.text.replace(' ', '_')}…"
        return f"{shown} (second)" if ngram.second else shown

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> list[int]:
        """The numbers of one text or of a pair, at most `max_length` of them; there may be none."""
        return self.encode_batch([text], None if pair is None else [pair], max_length=max_length)[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int
    ) -> list[list[int]]:
        """The numbers of many texts, as `encode` gives them one by one.

        Args:
            texts: the first or only texts.
            pairs: as many second texts, or None.
            max_length: the most numbers per text. A pair loses those from the end of its longer text first.

        Raises:
            UsageError: texts and pairs differ in number.
        """
        firsts = self._ids(texts, second=False)
        if pairs is None:
            return [ids[:max_length] for ids in firsts]
        if len(pairs) != len(texts):
            raise UsageError(f"{len(texts)} first texts but {len(pairs)} second texts")
        rows = []
        for first, second in zip(firsts, self._ids(pairs, second=True), strict=True):
            kept, others = truncated_lengths(len(first), len(second), max_length)
            rows.append(first[:kept] + second[:others])
        return rows

    @property
    def _dropped(self) -> int:
        return 32 - KEY_BITS - self.bucket_bits

    def _ids(self, texts: Sequence[str], *, second: bool) -> list[list[int]]:
        rows: list[list[int]] = []
        for chunk in chunks(texts):
            found = features(chunk, self.known_characters, second=second)
            hashes = found.hashes >> np.uint32(self._dropped)
            places = np.searchsorted(self.hashes, hashes)
            known = self.hashes[np.minimum(places, len(self.hashes) - 1)] == hashes
            ids = places[known].tolist()
            begins = np.concatenate([[0], np.cumsum(known)])[found.begins].tolist()
            rows += [ids[begin:end] for begin, end in pairwise(begins)]
        return rows


def chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in order, about a million characters at a time."""
    begin = size = 0
    for end, text in enumerate(texts):
        size += len(text)
        if size >= _CHUNK:
            yield texts[begin : end + 1]
            begin, size = end + 1, 0
    if begin < len(texts):
        yield texts[begin:]


def learn_alphabet(texts: Iterable[str]) -> frozenset[str]:
    """The characters that occur at least twice, the most frequent if there are too many.

    Raises:
        TooFewNgramsError: there is none.
    """
    counts = Counter(normalized_characters(texts))
    del counts[" "]
    usual = sorted(
        (character for character, count in counts.items() if count >= 2 and not is_reordered(character)),
        key=lambda character: (-counts[character], character),
    )
    if not usual:
        raise TooFewNgramsError(
            "the texts have no letter, digit or sign that occurs twice, and so no n-grams to learn from",
            remedy="give more texts",
        )
    return frozenset(usual[:MAX_ALPHABET])


def _key(kind: Kind, *, second: bool) -> str:
    return f"second {kind}" if second else kind


def _read(content: Any) -> Iterator[Ngram]:  # noqa: ANN401 - parsed JSON
    """N-grams out of parsed JSON."""
    for second in (False, True):
        for kind in get_args(Kind):
            for text in content[_key(kind, second=second)]:
                if not isinstance(text, str) or not text:
                    raise ValueError(f"{text!r} is no n-gram")
                yield Ngram(kind, text, second)
