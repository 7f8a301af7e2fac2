"""What a linear model takes, and how many n-grams a budget pays for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embbert.config.linear import MAX_NGRAMS
from embbert.errors import UsageError
from embbert.footprint import STACK_BYTES, deployed
from embbert.text import NgramTokenizer
from embbert.text.features import Ngram
from embbert.text.ngrams import bucket_bits
from embbert.text.tables import ngram_tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embbert.config import LinearConfig

FEWEST = 6
"""N-grams of a model."""


@dataclass(frozen=True)
class LinearBytes:
    """What a budget is held against, in bytes.

    Attributes:
        constants: weights.
        tokenizer: tables of n-grams and characters.
        arena: memory for the ids of the longest text.
        stack: bound on the stack of a call.
    """

    constants: int
    tokenizer: int
    arena: int
    stack: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.constants + self.tokenizer + self.arena + self.stack


def linear_bytes(config: LinearConfig, outputs: int, alphabet: int) -> LinearBytes:
    """What a model takes, by formula.

    Args:
        config: number and most n-grams.
        outputs: logits.
        alphabet: bytes of the tables of characters, see `alphabet_bytes`.
    """
    sizes = deployed(config, outputs)
    buckets = (1 << bucket_bits(config.vocab_size)) + 1
    tables = alphabet + 2 * (config.vocab_size + buckets)
    return LinearBytes(sizes.constant_bytes, tables, sizes.arena_bytes, STACK_BYTES)


def alphabet_bytes(characters: Iterable[str]) -> int:
    """Bytes of the tables that say what code points do; the first call in a process takes some seconds."""
    tables = ngram_tables(NgramTokenizer([Ngram("words", "a")], characters))
    return tables.bytes - tables.keys.nbytes - tables.bucket_begin.nbytes


def most_ngrams(shape: LinearConfig, outputs: int, alphabet: int, budget: int) -> int:
    """The most n-grams that so many bytes pay for.

    Raises:
        UsageError: not even a few; the message says what is needed.
    """

    def total(count: int) -> int:
        return linear_bytes(replace(shape, vocab_size=count), outputs, alphabet).total

    if total(FEWEST) > budget:
        raise UsageError(
            f"{budget:,} bytes are too few for a linear model: "
            f"its tables of characters, arena and stack alone take {total(FEWEST):,}"
        )
    low, high = FEWEST, MAX_NGRAMS
    while low < high:
        middle = (low + high + 1) // 2
        if total(middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low
