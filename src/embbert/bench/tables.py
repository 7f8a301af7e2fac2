"""Tables of results: systems down, tasks across, bytes beside, the paper's figures marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embbert.bench.load import SEEDED
from embbert.bench.summary import (
    AIM,
    BUDGET,
    NOTHING,
    SUITES,
    average,
    averages,
    columns,
    figures,
    full_title,
    published,
    published_figures,
    sizes,
    suites,
)
from embbert.bench.tasks import shipped_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.cells import Cell

PAPER, DOUBT, PARTIAL = "†", "‡", "*"
BESIDE = (
    "EmbBERT's tables of tokens (other dictionaries are constants) and, of integer C, a bound on the code"
)
"""What all known bytes are beside constants and RAM."""

OVER_AIM, OVER_BUDGET = "§", "§§"


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        cells: texts, as many as the table has columns.
        published: it holds the paper's figures.
    """

    cells: tuple[str, ...]
    published: bool = False


@dataclass(frozen=True)
class ResultTable:
    """A table for people.

    Attributes:
        title: of the table.
        header: texts; the first two columns are names, the others numbers.
        rows: the systems, then the paper.
        notes: sentences below it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def all_tables(cells: Sequence[Cell], *, as_published: bool = False) -> list[ResultTable]:
    """One table per suite that there are results of.

    Args:
        cells: results.
        as_published: by the paper's conventions instead of the primary metrics.
    """
    return [_table(suite, cells, as_published=as_published) for suite in suites(cells)]


def markdown(table: ResultTable) -> str:
    """The table as Markdown, ending in a line break."""
    lines = [
        f"## {_escaped(table.title)}",
        "",
        _line(table.header),
        "|---|---|" + "---:|" * (len(table.header) - 2),
    ]
    lines += [_line(row.cells) for row in table.rows]
    notes = [_escaped(note) for note in table.notes]
    if notes:
        lines += ["", *(f"{note}\\" for note in notes[:-1]), notes[-1]]
    return "\n".join(lines) + "\n"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(text) for text in texts)} |"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*").replace("<", "\\<")


def _table(suite: str, cells: Sequence[Cell], *, as_published: bool) -> ResultTable:
    inside = [cell for cell in cells if cell.suite == suite]
    titles, means = columns(suite, cells), averages(suite, cells, as_published=as_published)
    metrics = {test: cell.metric for cell in inside for test in cell.data.tests}
    partial = {test for cell in inside if cell.data.partial for test in cell.data.tests}
    found, most = figures(inside, as_published=as_published), sizes(inside)
    header = ["system", "arithmetic"]
    for test, title in titles.items():
        metric = "" if as_published or metrics.get(test, "accuracy") == "accuracy" else f", {metrics[test]}"
        header.append(f"{title}{PARTIAL if test in partial else ''}{metric}")
    header += [mean.title for mean in means] + ["constants + RAM", "all known bytes"]
    rows = [
        Row(
            (
                *competitor,
                *(str(mine.get(test, NOTHING)) for test in titles),
                *(str(average(mine, mean.tests) or NOTHING) for mean in means),
                _marked(most[competitor].deployed),
                f"{most[competitor].total:,}",
            )
        )
        for competitor, mine in found.items()
    ]
    if suite in SUITES:
        for row in published().rows:
            theirs = published_figures(row, as_published=as_published)
            shown = [
                f"{theirs[test]}{DOUBT if test in row.doubtful else ''}" if test in theirs else NOTHING
                for test in titles
            ]
            ours = [average(theirs, mean.tests) for mean in means]
            if as_published:
                ours[0] = row.averages.get(suite)
            doubts = [bool(set(row.doubtful) & set(mean.tests)) for mean in means]
            shown += [
                f"{mean or NOTHING}{DOUBT if doubt else ''}" for mean, doubt in zip(ours, doubts, strict=True)
            ]
            names = f"{row.name} {PAPER}", row.precision
            rows.append(Row((*names, *shown, _marked(row.bytes), NOTHING), published=True))
    kind = "as published" if as_published else "primary metrics"
    notes = _notes(suite, inside, as_published=as_published)
    return ResultTable(f"{SUITES.get(suite, suite)}, {kind}", tuple(header), tuple(rows), tuple(notes))


def _notes(suite: str, cells: Sequence[Cell], *, as_published: bool) -> list[str]:
    notes = [
        "In %, mean ± population standard deviation over seeds (how many). An average needs every task; it "
        "has a deviation if every task has several runs, and that takes tasks as independent. Bytes are the "
        f"most over the tasks; all known bytes add {BESIDE}.",
        f"{OVER_AIM} more than {AIM:,} bytes, {OVER_BUDGET} more than {BUDGET:,}.",
    ]
    notes += [
        f"{full_title(mean, cells)}."
        for mean in averages(suite, cells, as_published=as_published)
        if full_title(mean, cells) != mean.title
    ]
    if suite == "glue" and not as_published:
        notes.append("WNLI is not averaged.")
    notes += [f"{PARTIAL} {title}: {note}" for title, note in _partials(cells).items()]
    given = {
        name: f"{test.title} {test.duplicates.near:,} of {test.duplicates.rows:,}"
        for cell in cells
        for name, test in cell.data.tests.items()
    }
    notes.append(f"Test rows with a near-duplicate among the training rows: {', '.join(given.values())}.")
    notes += _mixed(cells)
    if suite in SUITES:
        paper = published()
        notes += [f"{PAPER} Published figures: {paper.source}. {' '.join(paper.conventions)}"]
        if suite == "tinynlp":
            notes.append(f"{DOUBT} {paper.doubt}")
    return notes


def _marked(size: int) -> str:
    """Bytes, with the mark of what they exceed."""
    return f"{size:,}{OVER_BUDGET if size > BUDGET else OVER_AIM if size > AIM else ''}"


def _partials(cells: Sequence[Cell]) -> dict[str, str]:
    return {cell.title: cell.data.partial for cell in cells if cell.data.partial is not None}


def _mixed(cells: Sequence[Cell]) -> list[str]:
    """What must be known of columns whose rows are not what one expects."""
    prints: dict[str, dict[tuple[str, str], str]] = {}
    notes = []
    for cell in cells:
        for name, test in cell.data.tests.items():
            key = cell.data.train.fingerprint, test.origin.fingerprint
            prints.setdefault(name, {}).setdefault(key, str(cell.name))
    for name, found in prints.items():
        if len(found) > 1:
            notes.append(
                f"Not comparable: results of {name} are of different rows, as {', '.join(found.values())}."
            )
    shipped = shipped_cards()
    seeded = {cell.title for cell in cells if cell.data.split == SEEDED and cell.task in shipped}
    notes += [
        f"{title}: the rows are not those of the stored split; other test rows were drawn."
        for title in sorted(seeded)
    ]
    return notes
