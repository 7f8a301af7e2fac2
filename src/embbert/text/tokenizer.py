"""Text to token ids: `[CLS] A` for one text, `[CLS] A [SEP] B [SEP]` for two.

The `tokenizers` library trains and runs the vocabulary; docs/tokenizer.md is the specification.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing

from embbert.errors import DataError, ModelError, UsageError, reason
from embbert.text.charset import Charset, in_charset
from embbert.text.pipeline import (
    CLS,
    MASK,
    NORMALIZER,
    PAD,
    PRE_TOKENIZER,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    Boundary,
    prefix,
    replace_surrogates,
)
from embbert.text.stored import Stored
from embbert.text.training import MAX_VOCAB_SIZE, Learned, learn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CLS", "MASK", "PAD", "SEP", "UNK", "Tokenizer", "largest_vocab_size", "train_tokenizer"]

_CHUNKS_PER_CALL = 16384  # the library returns some hundred bytes for each


class Tokenizer(Stored):
    """A vocabulary and the rules that turn text into its ids.

    The special tokens have ids 0..4 but are not searched for in texts: a text that contains "[SEP]"
    gets the ids of a bracket, three letters and a bracket.

    Attributes:
        tokens: the vocabulary in order of ids: special tokens, single characters, results of the merges.
        merges: the pairs in order of rank; merge k makes token `vocab_size − len(merges) + k`.
        boundary: "continuation" (tokens inside a piece start with "##") or "none".
        charset: tokens with characters outside of it are never produced; see `limited_to`.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[tuple[str, str]],
        boundary: Boundary,
        charset: Charset = "unicode",
    ) -> None:
        self.tokens = tuple(tokens)
        self.merges = tuple(merges)
        self.boundary: Boundary = boundary
        self.charset: Charset = charset
        vocab = {token: index for index, token in enumerate(self.tokens) if in_charset(token, charset)}
        known = [pair for pair in self.merges if in_charset("".join(pair), charset)]
        self._library = _library_tokenizer(vocab, known, boundary)

    @classmethod
    def _parse(cls, text: str, where: str) -> Tokenizer:
        try:
            learned, boundary = _read(json.loads(text))
            tokenizer = cls(learned.tokens, learned.merges, boundary)
            if json.loads(tokenizer.to_json()) != json.loads(text):
                raise ValueError("it has settings that embbert's tokenizers do not have")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(
                f"{where}: not a tokenizer of embbert ({error})\n"
                "  use the tokenizer.json that was saved with the model"
            ) from error
        return tokenizer

    def limited_to(self, charset: Charset) -> Tokenizer:
        """The same ids, but characters outside the charset are unknown; for running, not for saving."""
        return Tokenizer(self.tokens, self.merges, self.boundary, charset)

    def to_json(self) -> str:
        """The tokenizer as JSON that the `tokenizers` library can load too; the same bytes every time."""
        return self._library.to_str() + "\n"

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included; ids are below it."""
        return len(self.tokens)

    @property
    def alphabet(self) -> frozenset[str]:
        """The characters that have a token."""
        base = self.tokens[len(SPECIAL_TOKENS) : self.vocab_size - len(self.merges)]
        return frozenset(token[-1] for token in base)

    def token(self, index: int) -> str:
        """The text of one token.

        Raises:
            UsageError: no token has this id.
        """
        if not 0 <= index < self.vocab_size:
            raise UsageError(f"token ids are between 0 and {self.vocab_size - 1}, not {index}")
        return self.tokens[index]

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> list[int]:
        """The ids of one text or of a pair, at most `max_length` of them; never empty.

        Raises:
            UsageError: `max_length` has no room for the special tokens.
        """
        return self.encode_batch([text], None if pair is None else [pair], max_length=max_length)[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int
    ) -> list[list[int]]:
        """The ids of many texts, as `encode` gives them one by one.

        Args:
            texts: the first or only texts.
            pairs: as many second texts, or None.
            max_length: the most ids per text, special tokens included. A pair loses ids from the end of
                its longer text first.

        Raises:
            UsageError: `max_length` has no room for the special tokens, or texts and pairs differ in number.
        """
        specials = 1 if pairs is None else 3
        if max_length < specials:
            raise UsageError(f"max_length must be at least {specials}, not {max_length}")
        room = max_length - specials
        firsts = self._ids(texts)
        if pairs is None:
            return [[CLS, *ids[:room]] for ids in firsts]
        if len(pairs) != len(texts):
            raise UsageError(f"{len(texts)} first texts but {len(pairs)} second texts")
        rows = []
        for first, second in zip(firsts, self._ids(pairs), strict=True):
            keep_first, keep_second = truncated_lengths(len(first), len(second), room)
            rows.append([CLS, *first[:keep_first], SEP, *second[:keep_second], SEP])
        return rows

    def encode_pieces(self, texts: Sequence[str]) -> list[tuple[list[int], list[bool]]]:
        """Ids without special tokens, and for each whether it goes on inside the piece of the one before it.

        Unlike the prefix "##" of a token, that is known for [UNK] and for the boundary "none" too.

        Args:
            texts: any number of them; the library holds some hundred bytes for each until they are done.

        Returns:
            For each text two lists of one length.
        """
        rows = self._library.encode_batch(
            [replace_surrogates(text) for text in texts], add_special_tokens=False
        )
        return [(row.ids, [word == last for word, last in pairwise([None, *row.word_ids])]) for row in rows]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids without special tokens, untruncated.

        A space always ends a piece, so every distinct stretch between spaces goes through the library
        only once: several times faster on a corpus, and the same ids.
        """
        distinct = list(dict.fromkeys(chunk for text in texts for chunk in text.split(" ")))
        ids: dict[str, list[int]] = {}
        for start in range(0, len(distinct), _CHUNKS_PER_CALL):
            chunks = distinct[start : start + _CHUNKS_PER_CALL]
            rows = self._library.encode_batch_fast(
                [replace_surrogates(chunk) for chunk in chunks], add_special_tokens=False
            )
            ids.update(zip(chunks, (row.ids for row in rows), strict=True))
        return [[index for chunk in text.split(" ") for index in ids[chunk]] for text in texts]


