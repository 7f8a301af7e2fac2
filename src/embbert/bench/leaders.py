"""Who is first within a number of bytes, by how much, and whether that is more than chance: in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from statistics import fmean
from typing import TYPE_CHECKING

from embbert.bench.summary import AIM, BUDGET, average, cells_of, figures, sizes
from embbert.bench.work import INTEGER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.summary import Competitor, Figure

OURS = "embbert"
"""The architecture that the project is about."""


@dataclass(frozen=True)
class Standing:
    """A competitor on one test set or average.

    Attributes:
        competitor: system and precision.
        score: in %.
        bytes: constants, arena and stack: the most over the tasks in question.
        interval: ends of the bootstrap interval in %, means over seeds; None of an average.
    """

    competitor: Competitor
    score: Figure
    bytes: int
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        system, precision = self.competitor
        return f"`{system}` {precision}"


def standings(cells: Sequence[Cell], tests: Sequence[str], limit: int = BUDGET) -> list[Standing]:
    """Who has all the tests within the limit, the best first; of equals, the smaller."""
    inside = cells_of(tests, cells)
    most = sizes(inside)
    found = [
        Standing(competitor, score, most[competitor].deployed, _interval(inside, competitor, tests))
        for competitor, mine in figures(inside).items()
        if (score := average(mine, tests)) is not None and most[competitor].deployed <= limit
    ]
    return sorted(found, key=lambda one: (-one.score.value, one.bytes))


def best_of_ours(cells: Sequence[Cell], tests: Sequence[str]) -> Standing | None:
    """The best integer EmbBERT within the bytes that the project aims at."""
    ours = _ours(cells)
    ranked = standings(cells, tests, AIM)
    return next((one for one in ranked if one.competitor[0] in ours and one.competitor[1] == INTEGER), None)


def verdict(cells: Sequence[Cell], tests: Sequence[str]) -> str:
    """A sentence: the best integer EmbBERT against the best of all others, or who leads if there is none.

    Empty if nobody has all the tests within the budget. An EmbBERT in floating point is no rival of itself.
    """
    ranked, ours, family = standings(cells, tests), best_of_ours(cells, tests), _ours(cells)
    if not ranked:
        return ""
    if ours is None:
        return f"{ranked[0]} leads; of EmbBERT in integers, within {AIM:,} bytes, there is no result."
    rivals = [one for one in ranked if one.competitor[0] not in family]
    if not rivals:
        return f"{ours} has no rival yet."
    first, second = sorted((ours, rivals[0]), key=lambda one: -one.score.value)
    lead = first.score.value - second.score.value
    if round(lead, 1) == 0.0:
        return f"{first} and {second} are level."
    return f"{first} leads {second} by {lead:.1f} points{_doubt(first, second)}."


def _ours(cells: Sequence[Cell]) -> set[str]:
    return {cell.system for cell in cells if cell.settings.get("architecture") == OURS}


def _doubt(first: Standing, second: Standing) -> str:
    """What speaks against the order, if anything does."""
    if first.interval is not None and second.interval is not None:
        return " (their 95 % intervals overlap)" if first.interval[0] <= second.interval[1] else ""
    spread = hypot(first.score.std or 0.0, second.score.std or 0.0)
    return " (within a standard deviation)" if first.score.value - second.score.value <= spread else ""


def _interval(
    cells: Sequence[Cell], competitor: Competitor, tests: Sequence[str]
) -> tuple[float, float] | None:
    if len(tests) != 1:
        return None
    system, precision = competitor
    found = [
        cell.precisions[precision].tests[tests[0]].interval
        for cell in cells
        if cell.system == system and precision in cell.precisions
    ]
    return 100 * fmean(one.low for one in found), 100 * fmean(one.high for one in found)
