"""Draws score against bytes or work: numbered points, the front, and a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from embbert.bench.dummy import Dummy
from embbert.bench.pareto import front
from embbert.bench.work import INTEGER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.pareto import Axis, Point

# Where the number of a point may stand, in points of print from it, the best place first.
_PLACES = [(9, 9), (-9, 9), (9, -9), (-9, -9), (0, 13), (0, -13), (14, 0), (-14, 0), (18, 18), (-18, -18)]
_PLACES += [(x, y) for y in (26, -26, 38, -38) for x in (0, 18, -18, 30, -30)]
_APART = 13.0
_SPAN = 1.5
"""The x axis ends at no less than so many times its beginning: closer costs are as good as the same."""


class Look(NamedTuple):
    """How a kind of competitor is drawn."""

    label: str
    color: str
    marker: str
    fill: str


INTEGERS = Look("integer C", "C0", "o", "full")
FLOATS = Look("floating point", "C7", "o", "full")
PUBLISHED = Look("as published", "C1", "D", "none")


def scatter(figure: Any, title: str, points: Sequence[Point], axis: Axis) -> None:  # noqa: ANN401 - no types
    """Draw points, the front if the axis has one, and a key with names, scores and costs.

    The dummy is in the key only, for it would squeeze all others into a corner.
    """
    shown = [one for one in points if one.cost and not one.name.startswith(f"{Dummy().name} ")]
    shown = shown or [one for one in points if one.cost]
    axes, key = figure.subplots(1, 2, width_ratios=(3, 2))
    ours = [one for one in shown if not one.published and axis.front]
    best = front({one.name: (one.cost or 0, one.score.value) for one in ours})
    steps = [(one.cost, one.score.value) for name in best for one in shown if one.name == name]
    if steps:
        axes.step(*zip(*steps, strict=True), where="post", color="C2", alpha=0.6, zorder=1)
    for one in shown:
        look = _look(one)
        axes.errorbar(
            one.cost,
            one.score.value,
            yerr=one.score.std,
            fmt=look.marker,
            fillstyle=look.fill,
            color=look.color,
            capsize=2,
            elinewidth=0.8,
            markersize=5,
        )
    log_axis(axes)
    axes.margins(0.12, 0.12)
    axes.set_xlabel(axis.label, fontsize=9)
    axes.set_ylabel("%")
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25, which="both")
    figure.canvas.draw()  # places depend on the limits
    _number(axes, shown)
    key.axis("off")
    key.text(
        0,
        1,
        "\n".join(_key(points, shown, axis, best)),
        va="top",
        family="monospace",
        fontsize=7.5 if len(points) <= 36 else 270 / len(points),
        transform=key.transAxes,
    )
    _legend(key, shown, axis)


def log_axis(axes: Any) -> None:  # noqa: ANN401
    """A logarithmic x axis whose ticks say 500 k and 2 M."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - optional

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    if high < _SPAN * low:
        middle = (low * high) ** 0.5
        low, high = axes.set_xlim(middle / _SPAN**0.5, middle * _SPAN**0.5)
    axes.xaxis.set_major_locator(LogLocator(subs=_steps(high / low)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _steps(span: float) -> tuple[float, ...]:
    """Which multiples of a power of ten get a tick."""
    return (1,) if span >= 300 else (1, 2, 5) if span >= 5 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)


def _look(one: Point) -> Look:
    return PUBLISHED if one.published else INTEGERS if one.name.endswith(f" {INTEGER}") else FLOATS


def _key(points: Sequence[Point], shown: Sequence[Point], axis: Axis, best: Sequence[str]) -> list[str]:
    costs = ["–" if one.cost is None else f"{one.cost:,.0f}" for one in points]
    width = max([len(axis.unit), *map(len, costs)])
    lines = [f"  #      %  {axis.unit:>{width}}"]
    for one, cost in zip(points, costs, strict=True):
        number = f"{shown.index(one) + 1:3d}" if one in shown else "  –"
        mark = " *" if one.name in best else ""
        lines.append(f"{number}  {one.score.value:5.2f}  {cost:>{width}}  {one.name}{mark}")
    lines += ["", *(["* on the Pareto front"] if axis.front else []), *axis.notes]
    return [*lines, *(["‡ in doubt, see the tables"] if any("‡" in one.name for one in points) else [])]


def _legend(key: Any, points: Sequence[Point], axis: Axis) -> None:  # noqa: ANN401
    """What the colours mean, below the key: in the picture it would hide points."""
    if axis.front:
        key.plot([], [], color="C2", alpha=0.6, label="Pareto front")
    for look in dict.fromkeys(_look(one) for one in points):
        key.plot([], [], look.marker, color=look.color, fillstyle=look.fill, markersize=5, label=look.label)
    key.legend(loc="lower left", fontsize=8, ncols=2)


def _number(axes: Any, points: Sequence[Point]) -> None:  # noqa: ANN401
    """A number at each point, where it lies on no other number or point if there is such a place."""
    scale = axes.figure.dpi / 72  # places are in points of print, which pixels are more than
    at = [axes.transData.transform((one.cost, one.score.value)) / scale for one in points]
    taken = [(float(x), float(y)) for x, y in at]

    def room(x: float, y: float) -> float:
        return min((x - a) ** 2 + (y - b) ** 2 for a, b in taken)

    for number, (x, y) in enumerate(list(taken), start=1):
        place = next((p for p in _PLACES if room(x + p[0], y + p[1]) >= _APART**2 / 2), _PLACES[0])
        taken.append((x + place[0], y + place[1]))
        axes.annotate(
            str(number),
            (points[number - 1].cost, points[number - 1].score.value),
            xytext=place,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            # Where points crowd, the line says whose number it is.
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "0.4", "shrinkA": 0, "shrinkB": 0},
        )
