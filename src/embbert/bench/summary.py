"""Results added up: by system, precision and test set, over seeds; averages over suites."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from math import sqrt
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Literal

from embbert.bench.systems import SYSTEMS
from embbert.bench.tasks import shipped_cards, shipped_means
from embbert.bench.typed import parse
from embbert.config.training import TrainConfig
from embbert.errors import DataError
from embbert.files import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from embbert.bench.cells import Cell

NOTHING = "–"
AIM, BUDGET = 512_000, 2_000_000
"""Bytes: what this project is to do with, and what the paper's models share."""

SUITES = {"tinynlp": "TinyNLP", "glue": "GLUE"}
"""Titles of the shipped suites, in the order of the tables."""

Competitor = tuple[str, str]
"""(system, precision)."""


@dataclass(frozen=True)
class Figure:
    """A score, in %.

    Attributes:
        value: mean over the runs.
        std: population standard deviation over them; None of a single one.
        runs: how many; None for an average over tasks.
        digits: behind the point.
    """

    value: float
    std: float | None = None
    runs: int | None = None
    digits: int = 2

    @classmethod
    def over(cls, runs: Sequence[float]) -> Figure:
        """Of the scores of these runs, in %."""
        return cls(fmean(runs), pstdev(runs) if len(runs) > 1 else None, len(runs))

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {self.std:.{self.digits}f}"
        return f"{self.value:.{self.digits}f}{spread}{'' if self.runs is None else f' ({self.runs})'}"


@dataclass(frozen=True)
class Average:
    """What an average is made of.

    Attributes:
        name: for file names.
        title: for people.
        tests: names of the test sets.
    """

    name: str
    title: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """The most bytes over the tasks.

    Attributes:
        deployed: constants, arena and stack.
        total: everything that is known.
    """

    deployed: int
    total: int


@dataclass(frozen=True)
class PublishedRow:
    """Figures of the paper.

    Attributes:
        name: of the model.
        precision: as the paper calls it.
        bytes: weights and activations by its count.
        as_published: by name of the test set, in its conventions.
        standard: where the metrics here are others: those.
        averages: by suite, as it prints them.
        doubtful: test sets whose figure is in doubt.
    """

    name: str
    precision: str
    bytes: int
    as_published: dict[str, Figure]
    standard: dict[str, Figure]
    averages: dict[str, Figure]
    doubtful: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """Contents of `published.json`.

    Attributes:
        format: of the file.
        source: where the figures come from.
        conventions: how they were measured.
        other_rows: test sets whose rows are others than here in every row.
        doubt: what is doubtful in `rows`.
        rows: models that the tables show.
        family_notes: the same as both, of `family`.
        family: further sizes of EmbBERT.
    """

    format: Literal[1]
    source: str
    conventions: tuple[str, ...]
    other_rows: tuple[str, ...]
    doubt: str
    rows: tuple[PublishedRow, ...]
    family_notes: tuple[str, ...]
    family: tuple[PublishedRow, ...]


@cache
def published() -> Published:
    """The paper's figures."""
    with resources.as_file(resources.files("embbert.bench") / "published.json") as path:
        return parse(Published, read_json(path), path.name)


def figures(cells: Sequence[Cell], *, as_published: bool = False) -> dict[Competitor, dict[str, Figure]]:
    """Mean and deviation over seeds of the primary metric (or the paper's), by competitor and test set.

    Raises:
        DataError: results of one task that were measured differently, or of one system by several recipes.
    """
    _check_same(cells)
    values: dict[Competitor, dict[str, list[float]]] = {}
    for cell in cells:
        for precision, measured in cell.precisions.items():
            for test, scores in measured.tests.items():
                value = scores.as_published if as_published else scores.metrics[cell.metric]
                values.setdefault((cell.system, precision), {}).setdefault(test, []).append(100 * value)
    order = list(SYSTEMS)
    ranked = sorted(values, key=lambda one: order.index(one[0]) if one[0] in order else len(order))
    return {one: {test: Figure.over(found) for test, found in values[one].items()} for one in ranked}


def average(found: Mapping[str, Figure], tests: Sequence[str]) -> Figure | None:
    """Mean of the tests' means, None if one is missing; its deviation takes the tests as independent.

    It has none where a test has a single run: nobody knows what that contributes.
    """
    if not tests or any(test not in found for test in tests):
        return None
    chosen = [found[test] for test in tests]
    spreads = [figure.std for figure in chosen if figure.std is not None]
    std = sqrt(sum(spread**2 for spread in spreads)) / len(tests) if len(spreads) == len(tests) else None
    return Figure(fmean(figure.value for figure in chosen), std)


