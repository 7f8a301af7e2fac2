"""Who is first within a number of bytes, by how much, and whether that is more than chance: in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
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
        parts: score of each test in %, by name.
        bytes: constants, arena and stack: the most over the tasks in question.
        total: everything that is known, likewise.
        interval: ends of the bootstrap interval in %: means over seeds; of an average, from the widths of its
            tests' intervals, which are independent.
    """

    competitor: Competitor
    score: Figure
    parts: dict[str, float]
    bytes: int
    total: int
    interval: tuple[float, float]

    def __str__(self) -> str:
        system, precision = self.competitor
        return f"`{system}` {precision}"


def standings(cells: Sequence[Cell], tests: Sequence[str]) -> list[Standing]:
    """Who has all the tests within the budget, the best first; of equals, the smaller."""
    inside = cells_of(tests, cells)
    most = sizes(inside)
    found = []
    for competitor, mine in figures(inside).items():
        score, size = average(mine, tests), most[competitor]
        if score is not None and size.deployed <= BUDGET:
            parts = {test: mine[test].value for test in tests}
            interval = _interval(inside, competitor, tests, score.value)
            found.append(Standing(competitor, score, parts, size.deployed, size.total, interval))
    return sorted(found, key=lambda one: (-one.score.value, one.bytes))


def ours(ranked: Sequence[Standing], system: str) -> Standing | None:
    """Integer C of one system, within the bytes that the project aims at.

    Which one is said beforehand: the best of several by test rows would be a choice that rivals do not have.
    """
    return next((one for one in ranked if one.competitor == (system, INTEGER) and one.bytes <= AIM), None)


def verdict(cells: Sequence[Cell], tests: Sequence[str], system: str) -> str:
    """A sentence: a system of ours in integers against the best rival, or who leads if it has no result.

    Empty if nobody has all the tests within the budget. Another EmbBERT is no rival.
    """
    ranked = standings(cells, tests)
    if not ranked:
        return ""
    mine = ours(ranked, system)
    if mine is None:
        return f"{ranked[0]} leads; of `{system}` {INTEGER}, within {AIM:,} bytes, there is no result."
    family = {cell.system for cell in cells if cell.settings.get("architecture") == OURS}
    rivals = [one for one in ranked if one.competitor[0] not in family]
    if not rivals:
        return f"{mine} has no rival yet."
    first, second = sorted((mine, rivals[0]), key=lambda one: -one.score.value)
    lead = first.score.value - second.score.value
    if round(lead, 1) == 0.0:
        return f"{first} and {second} are level."
    remarks = [*_largest_part(first, second, cells), *_doubt(first, second)]
    aside = f" ({'; '.join(remarks)})" if remarks else ""
    return f"{first} leads {second} by {lead:.1f} points{aside}."


def _largest_part(first: Standing, second: Standing, cells: Sequence[Cell]) -> list[str]:
    """Which test makes most of the lead in an average."""
    if len(first.parts) == 1:
        return []
    gains = {test: (value - second.parts[test]) / len(first.parts) for test, value in first.parts.items()}
    most = max(gains, key=lambda test: gains[test])
    title = next(cell.data.tests[most].title for cell in cells if most in cell.data.tests)
    return [f"{gains[most]:.1f} from {title} alone"]


def _doubt(first: Standing, second: Standing) -> list[str]:
    """What speaks against the order, if anything does."""
    if first.interval[0] <= second.interval[1]:
        return ["their 95 % intervals overlap"]
    spread = hypot(first.score.std or 0.0, second.score.std or 0.0)
    return ["within a standard deviation"] if first.score.value - second.score.value <= spread else []


def _interval(
    cells: Sequence[Cell], competitor: Competitor, tests: Sequence[str], score: float
) -> tuple[float, float]:
    system, precision = competitor
    ends = []
    for test in tests:
        found = [
            cell.precisions[precision].tests[test].interval
            for cell in cells
            if cell.system == system and precision in cell.precisions and test in cell.data.tests
        ]
        ends.append((100 * fmean(one.low for one in found), 100 * fmean(one.high for one in found)))
    if len(ends) == 1:
        return ends[0]
    half = sqrt(sum(((high - low) / 2) ** 2 for low, high in ends)) / len(ends)
    return score - half, score + half
