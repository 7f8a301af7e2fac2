"""What was measured where: seeds, machines, versions, commits and rows, as tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from embbert.bench.summary import NOTHING, columns, suites
from embbert.bench.systems import SYSTEMS
from embbert.bench.tables import ResultTable, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embbert.bench.cells import Cell


def all_provenance(cells: Sequence[Cell]) -> list[ResultTable]:
    """Every table of this module."""
    return [seeds(cells), machines(cells), software(cells), rows(cells)]


def seeds(cells: Sequence[Cell]) -> ResultTable:
    """Which seeds there are of each system on each task."""
    order = [name for suite in suites(cells) for name in columns(suite, cells)]
    tasks = {cell.task: cell.title for cell in sorted(cells, key=lambda one: _place(one, order))}
    found: dict[str, dict[str, list[int]]] = {}
    hours: dict[str, float] = {}
    for cell in cells:
        found.setdefault(cell.system, {}).setdefault(cell.task, []).append(cell.seed)
        hours[cell.system] = hours.get(cell.system, 0.0) + cell.train_seconds / 3600
    systems = [name for name in SYSTEMS if name in found] + [name for name in found if name not in SYSTEMS]
    lines = [
        Row(
            (
                system,
                _title(system, cells),
                *(_ranges(found[system].get(task, [])) for task in tasks),
                f"{hours[system]:.1f}",
            )
        )
        for system in systems
    ]
    header = ("system", "what it is", *tasks.values(), "hours of training")
    note = "A training that one result takes over from another, of the same commit, is counted there alone."
    return ResultTable("Seeds", header, tuple(lines), (note,))


def machines(cells: Sequence[Cell]) -> ResultTable:
    """Which machines made how many of the results."""
    counts = Counter(
        (cell.hardware.cpu, cell.hardware.accelerator, cell.hardware.threads, cell.settings.get("precision"))
        for cell in cells
    )
    lines = [
        Row((cpu, accelerator or "none", str(threads) if threads else "any", by or NOTHING, f"{count:,}"))
        for (cpu, accelerator, threads, by), count in counts.most_common()
    ]
    header = ("processor", "accelerator", "threads", "products while training", "results")
    note = "A seed comes to another result with products in bf16 than in float32."
    mixed = {"bf16", "float32"} <= {cell.settings.get("precision") for cell in cells}
    return ResultTable("Machines", header, tuple(lines), (note,) if mixed else ())


def software(cells: Sequence[Cell]) -> ResultTable:
    """Versions and commits with the number of results that they made."""
    counts: dict[str, Counter[str]] = {}
    for cell in cells:
        counts.setdefault("commit", Counter())[short_commit(cell.commit)] += 1
        for package, version in cell.versions.items():
            counts.setdefault(package, Counter())[version] += 1
    lines = [
        Row((package, ", ".join(f"{version} ({count:,})" for version, count in found.most_common())))
        for package, found in counts.items()
    ]
    note = "In brackets, the number of results. A + behind a commit: the sources differed from it."
    return ResultTable("Software", ("package", "versions"), tuple(lines), (note,))


def rows(cells: Sequence[Cell]) -> ResultTable:
    """Rows that were learned from and measured on, with the duplicates among them and what is missing."""
    order = [name for suite in suites(cells) for name in columns(suite, cells)]
    found: dict[tuple[str, str, str], tuple[Cell, str]] = {}
    for cell in sorted(cells, key=lambda one: _place(one, order)):
        for name, test in cell.data.tests.items():
            found.setdefault((name, cell.data.train.fingerprint, test.origin.fingerprint), (cell, name))
    lines = []
    for cell, name in found.values():
        test = cell.data.tests[name]
        same = test.duplicates
        counts = (cell.data.train.rows, same.rows, same.exact, same.normalized, same.near)
        texts = (test.title, test.origin.source, *(f"{count:,}" for count in counts))
        lines.append(Row((*texts, cell.data.split, cell.data.partial or "nothing")))
    header = ("task", "test rows from", "training rows", "test rows", "as they are", "same words", "nearly")
    note = "As they are, same words, nearly: test rows that also stand in the training rows, in that sense."
    return ResultTable("Rows", (*header, "test rows are", "missing"), tuple(lines), (note,))


def short_commit(commit: str | None) -> str:
    """The first twelve characters, with the + of sources that differed from it; "none" if there is none."""
    return "none" if commit is None else commit[:12] + ("+" if commit.endswith("+") else "")


def _place(cell: Cell, order: Sequence[str]) -> int:
    return min(order.index(name) for name in cell.data.tests)


def _title(system: str, cells: Sequence[Cell]) -> str:
    if system in SYSTEMS:
        return SYSTEMS[system].title
    kind = next(cell.settings.get("architecture") for cell in cells if cell.system == system)
    return NOTHING if kind is None else f"A pre-trained base, architecture {kind}."


def _ranges(numbers: Iterable[int]) -> str:
    """0–4, or 0, 2; a dash if there are none."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(str(span[0]) if len(span) == 1 else f"{span[0]}–{span[-1]}" for span in spans) or NOTHING
