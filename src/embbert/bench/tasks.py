"""Task cards: what is learned from which rows, measured on which others, and by what."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

from embbert.bench.typed import parse
from embbert.data.examples import Columns
from embbert.data.hub import mirrored
from embbert.data.readers import is_file
from embbert.errors import DataError, UsageError
from embbert.files import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Metric = Literal["accuracy", "mcc", "f1", "macro_f1", "spearman", "pearson"]
Published = Literal[
    "accuracy", "mcc", "f1", "macro_f1", "spearman", "pearson", "weighted_f1", "one_minus_accuracy"
]

FILE = "tasks.json"
SEEDS = {"small": 5, "large": 3}
"""How many seeds a task gets unless told otherwise."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_FILES = (".csv", ".tsv", ".jsonl", ".parquet")
_OF_CLASSES = ("accuracy", "mcc", "f1", "macro_f1", "weighted_f1", "one_minus_accuracy")


@dataclass(frozen=True)
class EvalSet:
    """Rows that a model is measured on; a column of the tables.

    Attributes:
        name: of the column; unique among all tasks.
        title: for people.
        split: the hub's name of the split; a file has none.
        source: a source of its own, as of the card; unless it is a file, `split` is needed. With neither
            of the two, a tenth of the training rows is held out.
    """

    name: str
    title: str
    split: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class TaskCard:
    """One task; a file of cards is `{"format": 1, "tasks": [card, …]}`.

    Attributes:
        name: for the command line and file names.
        source: hub id, or path of a CSV, TSV, JSONL or Parquet file, relative to the file of the card.
        title: for people; the name if empty.
        suite: tables are made by suite; a name like that of the task.
        kind: classes, or values.
        version: raised when the card changes what is measured.
        columns: for a source without columns of its own in `data/tasks.json`.
        train: splits of the hub to train on: the first that is in the mirror, else the first.
        tests: sets to measure on; held-out rows if there are none.
        labels: names of the classes, in the order of their numbers or, where the data have names, of those.
        metrics: reported ones, the first being that which averages are made of; by `kind` if empty.
        published: by which the paper measures this task; the first of `metrics` if None.
        averaged: whether it counts in the average of its suite.
        licence: of the data.
        size: small tasks get more seeds.
        rows: of the complete set: `train`, and by name of the test set.
        partial: what to know when fewer rows are found than `rows` says.
    """

    name: str
    source: str
    title: str = ""
    suite: str = "own"
    kind: Literal["classify", "regress"] = "classify"
    version: int = 1
    columns: Columns = Columns()  # noqa: RUF009 - frozen
    train: tuple[str, ...] = ("train",)
    tests: tuple[EvalSet, ...] = ()
    labels: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    published: Published | None = None
    averaged: bool = True
    licence: str = ""
    size: Literal["small", "large"] = "small"
    rows: dict[str, int] | None = None
    partial: str | None = None

    @property
    def primary(self) -> str:
        """The first metric."""
        return self.metrics[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds it gets unless told otherwise."""
        return tuple(range(SEEDS[self.size]))

    @property
    def training_split(self) -> str:
        """The split to train on: the first that is in the mirror, else the first.

        Raises:
            UsageError: there is a choice, and EMBBERT_DATA is set but names no folder.
        """
        if len(self.train) == 1:  # as that of every task that is read from files
            return self.train[0]
        found = (split for split in self.train if mirrored(self.source, split) is not None)
        return next(found, self.train[0])


@dataclass(frozen=True)
class Mean:
    """An average over named test sets beside those of the suites."""

    name: str
    title: str
    suite: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Cards:
    """Contents of a file of cards."""

    format: Literal[1]
    tasks: tuple[TaskCard, ...]
    means: tuple[Mean, ...] = ()


def shipped_cards() -> dict[str, TaskCard]:
    """The cards that come with the package, by name."""
    return {card.name: card for card in _shipped().tasks}


def shipped_means() -> tuple[Mean, ...]:
    """Averages beside those over whole suites."""
    return _shipped().means


def all_cards(extra: Path | None = None) -> dict[str, TaskCard]:
    """The shipped cards and those of a file, by name.

    Raises:
        DataError: the file does not fit; the message names the field.
        ModelError: the file is absent or not JSON.
        UsageError: a name is taken.
    """
    cards = shipped_cards()
    if extra is None:
        return cards
    folder = extra.parent
    for card in _checked(parse(Cards, read_json(extra), str(extra)), str(extra)).tasks:
        if card.name in cards:
            raise UsageError(f"{extra}: the name {card.name!r} is taken; choose another one")
        placed = replace(
            card,
            source=_relative(folder, card.source),
            tests=tuple(
                test if test.source is None else replace(test, source=_relative(folder, test.source))
                for test in card.tests
            ),
        )
        _check_sources(placed, f"{extra}: task {card.name!r}")
        cards[card.name] = placed
    taken: set[str] = set()
    for test in (test for card in cards.values() for test in card.tests):
        if test.name in taken:
            raise UsageError(f"{extra}: two test sets are called {test.name!r}; choose another name for one")
        taken.add(test.name)
    return cards


def choose(names: Iterable[str], known: Mapping[str, object], what: str) -> list[str]:
    """The asked names, each once, if all are known.

    Raises:
        UsageError: one is not; the message names the nearest.
    """
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UsageError(f"no {what} is called {name!r}{hint}; there are {', '.join(known)}")
    return chosen


@cache
def _shipped() -> Cards:
    with resources.as_file(resources.files("embbert.bench") / FILE) as path:
        return _checked(parse(Cards, read_json(path), FILE), FILE)


def _checked(cards: Cards, source: str) -> Cards:
    return replace(cards, tasks=tuple(_complete(card, source) for card in cards.tasks))


def _complete(card: TaskCard, source: str) -> TaskCard:
    """The card with what follows from the rest, if it makes sense."""
    at = f"{source}: task {card.name!r}"
    for name in (card.name, card.suite, *(test.name for test in card.tests)):
        if NAME.fullmatch(name) is None:
            raise DataError(f"{name!r} must be of a-z, 0-9, _ and -, at most 40 of them", source=at)
    if not card.train:
        raise DataError("train must name a split", source=at)
    if card.kind == "classify" and len(card.labels) == 1:
        raise DataError("labels must be two or more, or left out", source=at)
    of_values = card.kind == "regress"
    for metric in (*card.metrics, *([card.published] if card.published else [])):
        if (metric not in _OF_CLASSES) != of_values:
            raise DataError(f"{metric} does not measure {'values' if of_values else 'classes'}", source=at)
    metrics: tuple[Metric, ...] = card.metrics or (("spearman", "pearson") if of_values else ("accuracy",))
    if "f1" in (*metrics, card.published) and len(card.labels) != 2:
        raise DataError("f1 is that of the second of two classes: name both in labels", source=at)
    title = card.title or card.name
    tests = card.tests or (EvalSet(card.name, title),)
    counted = ("train", *(test.name for test in tests))
    for name in card.rows or {}:
        if name not in counted:
            raise DataError(f"rows has {name!r}; it counts {' and '.join(counted)}", source=at)
    return replace(card, title=title, metrics=metrics, tests=tests)


def _check_sources(card: TaskCard, at: str) -> None:
    """Refuse splits where there are none, and test rows that would be training rows for want of one."""
    for source in (card.source, *(test.source for test in card.tests)):
        if source == "-":
            raise DataError("standard input can be read only once; name a file", source=at)
    if is_file(card.source) and card.train != ("train",):
        raise DataError("train names splits, and the source is a file, which has none", source=at)
    same = [test for test in card.tests if test.source is None and test.split is None]
    if len(same) > 1:
        raise DataError(
            f"{same[0].name!r} and {same[1].name!r} would be the same rows, as neither names any",
            source=at,
            remedy="Name a source, and of a hub data set a split, for each of them.",
        )
    for test in card.tests:
        of_file = is_file(test.source or card.source)
        if of_file and test.split is not None:
            raise DataError(
                f"{test.name!r} is split {test.split!r} of a file, and files have none",
                source=at,
                remedy="Name a file of test rows as its source, or leave tests out to have a tenth held out.",
            )
        if not of_file and test.source is not None and test.split is None:
            raise DataError(f"{test.name!r} must name the split of {test.source}", source=at)


def _relative(folder: Path, source: str) -> str:
    """A file's path as seen from here; hub ids and home stay what they are."""
    path = folder / source
    return str(path) if path.is_file() or path.suffix.lower() in _FILES else source
