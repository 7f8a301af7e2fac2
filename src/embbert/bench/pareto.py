"""Score against bytes or work: the points, and the front of those that no other system beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embbert.bench.summary import (
    Average,
    average,
    averages,
    cells_of,
    columns,
    figures,
    published,
    published_figures,
    sizes,
    suites,
)
from embbert.bench.work import INTEGER, instructions, kernels, macs, mean_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.summary import Competitor, Figure


@dataclass(frozen=True)
class Point:
    """A competitor in the picture.

    Attributes:
        name: in the key.
        cost: bytes, or work per answer; None if it is not known: then it is in the key only.
        score: the average.
        published: it is the paper's.
    """

    name: str
    cost: float | None
    score: Figure
    published: bool = False


@dataclass(frozen=True)
class Axis:
    """What scores are set against.

    Attributes:
        label: below the axis.
        unit: over the column of the key.
        notes: below the key.
        front: whether a Pareto front is drawn.
    """

    label: str
    unit: str
    notes: tuple[str, ...]
    front: bool = True


_UNKNOWN = "– not known, or the dummy: not drawn"
BYTES = Axis(
    "bytes: constants, RAM, tokenizer and code, as far as known",
    "bytes",
    ("† as published: bytes are weights and activations",),
)
MACS = Axis(
    "multiply-accumulates per answer at the mean length of the texts, mean over the tasks",
    "MACs",
    (_UNKNOWN,),
)


def instruction_axis(core: str) -> Axis:
    """Says by which ratio multiply-accumulates become instructions.

    There is no front: small models and other architectures take more per product than that ratio
    (docs/boards.md), and the linear ones are not there.

    Raises:
        UsageError: no such core.
    """
    known = kernels(core)
    return Axis(
        f"instructions per answer on {core}, computed: "
        f"multiply-accumulates × {known.instructions_per_mac:g},\n"
        f"the ratio of EmbBERT's kernels there ({known.basis})",
        "instructions",
        (
            _UNKNOWN,
            "n-grams beside tokens: finding them is not counted",
            "no front: others than EmbBERT take more per product, a Cortex-M4",
            "1.4 (bert) to 2.5 times (nano-embedder), as does embbert-nano (1.7)",
        ),
        front=False,
    )


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the points (cost, score) that no other one beats in one and equals in the other."""
    kept: list[str] = []
    best = float("-inf")
    for name, (_, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best:
            kept.append(name)
            best = score
    return kept


def drawn(cells: Sequence[Cell]) -> list[Average]:
    """Averages that some system has; failing that, the mean over the tests that all systems have, if any."""
    found = figures(cells)
    means = [mean for suite in suites(cells) for mean in averages(suite, cells)]
    whole = [mean for mean in means if any(average(mine, mean.tests) for mine in found.values())]
    if whole:
        return whole
    shared = set.intersection(*(set(mine) for mine in found.values()))
    tests = tuple(test for test in next(iter(found.values())) if test in shared)
    titles = {name: title for suite in suites(cells) for name, title in columns(suite, cells).items()}
    title = f"Mean of {', '.join(titles[test] for test in tests)}"
    return [Average("shared", title, tests)] if tests else []


def byte_points(mean: Average, cells: Sequence[Cell]) -> list[Point]:
    """Everybody who has the average, the paper included, the best first."""
    most = sizes(cells_of(mean.tests, cells))
    found = [
        Point(" ".join(competitor), most[competitor].total, score)
        for competitor, score in _scores(mean, cells).items()
    ]
    return _ranked([*found, *(_paper(mean))])


def work_points(mean: Average, cells: Sequence[Cell], core: str | None = None) -> list[Point]:
    """Everybody who has the average, by multiply-accumulates; by instructions of a core, all integer C.

    A system that has integers is there once, as integers: its other arithmetic does the same sums.
    """
    works = macs(cells) if core is None else instructions(cells, core)
    scores = _scores(mean, cells)
    found = [
        Point(" ".join(competitor), mean_work(works.get(competitor, {}), mean.tests), score)
        for competitor, score in scores.items()
        if competitor[1] == INTEGER or (core is None and (competitor[0], INTEGER) not in scores)
    ]
    return _ranked(found)


def _scores(mean: Average, cells: Sequence[Cell]) -> dict[Competitor, Figure]:
    return {
        competitor: score
        for competitor, mine in figures(cells).items()
        if (score := average(mine, mean.tests)) is not None
    }


def _paper(mean: Average) -> list[Point]:
    return [
        Point(
            f"{row.name} {row.precision} †{'‡' if set(row.doubtful) & set(mean.tests) else ''}",
            row.bytes,
            score,
            published=True,
        )
        for row in published().rows
        if (score := average(published_figures(row, as_published=False), mean.tests)) is not None
    ]


def _ranked(points: list[Point]) -> list[Point]:
    return sorted(points, key=lambda point: -point.score.value)
