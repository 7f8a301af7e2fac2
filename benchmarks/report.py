"""Makes docs/results.md and its pictures out of the results of `embbert bench`.

    python benchmarks/report.py             # writes docs/results.md and docs/results/*.png
    python benchmarks/report.py --check     # 1 if the page is not what the results say

All of the page follows from the results; nothing in it is written by hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from common import RESULTS
from embbert.bench.cells import read_cells
from embbert.bench.leaders import best_of_ours, standings, verdict
from embbert.bench.pareto import drawn
from embbert.bench.plots import draw, pictures
from embbert.bench.provenance import all_provenance
from embbert.bench.summary import (
    AIM,
    BUDGET,
    NOTHING,
    Average,
    averages,
    columns,
    full_title,
    published,
    suites,
)
from embbert.bench.tables import ResultTable, Row, all_tables, markdown
from embbert.errors import EmbbertError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.leaders import Standing
    from embbert.bench.plots import Picture

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURES = "results.md", "results"
CORE = "cortex-m4"
FAMILY = ("embbert-nano", "embbert-tiny", "embbert-24m")
"""Sizes of EmbBERT that were trained by one recipe; those that have results are drawn."""

CONFUSED = ("emotion", "limit")
"""Tasks whose confusion matrices are shown, of the best integer EmbBERT."""

KINDS = {
    "bytes": "Score against bytes",
    "work": "Score against work",
    "instructions": "Score against instructions",
    "family": "Sizes",
    "curves": "Learning curves",
    "confusion": "Confusion",
}
"""Headings by the first word of a picture's file."""


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if something would change")
    parser.add_argument("--results", type=Path, default=RESULTS / "bench", help="folder of results")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the page")
    arguments = parser.parse_args()
    try:
        cells = read_cells(arguments.results)
        images = chosen_pictures(cells)
        text = page(cells, images)
        if arguments.check:
            return check(text, images, arguments.docs)
        for path in draw(images, arguments.docs / PICTURES):
            print(path)
        for path in strangers(images, arguments.docs):
            path.unlink()
        (arguments.docs / PAGE).write_text(text, encoding="utf-8")
        print(arguments.docs / PAGE)
    except EmbbertError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def check(text: str, images: Sequence[Picture], docs: Path) -> int:
    """0 if the page is that text and the pictures are those, else 1 and the first difference."""
    path = docs / PAGE
    found = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    wanted = text.splitlines()
    for number in range(max(len(found), len(wanted))):
        pair = [lines[number] if number < len(lines) else "nothing" for lines in (found, wanted)]
        if pair[0] != pair[1]:
            print(f"{path}:{number + 1} is\n  {pair[0][:200]}\nthe results say\n  {pair[1][:200]}")
            break
    else:
        faults = [f"{one.file} is missing" for one in images if not (docs / PICTURES / one.file).is_file()]
        faults += [f"{one} is stale" for one in strangers(images, docs)]
        if not faults:
            return 0
        print("\n".join(faults))
    print("run  python benchmarks/report.py")
    return 1


def strangers(images: Sequence[Picture], docs: Path) -> list[Path]:
    """Pictures of earlier results."""
    names = {image.file for image in images}
    return [path for path in sorted((docs / PICTURES).glob("*.png")) if path.name not in names]


def chosen_pictures(cells: Sequence[Cell]) -> list[Picture]:
    """What the page shows, by kind."""
    measured = {cell.system for cell in cells}
    members = [name for name in FAMILY if name in measured]
    matrices = []
    for task in CONFUSED:
        best = best_of_ours(cells, (task,))
        if best is not None:
            seed = min(cell.seed for cell in cells if (cell.task, cell.system) == (task, best.competitor[0]))
            matrices.append(f"{task}.{best.competitor[0]}.{seed}")
    found = pictures(cells, matrices, core=CORE, members=members if len(members) > 1 else ())
    # Float matrices are those of the integers but for a few rows.
    found = [one for one in found if kind(one) != "confusion" or one.file.endswith("-int8.png")]
    return sorted(found, key=lambda one: list(KINDS).index(kind(one)))


def kind(image: Picture) -> str:
    """First word of its file."""
    return image.file.partition("-")[0].removesuffix(".png")


def page(cells: Sequence[Cell], images: Sequence[Picture]) -> str:
    """The whole page."""
    parts = [
        "# Results\n",
        f"Generated by `python benchmarks/report.py` from the {len(cells):,} files in "
        "`benchmarks/results/bench`; change nothing here by hand. [Benchmarks](benchmarks.md) says how they "
        "were made, what the columns mean, and why who wins where.\n",
        "## In short\n",
        "\n".join(in_short(cells)) + "\n",
        markdown(who_leads(cells)),
        *(markdown(table) for table in all_tables(cells)),
        *(markdown(table) for table in all_tables(cells, as_published=True)),
    ]
    for name, heading in KINDS.items():
        mine = [image for image in images if kind(image) == name]
        if mine:
            parts.append(f"## {heading}\n")
            parts += [f"![{image.title}]({PICTURES}/{image.file})\n" for image in mine]
        if mine and name == "family":
            parts.append(" ".join(published().family_notes) + "\n")
    return "\n".join([*parts, *(markdown(table) for table in all_provenance(cells))])


def in_short(cells: Sequence[Cell]) -> list[str]:
    """A line per average that the project aims at."""
    lines = [
        f"Systems of at most {BUDGET:,} bytes (constants and RAM, as far as known), against the best EmbBERT "
        f"in integer C of at most {AIM:,}; the paper's own figures are no part of it.\n"
    ]
    for mean in means(cells):
        if mean.tests:
            said = verdict(cells, mean.tests)
            lines.append(f"* **{full_title(mean, cells)}:** {said or 'no system has all of it yet.'}")
    return lines


def means(cells: Sequence[Cell]) -> list[Average]:
    """The averages of the tables; if nobody has one, what the pictures show instead."""
    found = [mean for suite in suites(cells) for mean in averages(suite, cells)]
    return found + [mean for mean in drawn(cells) if mean not in found]


def who_leads(cells: Sequence[Cell]) -> ResultTable:
    """Average by average and task by task."""
    subjects = [(mean.title, mean.tests) for mean in means(cells)]
    subjects += [(title, (name,)) for suite in suites(cells) for name, title in columns(suite, cells).items()]
    lines = []
    for title, tests in subjects:
        ranked, ours = standings(cells, tests), best_of_ours(cells, tests)
        if ranked:
            first, best = ranked[0], standing(ours)
            lines.append(Row((title, verdict(cells, tests), *standing(first), *best)))
    header = (
        "",
        "in words",
        f"first within {BUDGET:,} bytes",
        "%",
        "bytes",
        f"EmbBERT int8 within {AIM:,}",
        "%",
        "bytes",
    )
    note = "First is the best of all, an EmbBERT in floating point included; the words are about the others."
    return ResultTable("Who leads", header, tuple(lines), (note,))


def standing(one: Standing | None) -> tuple[str, str, str]:
    """Who, score, bytes."""
    return (NOTHING, NOTHING, NOTHING) if one is None else (str(one), str(one.score), f"{one.bytes:,}")


if __name__ == "__main__":
    sys.exit(main())
