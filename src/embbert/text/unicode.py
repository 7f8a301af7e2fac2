"""What normalisation and the cut into pieces do to each code point, asked from the library itself.

Python's `unicodedata` is of another Unicode version than the library's tables, so nothing is taken from
it: every scalar value goes through the real normaliser and the real splitter once per process.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embbert.errors import ModelError
from embbert.text.pipeline import NORMALIZER, WORD_SPLITTER

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODE_POINTS = 0x110000

DROP, SPACE, WORD, ISOLATED, OTHER = range(5)
"""Kinds: vanishes; ends a piece; stays itself inside a piece; stays itself as a piece of its own
(punctuation, Chinese characters); anything else."""

HANGUL_FIRST, HANGUL_COUNT = 0xAC00, 11172

_SURROGATES = range(0xD800, 0xE000)
_BETWEEN = "\u1401"  # a letter of the Canadian syllabics: no case, no parts, nothing joins it
_CHUNK = 4096  # characters per call of the splitter, whose offsets get slow on long strings


class Part(NamedTuple):
    """One character that a code point turns into."""

    character: str
    isolated: bool


class Behaviour(NamedTuple):
    """The whole of Unicode.

    Attributes:
        kinds: uint8 [CODE_POINTS], one of DROP … OTHER.
        parts: what each code point of kind OTHER turns into.
    """

    kinds: NDArray[np.uint8]
    parts: dict[int, tuple[Part, ...]]


@cache
def behaviour() -> Behaviour:
    """Sweep all 1,112,064 scalar values, about two seconds; the result is kept.

    Surrogates, which no text holds, are WORD. Hangul syllables are WORD as well: they fall apart by
    arithmetic, `hangul_parts`, and not by table; the sweep checks that the library agrees.

    Raises:
        ModelError: the installed `tokenizers` library does something the C tokenizer cannot express.
    """
    changed = _changed_characters()
    kinds = _split_kinds(changed)
    parts: dict[int, tuple[Part, ...]] = {}
    for code, normal in changed.items():
        if HANGUL_FIRST <= code < HANGUL_FIRST + HANGUL_COUNT:
            if normal != hangul_parts(code):
                raise _unsupported(code)
        elif not normal:
            kinds[code] = DROP
        elif normal == " ":
            kinds[code] = SPACE
        elif normal == f" {chr(code)} ":
            kinds[code] = ISOLATED
        else:
            kinds[code] = OTHER
            parts[code] = _parts(code, normal, kinds)
    return Behaviour(kinds, parts)


def hangul_parts(code: int) -> str:
    """The two or three conjoining letters of a Hangul syllable, by the arithmetic of the Unicode standard."""
    index = code - HANGUL_FIRST
    letters = chr(0x1100 + index // 588) + chr(0x1161 + index % 588 // 28)
    return letters + chr(0x11A7 + index % 28) if index % 28 else letters


def _changed_characters() -> dict[int, str]:
    """The normal form of every character that is not its own.

    Many go through the library at once, with a letter between them that combines with nothing; a chunk
    that has the letter itself in it, or in a normal form, is asked for character by character.
    """
    changed: dict[int, str] = {}
    normalize = NORMALIZER.normalize_str
    for start in range(0, CODE_POINTS, _CHUNK):
        codes = [code for code in range(start, start + _CHUNK) if code not in _SURROGATES]
        characters = [chr(code) for code in codes]
        normals = normalize(_BETWEEN.join(characters)).split(_BETWEEN)
        if len(normals) != len(characters) or _BETWEEN in characters:
            normals = [normalize(character) for character in characters]
        changed |= {
            code: normal
            for code, character, normal in zip(codes, characters, normals, strict=True)
            if normal != character
        }
    return changed


def _split_kinds(changed: dict[int, str]) -> NDArray[np.uint8]:
    """SPACE, WORD or ISOLATED of every character as the splitter sees it, after normalisation."""
    asked = [code for code in range(CODE_POINTS) if code not in changed and code not in _SURROGATES]
    asked += {ord(character) for normal in changed.values() for character in normal}.intersection(changed)
    kinds = np.full(CODE_POINTS, WORD, np.uint8)
    for start in range(0, len(asked), _CHUNK):
        codes = asked[start : start + _CHUNK]
        text = "a" + "".join(f"{chr(code)}a" for code in codes)
        covered = np.zeros(len(text), np.bool_)
        for _, (first, end) in WORD_SPLITTER.pre_tokenize_str(text):
            covered[first:end] = True
            if end - first == 1 and first % 2:
                kinds[codes[first // 2]] = ISOLATED
        for place in np.flatnonzero(~covered):
            kinds[codes[place // 2]] = SPACE
    return kinds


def _parts(code: int, normal: str, kinds: NDArray[np.uint8]) -> tuple[Part, ...]:
    characters = normal
    spaced = len(normal) == 3 and normal[0] == normal[2] == " "  # a Chinese character in compatibility form
    if spaced:
        characters = normal[1]
    found = []
    for character in characters:
        kind = kinds[ord(character)]
        if kind not in (WORD, ISOLATED):
            raise _unsupported(code)
        found.append(Part(character, spaced or kind == ISOLATED))
    return tuple(found)


def _unsupported(code: int) -> ModelError:
    return ModelError(
        f"this version of the tokenizers library treats U+{code:04X} in a way that the C tokenizer cannot\n"
        "  install the version of tokenizers that embbert names in its requirements"
    )
