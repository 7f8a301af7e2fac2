"""Score against bytes, and the front of those that no other system beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embbert.bench.dummy import Dummy
from embbert.bench.summary import (
    Average,
    average,
    averages,
    figures,
    published,
    published_figures,
    sizes,
    suites,
)
from embbert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.summary import Figure

# Where the number of a point may stand, in pixels from it, the best place first.
_PLACES = [(9, 9), (-9, 9), (9, -9), (-9, -9), (0, 13), (0, -13), (14, 0), (-14, 0), (18, 18), (-18, -18)]
_PLACES += [(x, y) for y in (26, -26, 38, -38) for x in (0, 18, -18, 30, -30)]
_APART = 13.0


@dataclass(frozen=True)
class Point:
    """A competitor in the picture.

    Attributes:
        name: in the key.
        size: bytes.
        score: the average.
        published: it is the paper's.
    """

    name: str
    size: int
    score: Figure
    published: bool = False


def front(points: Mapping[str, tuple[int, float]]) -> list[str]:
    """Names of the points (bytes, score) that no other one beats in one and equals in the other."""
    kept: list[str] = []
    best = float("-inf")
    for name, (_, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best:
            kept.append(name)
            best = score
    return kept


def drawn(cells: Sequence[Cell]) -> list[Average]:
    """Averages that some system has; failing that, the mean over the tests that all systems have.

    Raises:
        DataError: there is no such test.
    """
    found = figures(cells)
    means = [mean for suite in suites(cells) for mean in averages(suite, cells)]
    whole = [mean for mean in means if any(average(mine, mean.tests) for mine in found.values())]
    if whole:
        return whole
    shared = set.intersection(*(set(mine) for mine in found.values()))
    tests = tuple(test for test in next(iter(found.values())) if test in shared)
    if not tests:
        raise DataError(
            "no system has all tasks of a suite, and no task has results of all systems",
            remedy="Run what is missing:  embbert bench ls DIR  shows it.",
        )
    return [Average("shared", f"mean of {', '.join(tests)}", tests)]


def points_of(mean: Average, cells: Sequence[Cell]) -> list[Point]:
    """Everybody who has the average, the paper included, the best first."""
    most = sizes(cells)
    found = [
        Point(" ".join(competitor), most[competitor].total, score)
        for competitor, mine in figures(cells).items()
        if (score := average(mine, mean.tests)) is not None
    ]
    found += [
        Point(
            f"{row.name} {row.precision} †{'‡' if set(row.doubtful) & set(mean.tests) else ''}",
            row.bytes,
            score,
            published=True,
        )
        for row in published().rows
        if (score := average(published_figures(row, as_published=False), mean.tests)) is not None
    ]
    return sorted(found, key=lambda point: -point.score.value)


def scatter(figure: Any, mean: Average, cells: Sequence[Cell]) -> None:  # noqa: ANN401 - matplotlib has no types
    """Draw numbered points, the front, and a key with names, scores and bytes.

    The dummy is in the key only, for it would squeeze all others into a corner.
    """
    points = points_of(mean, cells)
    shown = [point for point in points if not point.name.startswith(f"{Dummy().name} ")] or points
    axes, key = figure.subplots(1, 2, width_ratios=(3, 2))
    best = front({one.name: (one.size, one.score.value) for one in shown if not one.published})
    steps = [(one.size, one.score.value) for name in best for one in shown if one.name == name]
    if steps:
        axes.step(*zip(*steps, strict=True), where="post", color="C0", alpha=0.5, label="Pareto front")
        axes.legend(loc="best")
    for one in shown:
        color = "C1" if one.published else "C0" if one.name in best else "C7"
        axes.errorbar(
            one.size,
            one.score.value,
            yerr=one.score.std or 0.0,
            fmt="D" if one.published else "o",
            fillstyle="none" if one.published else "full",
            color=color,
            capsize=2,
            elinewidth=0.8,
            markersize=5,
        )
    axes.set_xscale("log")
    axes.margins(0.12, 0.12)
    axes.set_xlabel("bytes: constants, RAM, tokenizer and code, as far as known")
    axes.set_ylabel("%")
    axes.set_title(mean.title)
    axes.grid(alpha=0.25, which="both")
    figure.canvas.draw()  # places depend on the limits
    _number(axes, shown)
    lines = ["  #      %      bytes"]
    for one in points:
        number = f"{shown.index(one) + 1:3d}" if one in shown else "  –"
        lines.append(f"{number}  {one.score.value:5.2f}  {one.size:9,}  {one.name}")
    lines += ["", "† as published: bytes are weights and activations"]
    lines += ["‡ in doubt, see the tables"] if any("‡" in one.name for one in points) else []
    key.axis("off")
    key.text(0, 1, "\n".join(lines), va="top", family="monospace", fontsize=7.5, transform=key.transAxes)


def _number(axes: Any, points: Sequence[Point]) -> None:  # noqa: ANN401
    """A number at each point, where it lies on no other number or point if there is such a place."""
    scale = axes.figure.dpi / 72  # places are in points of print, which pixels are more than
    at = [axes.transData.transform((one.size, one.score.value)) / scale for one in points]
    taken = [(float(x), float(y)) for x, y in at]

    def room(x: float, y: float) -> float:
        return min((x - a) ** 2 + (y - b) ** 2 for a, b in taken)

    for number, (x, y) in enumerate(list(taken), start=1):
        place = next((p for p in _PLACES if room(x + p[0], y + p[1]) >= _APART**2 / 2), _PLACES[0])
        taken.append((x + place[0], y + place[1]))
        axes.annotate(
            str(number),
            (points[number - 1].size, points[number - 1].score.value),
            xytext=place,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
        )
