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
from embbert.bench.leaders import ours, standings, verdict
from embbert.bench.pareto import drawn, work_points
from embbert.bench.plots import draw, pictures
from embbert.bench.provenance import all_provenance
from embbert.bench.summary import (
    AIM,
    BUDGET,
    NOTHING,
    Average,
    Figure,
    averages,
    columns,
    figures,
    full_title,
    published,
    suites,
)
from embbert.bench.systems import SYSTEMS
from embbert.bench.tables import BESIDE, ResultTable, Row, all_tables, markdown
from embbert.bench.tasks import shipped_cards
from embbert.errors import EmbbertError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.leaders import Standing
    from embbert.bench.plots import Picture

DOCS = Path(__file__).parents[1] / "docs"
BASES = Path(__file__).parent / "bases"
PAGE, PICTURES = "results.md", "results"
CORE = "cortex-m4"
OURS = "both-512k"
"""Stands for the project: what  embbert train --arch both  makes."""

PARTS = ("embbert-base", "linear-256k")
"""What it adds up, each trained by itself."""

FAMILY = ("embbert-nano", "embbert-tiny", "embbert-24m")
"""Sizes of EmbBERT that were trained by one recipe; those that have results are drawn."""

CONFUSED = ("emotion", "limit")
"""Tasks whose confusion matrices are shown, of the integer C of ours."""

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
        if ours(standings(cells, (task,)), OURS) is not None:
            seed = min(cell.seed for cell in cells if (cell.task, cell.system) == (task, OURS))
            matrices.append(f"{task}.{OURS}.{seed}")
    found = pictures(cells, matrices, core=CORE, members=members if len(members) > 1 else ())
    # A point alone compares with nothing.
    alone = {
        f"instructions-{CORE}-{mean.name}.png"
        for mean in drawn(cells)
        if sum(point.cost is not None for point in work_points(mean, cells, CORE)) < 2
    }
    found = [one for one in found if one.file not in alone]
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
        *(markdown(table) for table in other_conventions(cells)),
        markdown(second_metrics(cells)),
    ]
    added = parts_and_sum(cells)
    if added.rows:
        parts.append(markdown(added))
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
        f"The integer C of `{OURS}`, of at most {AIM:,} bytes, against the measured systems of at most "
        f"{BUDGET:,}: constants and RAM, without EmbBERT's tables of tokens and without code, which *in all* "
        "below adds where it is known. The paper's own figures are no part of it. "
        f"{not_measured(cells)}\n"
    ]
    for mean in means(cells):
        if mean.tests:
            said = verdict(cells, mean.tests, OURS)
            lines.append(f"* **{full_title(mean, cells)}:** {said or 'no system has all of it yet.'}")
    return lines


def other_conventions(cells: Sequence[Cell]) -> list[ResultTable]:
    """The tables in the paper's conventions, where those change any figure of ours."""
    pairs = zip(all_tables(cells), all_tables(cells, as_published=True), strict=True)
    return [
        other
        for table, other in pairs
        if [row.cells for row in table.rows if not row.published]
        != [row.cells for row in other.rows if not row.published]
    ]


def second_metrics(cells: Sequence[Cell]) -> ResultTable:
    """What tasks with several metrics are measured by beside the primary one."""
    measured_tests = {test for cell in cells for test in cell.data.tests}
    names = {
        (test, metric): f"{title}, {metric}"
        for suite in suites(cells)
        for test, title in columns(suite, cells).items()
        for card in shipped_cards().values()
        if test in measured_tests & {one.name for one in card.tests}
        for metric in card.metrics[1:]
    }
    values: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for cell in cells:
        for precision, measured in cell.precisions.items():
            for test, metric in names:
                if test in measured.tests:
                    mine = values.setdefault((cell.system, precision), {})
                    mine.setdefault((test, metric), []).append(100 * measured.tests[test].metrics[metric])
    lines = [
        Row((*competitor, *(str(Figure.over(found[name])) if name in found else NOTHING for name in names)))
        for competitor in figures(cells)
        if (found := values.get(competitor)) is not None
    ]
    return ResultTable("Other metrics", ("system", "arithmetic", *names.values()), tuple(lines), ())


def parts_and_sum(cells: Sequence[Cell]) -> ResultTable:
    """What the two parts of ours score alone and together, each by the seeds that ours has."""
    mine = {(cell.task, cell.seed): cell for cell in cells if cell.system == OURS}
    shares = {
        name: both.get("share")
        for name, cell in mine.items()
        if isinstance(both := cell.settings.get("both"), dict)
    }
    beside = [cell for cell in cells if cell.system in (*PARTS, OURS) and (cell.task, cell.seed) in shares]
    scored = figures(beside)
    tests = [(name, title) for suite in suites(beside) for name, title in columns(suite, beside).items()]
    lines = []
    for name, title in tests:
        found = {
            seed: share
            for (task, seed), share in sorted(shares.items())
            if name in mine[task, seed].data.tests
        }
        if found:
            scores = (scored.get((system, "int8"), {}).get(name) for system in (*PARTS, OURS))
            texts = (str(score) if score else NOTHING for score in scores)
            lines.append(Row((title, _listed(found), _listed(found.values()), *texts)))
    header = ("", "seeds", "share of n-grams", *(f"`{system}` int8" for system in (*PARTS, OURS)))
    note = (
        "A share for each seed, in their order; with 0 EmbBERT is kept as it is. The scores are of those "
        "seeds as far as they were measured; in brackets, of how many."
    )
    return ResultTable("N-grams beside tokens", header, tuple(lines), (note,))


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


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
        ranked = standings(cells, tests)
        if ranked:
            mine = ours(ranked, OURS)
            lines.append(Row((title, verdict(cells, tests, OURS), *standing(ranked[0]), *standing(mine)[1:])))
    header = (
        "",
        "in words",
        f"first within {BUDGET:,} bytes",
        "%",
        "95 %",
        "bytes",
        "in all",
        f"`{OURS}` int8, %",
        "95 %",
        "bytes",
        "in all",
    )
    notes = (
        "First is the best of all, every EmbBERT included; the words are about the others. 95 %: bootstrap "
        "interval over test rows, of an average from those of its tests; it knows nothing of the spread over "
        "seeds. Bytes: constants and RAM. In all: "
        f"with {BESIDE}.",
    )
    return ResultTable("Who leads", header, tuple(lines), notes)


def standing(one: Standing | None) -> tuple[str, ...]:
    """Who, score, interval, bytes, bytes in all."""
    if one is None:
        return (NOTHING,) * 5
    low, high = one.interval
    return str(one), str(one.score), f"{low:.1f} – {high:.1f}", f"{one.bytes:,}", f"{one.total:,}"


def not_measured(cells: Sequence[Cell]) -> str:
    """Sentences on systems and bases that could have been measured, and were not, or on some tasks only."""
    bases = sorted(path.parent.name for path in BASES.glob("*/base.json"))
    measured = {name: {cell.task for cell in cells if cell.system == name} for name in (*SYSTEMS, *bases)}
    every = set().union(*measured.values())
    kinds = {
        "Not measured yet": [name for name, tasks in measured.items() if not tasks],
        "On some tasks only, and so in no average or not in all": [
            name for name, tasks in measured.items() if tasks and tasks != every
        ],
    }
    return " ".join(
        f"{what}: {', '.join(f'`{name}`' for name in names)}." for what, names in kinds.items() if names
    )


if __name__ == "__main__":
    sys.exit(main())
