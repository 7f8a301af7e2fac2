"""Tokenizers: trained and run by the `tokenizers` library, and laid out as tables for C."""

from embbert.text.charset import CHARSETS, Charset
from embbert.text.pipeline import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, Boundary
from embbert.text.tokenizer import Tokenizer, largest_vocab_size, train_tokenizer

__all__ = [
    "CHARSETS",
    "CLS",
    "MASK",
    "PAD",
    "SEP",
    "SPECIAL_TOKENS",
    "UNK",
    "Boundary",
    "Charset",
    "Tokenizer",
    "largest_vocab_size",
    "train_tokenizer",
]
