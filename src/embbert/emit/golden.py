"""Fixed texts and their logits, which the emitted self-test repeats on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embbert.quant.reference import run

if TYPE_CHECKING:
    from embbert.quant.spec import Plan
    from embbert.text import AnyTokenizer

TEXTS = (
    "",
    "turn the light in the kitchen on",
    "What will the weather be like in Zürich on 24 December?",
    '  TABS\tand\nlines, commas; (brackets) "quotes" and 50 % of £3.99!  ',
    "žluťoučký kůň · Ελληνικά · русский · 漢字かな · 한국어 · \U0001f642\U0001f44d\u200d",
    "please " * 40 + "stop",
)
"""Short, long, empty, upper case, and letters that few vocabularies have."""


@dataclass(frozen=True)
class Golden:
    """One line of the self-test.

    Attributes:
        text: the text, or the first of a pair.
        pair: the second text, or None.
        logits: as the reference computes them.
    """

    text: str
    pair: str | None
    logits: tuple[int, ...]


def goldens(plan: Plan, tokenizer: AnyTokenizer, *, pair: bool) -> list[Golden]:
    """The reference's logits for TEXTS; a text's partner in a pair is the next text."""
    found = []
    for index, text in enumerate(TEXTS):
        other = TEXTS[(index + 1) % len(TEXTS)] if pair else None
        ids = tokenizer.encode(text, other, max_length=plan.max_length)
        found.append(Golden(text, other, tuple(int(value) for value in run(plan, ids))))
    return found
