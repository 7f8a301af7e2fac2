"""The scale family: systems of one architecture in several sizes, score against bytes, beside the paper's."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

from embbert.bench.scatter import FLOATS, INTEGERS, PUBLISHED, log_axis
from embbert.bench.summary import (
    average,
    averages,
    cells_of,
    columns,
    figures,
    published,
    sizes,
    suites,
)
from embbert.bench.work import INTEGER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.summary import Average, Figure, PublishedRow

COLUMNS = 4
"""Small panels in a row."""

FAMILY = "EmbBERT"
"""The row of the paper's table that belongs to its family."""


def panels(cells: Sequence[Cell], systems: Sequence[str]) -> tuple[list[Average], dict[str, str]]:
    """Averages that a member has, and titles by name of the test sets that one has, as in the tables."""
    mine = [cell for cell in cells if cell.system in systems]
    found = figures(mine).values()
    means = [mean for suite in suites(mine) for mean in averages(suite, mine)]
    titles = {name: title for suite in suites(mine) for name, title in columns(suite, mine).items()}
    return (
        [mean for mean in means if any(average(scores, mean.tests) for scores in found)],
        {name: title for name, title in titles.items() if any(name in scores for scores in found)},
    )


def line(
    cells: Sequence[Cell], systems: Sequence[str], precision: str, tests: Sequence[str]
) -> list[tuple[int, Figure, str]]:
    """(bytes, score, name) of the members that have all the tests, the smallest first."""
    most, found = sizes(cells_of(tests, cells)), figures(cells)
    members = [
        (most[system, precision].total, score, system)
        for system in systems
        if (system, precision) in found and (score := average(found[system, precision], tests)) is not None
    ]
    return sorted(members, key=lambda member: member[0])


def published_line(tests: Sequence[str]) -> list[tuple[int, Figure, bool]]:
    """(bytes, score, of other rows than here) of the paper's sizes that have all the tests, by bytes."""
    paper = published()
    rows = [row for row in paper.rows if row.name == FAMILY] + list(paper.family)
    found = [
        (row.bytes, score, bool({*row.doubtful, *paper.other_rows} & set(tests)))
        for row in rows
        if (score := average(_figures(row), tests)) is not None
    ]
    return sorted(found, key=lambda one: one[0])


def height(cells: Sequence[Cell], systems: Sequence[str]) -> float:
    """Of the picture, in inches."""
    means, tests = panels(cells, systems)
    return 1.0 + (3.6 if means else 0.0) + 2.1 * -(-len(tests) // COLUMNS)


def family(figure: Any, cells: Sequence[Cell], systems: Sequence[str]) -> None:  # noqa: ANN401 - no types
    """Averages in the first row, a small panel per test set below."""
    means, tests = panels(cells, systems)
    rows = -(-len(tests) // COLUMNS)
    heights = ([1.8] if means else []) + [1.0] * rows
    grid = figure.add_gridspec(len(heights), 12, height_ratios=heights)
    span = 12 // max(2, len(means))
    for number, mean in enumerate(means):
        axes = figure.add_subplot(grid[0, number * span : (number + 1) * span])
        _panel(axes, mean.title, mean.tests, cells, systems, named=True)
    for number, (test, title) in enumerate(tests.items()):
        row, column = divmod(number, COLUMNS)
        axes = figure.add_subplot(grid[row + bool(means), 3 * column : 3 * column + 3])
        _panel(axes, title, (test,), cells, systems, named=False)
    figure.supxlabel("bytes: constants, RAM, tokenizer and code, as far as known", fontsize=9)
    figure.supylabel("%", fontsize=9)
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4, fontsize=8)


def _panel(
    axes: Any,  # noqa: ANN401
    title: str,
    tests: Sequence[str],
    cells: Sequence[Cell],
    systems: Sequence[str],
    *,
    named: bool,
) -> None:
    size = 5 if named else 3.5
    precisions = sorted(
        {precision for cell in cells for precision in cell.precisions if cell.system in systems}
    )
    named_by = precisions[-1]
    for precision in precisions:
        members = line(cells, systems, precision, tests)
        if not members:
            continue
        axes.errorbar(
            [bytes_ for bytes_, _, _ in members],
            [score.value for _, score, _ in members],
            yerr=[_spread(score) for _, score, _ in members],
            fmt="o-",
            color=(INTEGERS if precision == INTEGER else FLOATS).color,
            capsize=2,
            linewidth=1.2,
            elinewidth=0.8,
            markersize=size,
            label=precision,
        )
        if named and precision == named_by:
            for bytes_, score, system in members:
                axes.annotate(
                    system,
                    (bytes_, score.value),
                    xytext=(-6, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize=7,
                )
    for others, marker in ((False, PUBLISHED.marker), (True, "v")):
        theirs = [(bytes_, score) for bytes_, score, other in published_line(tests) if other == others]
        if theirs:
            axes.errorbar(
                [bytes_ for bytes_, _ in theirs],
                [score.value for _, score in theirs],
                yerr=[_spread(score) for _, score in theirs],
                fmt=marker,
                fillstyle=PUBLISHED.fill,
                color=PUBLISHED.color,
                capsize=2,
                elinewidth=0.8,
                markersize=size,
                label="EmbBERT as published" + (", other rows than here" if others else ""),
            )
    log_axis(axes)
    axes.margins(0.1, 0.15)
    if named:  # room for the names, which stand to the left
        low, high = axes.get_xlim()
        axes.set_xlim(low * (low / high) ** 0.35, high)
    axes.set_title(title, fontsize=10 if named else 8.5)
    axes.tick_params(labelsize=8 if named else 7)
    axes.grid(alpha=0.25)


def _spread(score: Figure) -> float:
    """Length of the error bar; that of a single run is not drawn."""
    return nan if score.std is None else score.std


def _figures(row: PublishedRow) -> dict[str, Figure]:
    """By the paper's conventions, which is all that is known of every size; WNLI turned back."""
    wnli = {"wnli": row.standard["wnli"]} if "wnli" in row.standard else {}
    return row.as_published | wnli
