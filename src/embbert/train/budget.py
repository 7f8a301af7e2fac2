"""What models take of a budget, by formula, and what a budget pays for: n-grams, and tokens per text.

A budget counts everything but the code: weights, tables of tokens, n-grams and characters, arena and stack.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embbert.config.linear import MAX_NGRAMS
from embbert.footprint import STACK_BYTES, deployed
from embbert.text import NgramTokenizer
from embbert.text.features import Ngram
from embbert.text.ngrams import bucket_bits
from embbert.text.tables import ngram_tables, tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from embbert.config import BackboneConfig, LinearConfig, ModelConfig
    from embbert.store import ModelFolder

BUDGET = 512 * 1024
"""Bytes that EmbBERT with n-grams may take if nothing else is said: the default one leaves 26 kB."""

FEWEST = 6
"""N-grams of a model."""

LENGTHS = (256, 192, 128, 96, 64, 48, 32)
"""Most tokens per text that are tried, below as many as there are positions."""

TOKEN_BYTES, ALPHABET_BYTES = 6, 8192
"""Bound on the tables of a tokenizer that is not trained yet: per entry, and for the characters."""


@dataclass(frozen=True)
class ModelBytes:
    """What a budget is held against, in bytes.

    Attributes:
        constants: weights.
        tokenizer: tables of tokens, n-grams and characters.
        arena: memory for the longest text.
        stack: bound on the stack of a call.
    """

    constants: int
    tokenizer: int
    arena: int
    stack: int = STACK_BYTES

    @property
    def total(self) -> int:
        """All of it."""
        return self.constants + self.tokenizer + self.arena + self.stack

    def as_mapping(self) -> dict[str, int]:
        """For `metrics.json`."""
        return {
            "constants": self.constants,
            "tokenizer": self.tokenizer,
            "arena": self.arena,
            "stack": self.stack,
            "total": self.total,
        }


def model_bytes(config: ModelConfig, outputs: int, tables: int) -> ModelBytes:
    """What a model takes.

    Args:
        config: shape of the model.
        outputs: logits.
        tables: bytes of the tables that turn text into ids.
    """
    sizes = deployed(config, outputs)
    return ModelBytes(sizes.constant_bytes, tables, sizes.arena_bytes)


def folder_bytes(folder: ModelFolder) -> ModelBytes:
    """What a finished model takes."""
    return model_bytes(folder.config, folder.outputs, tables_of(folder.tokenizer).bytes)


def linear_bytes(config: LinearConfig, outputs: int, alphabet: int) -> ModelBytes:
    """What a linear model takes.

    Args:
        config: number and most n-grams.
        outputs: logits.
        alphabet: bytes of the tables of characters, see `alphabet_bytes`.
    """
    return model_bytes(config, outputs, alphabet + ngram_bytes(config.vocab_size))


def joint_bytes(config: BackboneConfig, outputs: int, tables: int) -> ModelBytes:
    """What a model of tokens and n-grams with one alphabet takes.

    Args:
        config: shape of the model.
        outputs: logits.
        tables: bytes of the tables of the tokenizer, which those of characters are part of.
    """
    return model_bytes(config, outputs, tables + ngram_bytes(config.ngrams))


def ngram_bytes(count: int) -> int:
    """Bytes of the tables that know so many n-grams, those of characters aside."""
    return 2 * (count + (1 << bucket_bits(count)) + 1)


def alphabet_bytes(characters: Iterable[str]) -> int:
    """Bytes of the tables that say what code points do; the first call in a process takes some seconds."""
    tables = ngram_tables(NgramTokenizer([Ngram("words", "a")], characters))
    return tables.bytes - tables.keys.nbytes - tables.bucket_begin.nbytes


def most_ngrams(total: Callable[[int], int], budget: int, limit: int = MAX_NGRAMS) -> int | None:
    """The most n-grams that so many bytes pay for; None if not even `FEWEST`.

    Args:
        total: bytes of a model with so many n-grams, the more of them the more bytes.
        budget: what it may take.
        limit: n-grams that the model may have at most.
    """
    low, high = FEWEST, limit
    if high < low or total(low) > budget:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if total(middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def shorter(most: int) -> list[int]:
    """Lengths to try of a model that has so many positions, the longest first."""
    return [most, *(length for length in LENGTHS if length < most)]


def longest(
    model: BackboneConfig, lengths: Sequence[int], outputs: int, tables: int, budget: int
) -> BackboneConfig | None:
    """The model at the first of these lengths that the budget pays for; None if there is none."""
    for length in lengths:
        found = replace(model, max_length=length)
        if model_bytes(found, outputs, tables).total <= budget:
            return found
    return None


def untrained_tables(vocab_size: int) -> int:
    """Bound on the tables of a tokenizer of so many entries that is not trained yet."""
    return TOKEN_BYTES * vocab_size + ALPHABET_BYTES
