"""Tokenizers: trained and run by the `tokenizers` library, and laid out as tables for C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.text.charset import CHARSETS, Charset
from embbert.text.ngrams import NgramTokenizer
from embbert.text.pipeline import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, Boundary
from embbert.text.tokenizer import Tokenizer, largest_vocab_size, train_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

AnyTokenizer = Tokenizer | NgramTokenizer
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
    "NgramTokenizer",
    "Tokenizer",
    "largest_vocab_size",
    "load_tokenizer",
    "train_tokenizer",
]


def load_tokenizer(path: Path, *, ngrams: bool) -> AnyTokenizer:
    """Read the `tokenizer.json` of a linear model, or that of any other.

    Raises:
        ModelError: the file cannot be read, is damaged, or holds another kind of tokenizer.
    """
    return NgramTokenizer.load(path) if ngrams else Tokenizer.load(path)
