"""Text to tokens and then the numbers of its known n-grams: for models that read those and weigh these."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from embbert.config.model import LARGEST, MAX_NGRAMS
from embbert.errors import EmbbertError, ModelError, UsageError
from embbert.text.ngrams import NgramTokenizer
from embbert.text.stored import Stored
from embbert.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.text.charset import Charset

TYPE, FORMAT = "joint", 1


class JointTokenizer(Stored):
    """A tokenizer and n-grams.

    The ids of a text are those of its tokens, then `tokens.vocab_size` + the numbers of its n-grams.
    N-grams whose alphabet is that of the tokens (`tokens.alphabet`) share its tables in C, some kilobytes.

    Attributes:
        tokens: makes the ids below `tokens.vocab_size`.
        ngrams: makes the others.
        max_ngrams: the most numbers per text.

    Raises:
        UsageError: more than 65,536 ids in all, or `max_ngrams` out of range.
    """

    def __init__(self, tokens: Tokenizer, ngrams: NgramTokenizer, max_ngrams: int) -> None:
        self.tokens, self.ngrams, self.max_ngrams = tokens, ngrams, max_ngrams
        if self.vocab_size > LARGEST:
            raise UsageError(
                f"tokens and n-grams must be at most {LARGEST}, not {tokens.vocab_size} + {ngrams.vocab_size}"
            )
        if not 1 <= max_ngrams <= MAX_NGRAMS:
            raise UsageError(f"max_ngrams must be 1 to {MAX_NGRAMS}, not {max_ngrams}")

    @classmethod
    def _parse(cls, text: str, where: str) -> JointTokenizer:
        try:
            content = json.loads(text)
            if content["type"] != TYPE or content["format"] != FORMAT:
                raise ValueError(f"it says type {content['type']!r}, format {content['format']!r}")
            if type(content["max_ngrams"]) is not int:
                raise ValueError(f"max_ngrams is {content['max_ngrams']!r}")
            tokenizer = cls(
                Tokenizer.from_json(json.dumps(content["tokens"])),
                NgramTokenizer.from_json(json.dumps(content["ngrams"])),
                content["max_ngrams"],
            )
            if content.keys() != {"type", "format", "max_ngrams", "tokens", "ngrams"}:
                raise ValueError("it is not as it would be written")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, EmbbertError) as error:
            raise ModelError(
                f"{where}: not tokens and n-grams of embbert ({error})\n"
                "  use the tokenizer.json that was saved with the model"
            ) from error
        return tokenizer

    def limited_to(self, charset: Charset) -> JointTokenizer:
        """The same ids, but characters outside the charset are unknown; for running, not for saving."""
        return JointTokenizer(
            self.tokens.limited_to(charset), self.ngrams.limited_to(charset), self.max_ngrams
        )

    def to_json(self) -> str:
        """Both in one; the same bytes every time."""
        content = {
            "type": TYPE,
            "format": FORMAT,
            "max_ngrams": self.max_ngrams,
            "tokens": json.loads(self.tokens.to_json()),
            "ngrams": json.loads(self.ngrams.to_json()),
        }
        return json.dumps(content, ensure_ascii=False, indent=0) + "\n"

    @property
    def vocab_size(self) -> int:
        """Tokens and n-grams; ids are below it."""
        return self.tokens.vocab_size + self.ngrams.vocab_size

    def token(self, index: int) -> str:
        """The text of one token, or an n-gram as people read it.

        Raises:
            UsageError: nothing has this id.
        """
        if not 0 <= index < self.vocab_size:
            raise UsageError(f"ids are between 0 and {self.vocab_size - 1}, not {index}")
        number = index - self.tokens.vocab_size
        return self.tokens.token(index) if number < 0 else self.ngrams.token(number)

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> list[int]:
        """The ids of one text or of a pair: at most `max_length` tokens, then at most `max_ngrams` n-grams.

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
            max_length: the most tokens per text, special ones included. A pair loses those from the end of
                its longer text first, and n-grams likewise.

        Raises:
            UsageError: `max_length` has no room for the special tokens, or texts and pairs differ in number.
        """
        first = self.tokens.vocab_size
        tokens = self.tokens.encode_batch(texts, pairs, max_length=max_length)
        numbers = self.ngrams.encode_batch(texts, pairs, max_length=self.max_ngrams)
        return [
            [*ids, *(first + number for number in known)] for ids, known in zip(tokens, numbers, strict=True)
        ]