def suites(cells: Sequence[Cell]) -> list[str]:
    """Suites that there are results of, the shipped ones first."""
    found = dict.fromkeys(cell.suite for cell in cells)
    return [
        *(suite for suite in SUITES if suite in found),
        *(suite for suite in found if suite not in SUITES),
    ]


def columns(suite: str, cells: Sequence[Cell]) -> dict[str, str]:
    """Titles by name of the test sets of a suite: all that the cards have, and others that have results."""
    known = {
        test.name: test.title
        for card in shipped_cards().values()
        if card.suite == suite
        for test in card.tests
    }
    for cell in cells:
        if cell.suite == suite:
            known |= {name: test.title for name, test in cell.data.tests.items() if name not in known}
    return known


def averages(suite: str, cells: Sequence[Cell], *, as_published: bool = False) -> list[Average]:
    """What is averaged in a suite: its tests (the paper leaves none out), and the named means of some."""
    left_out = {
        test.name for card in shipped_cards().values() if not card.averaged for test in card.tests
    } | {test for cell in cells if not cell.averaged for test in cell.data.tests}
    if suite in SUITES and as_published:
        left_out = set()
    # What a user adds to a shipped suite gets a column, and no part in the average that others know.
    members = columns(suite, () if suite in SUITES else cells)
    tests = tuple(test for test in members if test not in left_out)
    title = f"{SUITES.get(suite, suite)} average"
    means = [Average(mean.name, mean.title, mean.tests) for mean in shipped_means() if mean.suite == suite]
    return [Average(suite, title, tests), *means]


def full_title(mean: Average, cells: Sequence[Cell]) -> str:
    """Title of an average; of one over some tests of a suite, what these are."""
    if mean.name not in {other.name for other in shipped_means()}:
        return mean.title
    titles = {name: title for suite in suites(cells) for name, title in columns(suite, cells).items()}
    return f"{mean.title}: {', '.join(titles[test] for test in mean.tests)}"


def cells_of(tests: Sequence[str], cells: Sequence[Cell]) -> list[Cell]:
    """The results of these test sets."""
    return [cell for cell in cells if not cell.data.tests.keys().isdisjoint(tests)]


def sizes(cells: Iterable[Cell]) -> dict[Competitor, Size]:
    """The most bytes that each competitor took over the results."""
    most: dict[Competitor, Size] = {}
    for cell in cells:
        for precision, measured in cell.precisions.items():
            before = most.get((cell.system, precision), Size(0, 0))
            most[cell.system, precision] = Size(
                max(before.deployed, measured.bytes.deployed), max(before.total, measured.bytes.total)
            )
    return most


def published_figures(row: PublishedRow, *, as_published: bool) -> dict[str, Figure]:
    """A row of the paper in its own conventions, or in those of the tables here."""
    return row.as_published if as_published else row.as_published | row.standard


_RECIPE = ("base", "architecture", "budget", "recipes", "strengths")
_PROTOCOL = {field.name for field in fields(TrainConfig)} - {"seed", "score"}
"""Settings that are the same for all tasks and seeds of a system."""


def _recipe(cell: Cell) -> dict[str, object]:
    protocol = cell.settings.get("protocol")
    found = {name: cell.settings[name] for name in _RECIPE if name in cell.settings}
    if isinstance(protocol, dict):
        found |= {f"protocol.{name}": protocol[name] for name in sorted(_PROTOCOL & protocol.keys())}
    return found


def _check_same(cells: Sequence[Cell]) -> None:
    recipes: dict[str, tuple[Cell, dict[str, object]]] = {}
    for cell in cells:
        mine = _recipe(cell)
        first, theirs = recipes.setdefault(cell.system, (cell, mine))
        other = next((name for name in {**theirs, **mine} if mine.get(name) != theirs.get(name)), None)
        if other is not None:
            raise DataError(
                f"made with another {other} than {first.name}, and both are called {cell.system}",
                source=str(cell.name),
                remedy="Remove the results of one recipe; a changed base wants a new name.",
            )
    seen: dict[str, Cell] = {}
    for cell in cells:
        first = seen.setdefault(cell.task, cell)
        if (cell.card, cell.metric) != (first.card, first.metric):
            raise DataError(
                f"measured by version {cell.card} of its card ({cell.metric}), but {first.name} by version "
                f"{first.card} ({first.metric})",
                source=str(cell.name),
                remedy="Remove the results of one version.",
            )
