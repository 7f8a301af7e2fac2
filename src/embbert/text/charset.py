"""Which characters may have a token: all of Unicode, or those of languages in Latin letters.

A smaller charset makes the tables of the C tokenizer smaller. It changes nothing but this: a token with a
character outside the charset is never produced, and so such a character is [UNK], like any that has no token.
"""

from __future__ import annotations

from typing import Literal

Charset = Literal["unicode", "latin"]

CHARSETS: dict[Charset, tuple[tuple[int, int], ...]] = {
    "unicode": ((0x0000, 0x10FFFF),),
    "latin": (
        (0x0000, 0x02FF),  # ASCII, Latin-1, Latin Extended-A and -B, phonetic and modifier letters
        (0x1E00, 0x1EFF),  # Latin Extended Additional
        (0x2000, 0x214F),  # punctuation, superscripts, currency and letterlike signs
        (0x2C60, 0x2C7F),  # Latin Extended-C
        (0xA720, 0xA7FF),  # Latin Extended-D
        (0xFB00, 0xFB06),  # ligatures
    ),
}
"""Code points by charset, first and last. They are looked at after normalisation: `É` has become `e`."""


def in_charset(token: str, charset: Charset) -> bool:
    """Whether every character of a token belongs to the charset."""
    ranges = CHARSETS[charset]
    return all(any(first <= ord(character) <= last for first, last in ranges) for character in token)
