"""What there is to run, and what has been run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from embbert.bench.systems import all_systems
from embbert.console import plain_console
from embbert.data.hub import mirrored
from embbert.data.readers import is_file
from embbert.errors import DataError, EmbbertError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embbert.bench.tasks import TaskCard


def print_tasks(cards: Mapping[str, TaskCard]) -> None:
    """One row per task: what it is, what measures it, whether its rows are in the mirror."""
    table = Table("suite", "task", "classes", "metrics", "seeds", "rows", "licence of the data")
    for card in cards.values():
        metrics = ", ".join(card.metrics) + ("" if card.averaged else ", not averaged")
        classes = "values" if card.kind == "regress" else str(len(card.labels) or "")
        table.add_row(
            card.suite,
            card.name,
            classes,
            metrics,
            str(len(card.seeds)),
            _where(card),
            card.licence,
        )
    plain_console().print(table)


def print_systems(bases: Path | None = None) -> None:
    """One row per system, those of a folder of bases included."""
    table = Table("system", "precisions", "what it is")
    for system in all_systems(bases).values():
        table.add_row(system.name, ", ".join(system.precisions), system.title)
    plain_console().print(table)


def print_results(folder: Path) -> None:
    """How many seeds of each task and system are there, and which failed."""
    from embbert.bench.cells import ERROR, read_cells  # noqa: PLC0415 - it loads NumPy

    cells = read_cells(folder)
    systems = list(dict.fromkeys(cell.system for cell in cells))
    table = Table("seeds of", *systems)
    for task in dict.fromkeys(cell.task for cell in cells):
        found = [
            ", ".join(str(cell.seed) for cell in cells if (cell.task, cell.system) == (task, system))
            for system in systems
        ]
        table.add_row(task, *(seeds or "–" for seeds in found))
    console = plain_console()
    console.print(table)
    there = {str(cell.name) for cell in cells}
    for path in sorted(folder.glob(f"*{ERROR}")):
        if path.name.removesuffix(ERROR) in there:  # another machine made it, and its file was copied here
            continue
        console.print(f"failed: {path}")


def print_duplicates(cards: Mapping[str, TaskCard]) -> None:
    """Test rows that the training rows give away.

    Raises:
        DataError: rows of some tasks cannot be read here; those of the others have been printed.
    """
    from embbert.bench.duplicates import count_duplicates  # noqa: PLC0415 - it loads NumPy
    from embbert.bench.load import load  # noqa: PLC0415

    console, errors = plain_console(), plain_console(stderr=True, soft_wrap=True)
    table = Table("test set")
    for name in ("training rows", "test rows", "exact", "normalised", "near"):
        table.add_column(name, justify="right")
    table.add_column("split")
    notes, failed = [], []
    for card in cards.values():
        try:
            data = load(card)
        except EmbbertError as error:
            errors.print(f"{card.name}: {error}")
            failed.append(card.name)
            continue
        for test, rows in data.tests.items():
            found = count_duplicates(data.train, rows)
            counts = (len(data.train), found.rows, found.exact, found.normalized, found.near)
            table.add_row(test, *(f"{count:,}" for count in counts), data.split)
        if data.partial is not None:
            notes.append(f"{card.name}: {data.partial}")
    console.print(table)
    for note in notes:
        console.print(note)
    if failed:
        raise DataError(f"nothing was counted of {', '.join(failed)}; the reasons stand above")


def _where(card: TaskCard) -> str:
    if card.source == "home":
        return "here"
    if is_file(card.source):
        return "file" if Path(card.source).is_file() else "missing"
    split = card.training_split
    if mirrored(card.source, split) is None:
        return "hub"
    return f"here, {split}" if card.rows is not None and split != card.train[0] else "here"
