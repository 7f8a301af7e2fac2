"""Tokenizers: trained and run by the `tokenizers` library, and laid out as tables for C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.config import BackboneConfig, LinearConfig
from embbert.errors import ModelError
from embbert.text.charset import CHARSETS, Charset
from embbert.text.joint import JointTokenizer
from embbert.text.ngrams import NgramTokenizer
from embbert.text.pipeline import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, Boundary
from embbert.text.tokenizer import Tokenizer, largest_vocab_size, train_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.config import ModelConfig

AnyTokenizer = Tokenizer | NgramTokenizer | JointTokenizer
"""What turns texts into the ids that a model reads."""

__all__ = [
    "CHARSETS",
    "CLS",
    "MASK",
    "PAD",
    "SEP",
    "SPECIAL_TOKENS",
    "UNK",
    "AnyTokenizer",
    "Boundary",
    "Charset",
    "JointTokenizer",
    "NgramTokenizer",
    "Tokenizer",
    "largest_vocab_size",
    "load_tokenizer",
    "train_tokenizer",
]


def load_tokenizer(path: Path, config: ModelConfig) -> AnyTokenizer:
    """Read the `tokenizer.json` of a model of that shape: tokens, n-grams or both.

    Raises:
        ModelError: the file cannot be read, is damaged, or holds another kind of tokenizer, or other numbers
            of tokens and n-grams.
    """
    if isinstance(config, LinearConfig):
        ngrams = NgramTokenizer.load(path)
        _compare(path, "n-grams", ngrams.vocab_size, config.vocab_size)
        return ngrams
    if isinstance(config, BackboneConfig) and config.ngrams:
        both = JointTokenizer.load(path)
        _compare(path, "entries", both.tokens.vocab_size, config.vocab_size)
        _compare(path, "n-grams", both.ngrams.vocab_size, config.ngrams)
        _compare(path, "n-grams of a text at most", both.max_ngrams, config.max_ngrams)
        return both
    tokens = Tokenizer.load(path)
    _compare(path, "entries", tokens.vocab_size, config.vocab_size)
    return tokens


def _compare(path: Path, what: str, found: int, expected: int) -> None:
    if found != expected:
        raise ModelError(f"{path} has {found} {what}, config.json says {expected}")
