"""One result: a task, a system and a seed, in a JSON file of its own."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

# The types of fields are needed when results are read.
from embbert.bench.duplicates import Duplicates  # noqa: TC001
from embbert.bench.interface import Bytes, Work  # noqa: TC001
from embbert.bench.metrics import Scores  # noqa: TC001
from embbert.bench.typed import parse
from embbert.errors import DataError
from embbert.files import is_folder, json_bytes, read_json, write_flushed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT: Literal[1] = 1
ENDING, ERROR = ".json", ".error.txt"
_CALLED = re.compile(r".+\..+\.[0-9]+\.json")


@dataclass(frozen=True, order=True)
class CellName:
    """What a result is of; the file is called `<task>.<system>.<seed>.json`."""

    task: str
    system: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}.{self.system}.{self.seed}"

    @property
    def number(self) -> int:
        """The same on every machine."""
        return int.from_bytes(hashlib.sha256(str(self).encode()).digest()[:8], "big")


@dataclass(frozen=True)
class Origin:
    """Where rows come from.

    Attributes:
        source: file or hub id and split.
        rows: how many.
        fingerprint: SHA-256 of texts, pairs and targets in order.
    """

    source: str
    rows: int
    fingerprint: str


@dataclass(frozen=True)
class Tested:
    """A set of test rows.

    Attributes:
        title: of the column in tables.
        origin: of the rows.
        duplicates: rows that the training rows give away.
    """

    title: str
    origin: Origin
    duplicates: Duplicates


@dataclass(frozen=True)
class Data:
    """What was learned from and measured on.

    Attributes:
        train: the training rows; the system held its validation rows out of them.
        tests: by name.
        split: where the test rows come from.
        labels: names of the classes; none for values.
        partial: what is missing of the complete set, or None.
    """

    train: Origin
    tests: dict[str, Tested]
    split: str
    labels: tuple[str, ...]
    partial: str | None


@dataclass(frozen=True)
class Measured:
    """What a system came to in one precision.

    Attributes:
        bytes: what it takes.
        work: what an answer costs at the mean length of a test set, by name; None if unknown.
        tests: scores by name of the test set.
        seconds: that the answers took.
    """

    bytes: Bytes
    work: dict[str, Work | None]
    tests: dict[str, Scores]
    seconds: float


@dataclass(frozen=True)
class Hardware:
    """The machine.

    Attributes:
        cpu: model.
        threads: that the cell was allowed to use.
        accelerator: the GPU that the training could use, or None.
    """

    cpu: str
    threads: int
    accelerator: str | None


@dataclass(frozen=True)
class Cell:
    """A result.

    Attributes:
        format: of the file.
        task: name of the card.
        card: version of the card.
        title: of the task.
        suite: of the task.
        metric: the primary one.
        averaged: whether it counts in the average of its suite.
        system: name.
        seed: of everything random.
        settings: whatever else decides the result.
        validation: scores on held-out training rows.
        curve: one of them after every epoch; empty if there are no epochs.
        data: what was learned from and measured on.
        precisions: results by precision.
        train_seconds: wall time of `fit`.
        versions: of the software.
        commit: of the sources, with a + if they differ from it; None outside a checkout.
        hardware: the machine.
    """

    format: Literal[1]
    task: str
    card: int
    title: str
    suite: str
    metric: str
    averaged: bool
    system: str
    seed: int
    settings: dict[str, Any]
    validation: dict[str, float]
    curve: tuple[float, ...]
    data: Data
    precisions: dict[str, Measured]
    train_seconds: float
    versions: dict[str, str]
    commit: str | None
    hardware: Hardware

    @property
    def name(self) -> CellName:
        """What it is a result of."""
        return CellName(self.task, self.system, self.seed)


def cell_path(folder: Path, name: CellName) -> Path:
    """Where the result lies."""
    return folder / f"{name}{ENDING}"


def write_cell(folder: Path, cell: Cell) -> Path:
    """Write a result in one step, and remove what an earlier failure left.

    Raises:
        DataError: it cannot be written, or there is one already, which stays.
    """
    path = cell_path(folder, cell.name)
    write_whole(path, json_bytes(asdict(cell)), keep=True)
    (folder / f"{cell.name}{ERROR}").unlink(missing_ok=True)
    return path


def write_whole(path: Path, data: bytes, *, keep: bool = False) -> None:
    """Write a file beside its place, flush it, and rename it: it is there whole or not at all.

    Args:
        path: of the file.
        data: its contents.
        keep: leave a file alone that is there already.

    Raises:
        DataError: it cannot be written, or is to be kept.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_flushed(fresh, data)
        if keep:
            _move_where_nothing_is(fresh, path)
        else:
            fresh.replace(path)
    except FileExistsError as error:
        raise DataError("another run has written it meanwhile, and that is kept", source=str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", source=str(path)) from error
    finally:
        fresh.unlink(missing_ok=True)


def _move_where_nothing_is(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError as error:  # file systems that know no hard links
        if target.exists():
            raise FileExistsError from error
        source.replace(target)


def read_cell(path: Path) -> Cell:
    """Read and check a result.

    Raises:
        DataError: a field is missing, unknown, of the wrong kind or at odds with another; both are named.
        ModelError: not strict JSON.
    """
    remedy = "Remove the file, and run its cell again."
    cell = parse(Cell, read_json(path), str(path), remedy=remedy)
    fault = _fault(cell, path)
    if fault is not None:
        raise DataError(fault, source=str(path), remedy=remedy)
    return cell


def read_cells(folder: Path) -> list[Cell]:
    """Every result of a folder, in order of name.

    Raises:
        DataError: there is no such folder, no result in it, or a damaged one.
    """
    if not is_folder(folder):
        raise DataError(
            "there is no such folder",
            source=str(folder),
            remedy=f"Make results with  embbert bench run -o {folder}",
        )
    # Other JSON files, as one of cards, may lie beside them.
    cells = [
        read_cell(path) for path in sorted(folder.glob(f"[!.]*{ENDING}")) if _CALLED.fullmatch(path.name)
    ]
    if not cells:
        raise DataError(
            "there are no results here",
            source=str(folder),
            remedy=f"Make some with  embbert bench run -o {folder}",
        )
    return cells


def shard(names: Sequence[CellName], number: int, shards: int) -> list[CellName]:
    """The part of the cells that belongs to one of several machines; it depends on each name alone."""
    return [name for name in names if name.number % shards == number - 1]


def _fault(cell: Cell, path: Path) -> str | None:
    if path.name != f"{cell.name}{ENDING}":
        return f"the file is a result of {cell.name}"
    if not cell.precisions or not cell.data.tests:
        return f"{'precisions' if not cell.precisions else 'data.tests'} must not be empty"
    for precision, measured in cell.precisions.items():
        at = f"precisions.{precision}"
        if measured.tests.keys() != cell.data.tests.keys() or measured.work.keys() != measured.tests.keys():
            return f"{at}.tests must have exactly {', '.join(cell.data.tests)}"
        for name, scores in measured.tests.items():
            if cell.metric not in scores.metrics:
                return f"{at}.tests.{name}.metrics lacks {cell.metric}"
            if not scores.interval.low <= scores.interval.high:
                return f"{at}.tests.{name}.interval must not end before it begins"
            if scores.rows != cell.data.tests[name].origin.rows:
                return f"{at}.tests.{name}.rows must be {cell.data.tests[name].origin.rows}"
    return None
