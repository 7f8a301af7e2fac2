"""The fixed parts of every tokenizer: special tokens, normalisation and the cut into pieces.

docs/tokenizer.md is the specification in words. Nothing here depends on a vocabulary.
"""

from __future__ import annotations

from typing import Literal

from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, FixedLength, Sequence

Boundary = Literal["continuation", "none"]
"""How a vocabulary marks that a token is not at the start of its piece: "##", or not at all (paper)."""

PAD, UNK, CLS, MASK, SEP = 0, 1, 2, 3, 4
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[MASK]", "[SEP]")

CONTINUATION_PREFIX = "##"

MAX_PIECE = 64
"""Characters per piece; a longer run is cut. It bounds the word buffer in C and keeps time linear."""

NORMALIZER = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
WORD_SPLITTER = BertPreTokenizer()
PRE_TOKENIZER = Sequence([WORD_SPLITTER, FixedLength(length=MAX_PIECE)])

_NFD = NFD()
_LOW_MARK, _HIGH_MARK = "\u0334", "\u0345"  # canonical combining classes 1 and 240, the two ends


def prefix(boundary: Boundary) -> str:
    """What stands before a token that continues a piece."""
    return CONTINUATION_PREFIX if boundary == "continuation" else ""


def is_reordered(character: str) -> bool:
    """Whether canonical decomposition can move this character past a neighbour.

    Such a character (its canonical combining class is not 0) would make a text's normal form differ
    from the characters' normal forms one by one, which is what the C tokenizer computes. They are kept
    out of every alphabet: as unknown characters they look alike in any order.
    """
    after_high = _HIGH_MARK + character
    before_low = character + _LOW_MARK
    return not (
        _NFD.normalize_str(after_high).startswith(_HIGH_MARK)
        and _NFD.normalize_str(before_low).endswith(_LOW_MARK)
    )


def replace_surrogates(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 can carry, turned into U+FFFD (dropped later)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