def truncated_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """How many ids of each text of a pair stay: the library's rule `longest_first`.

    The shorter text stays whole while it fits into half of the room; else both get half, and the longer
    text (the second if they are equal) the odd one.
    """
    if first + second <= room:
        return first, second
    shorter = min(first, second, room // 2)
    longer = room - shorter
    return (longer, shorter) if first > second else (shorter, longer)


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, *, boundary: Boundary = "continuation", min_frequency: int = 1
) -> Tokenizer:
    """Learn a tokenizer of exactly `vocab_size` entries.

    The same texts give the same tokenizer to the byte. If the texts have more characters than entries,
    the most frequent ones get a token and the others become [UNK].

    Args:
        texts: read once.
        vocab_size: special tokens included, 6 … 65536.
        boundary: how tokens inside a word are marked.
        min_frequency: a pair of tokens seen less often is never merged.

    Raises:
        DataError: the texts support fewer entries; the message says how many.
    """
    learned = learn(texts, vocab_size, boundary, min_frequency)
    if len(learned.tokens) < vocab_size:
        less = "" if min_frequency == 1 else f", lower min_frequency (now {min_frequency})"
        raise DataError(
            f"a vocabulary of {vocab_size} was asked for, but the texts support only {len(learned.tokens)}",
            remedy=f"ask for at most {len(learned.tokens)}{less} or give more text",
        )
    return Tokenizer(learned.tokens, learned.merges, boundary)


def largest_vocab_size(
    texts: Iterable[str], limit: int, *, boundary: Boundary = "continuation", min_frequency: int = 1
) -> int:
    """The size of the largest vocabulary that the texts support, at most `limit`.

    Raises:
        DataError: no usable character in the texts.
    """
    return len(learn(texts, limit, boundary, min_frequency).tokens)


def _library_tokenizer(
    vocab: dict[str, int], merges: Sequence[tuple[str, str]], boundary: Boundary
) -> LibraryTokenizer:
    options: dict[str, Any] = {"continuing_subword_prefix": prefix(boundary)} if prefix(boundary) else {}
    try:
        model = BPE(vocab=vocab, merges=list(merges), unk_token=SPECIAL_TOKENS[UNK], **options)
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise ValueError(reason(error)) from error  # the library has no class of its own for what is damaged
    library = LibraryTokenizer(model)
    library.normalizer = NORMALIZER
    library.pre_tokenizer = PRE_TOKENIZER
    library.post_processor = TemplateProcessing(
        single="[CLS] $A",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(SPECIAL_TOKENS[CLS], CLS), (SPECIAL_TOKENS[SEP], SEP)],
    )
    return library


def _read(content: Any) -> tuple[Learned, Boundary]:  # noqa: ANN401 - parsed JSON
    """Vocabulary and merges out of parsed JSON, checked as far as the library would not."""
    model = content["model"]
    if model["type"] != "BPE":
        raise ValueError(f"its model is {model['type']}, not BPE")
    vocab: dict[str, int] = model["vocab"]
    if any(type(index) is not int for index in vocab.values()):
        raise ValueError("a token's id is not a whole number")
    tokens = sorted(vocab, key=vocab.__getitem__)
    if [vocab[token] for token in tokens] != list(range(len(tokens))) or len(tokens) > MAX_VOCAB_SIZE:
        raise ValueError(f"its ids are not 0 … n−1 with n ≤ {MAX_VOCAB_SIZE}")
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise ValueError(f"its first tokens are not {' '.join(SPECIAL_TOKENS)}")
    marker = model["continuing_subword_prefix"]
    boundary: Boundary = "continuation" if marker else "none"
    merges = [(left, right) for left, right in model["merges"]]
    if not all(left in vocab and right in vocab for left, right in merges):
        raise ValueError("a merge joins tokens that do not exist")
    # The library would cut the mark off whatever stands there, and dies if that is too short.
    mark = prefix(boundary)
    for left, right in merges:
        special = left in SPECIAL_TOKENS or right in SPECIAL_TOKENS
        if special or not right.startswith(mark) or len(right) == len(mark):
            raise ValueError(f"a merge joins {left!r} and {right!r}, which cannot stand together")
    results = [left + right.removeprefix(prefix(boundary)) for left, right in merges]
    base = len(tokens) - len(merges)
    if tokens[base:] != results:
        raise ValueError("its last tokens are not the results of its merges")
    for token in tokens[len(SPECIAL_TOKENS) : base]:
        if len(token.removeprefix(prefix(boundary)) if len(token) > 2 else token) != 1:
            raise ValueError(f"its base token {token!r} is not one character")
    return Learned(tokens, merges), boundary
