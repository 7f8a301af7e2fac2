"""What an answer costs: multiply-accumulates over the tests of an average, and instructions by formula."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from embbert.boards.estimate import CORES, UNCOUNTED
from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.summary import Competitor
    from embbert.boards.estimate import Kernels

INTEGER = "int8"
"""The precision of what runs as integer C."""


def kernels(core: str) -> Kernels:
    """How many instructions the kernels of a core spend on a multiply-accumulate.

    Raises:
        UsageError: no such core.
    """
    if core not in CORES:
        raise UsageError(f"no core is called {core!r}; there are {', '.join(CORES)}")
    return CORES[core]


def macs(cells: Sequence[Cell]) -> dict[Competitor, dict[str, float]]:
    """Multiply-accumulates at a test's mean length, mean over seeds; tests without known work are absent."""
    found: dict[Competitor, dict[str, list[float | None]]] = {}
    for cell in cells:
        for precision, measured in cell.precisions.items():
            mine = found.setdefault((cell.system, precision), {})
            for test, work in measured.work.items():
                mine.setdefault(test, []).append(None if work is None else work.macs)
    return {
        competitor: {test: fmean(known) for test, counts in mine.items() if (known := _all_known(counts))}
        for competitor, mine in found.items()
    }


def instructions(cells: Sequence[Cell], core: str) -> dict[Competitor, dict[str, float]]:
    """Multiply-accumulates times the core's ratio, of what runs as integer C with such kernels.

    What it takes to find n-grams beside tokens is no part of it.
    """
    ratio = kernels(core).instructions_per_mac
    ours = {
        cell.system
        for cell in cells
        if "architecture" in cell.settings and cell.settings["architecture"] not in UNCOUNTED
    }
    return {
        (system, precision): {test: ratio * count for test, count in mine.items()}
        for (system, precision), mine in macs(cells).items()
        if system in ours and precision == INTEGER
    }


def mean_work(found: Mapping[str, float], tests: Sequence[str]) -> float | None:
    """Mean over the tests, None if one is not known."""
    return fmean(found[test] for test in tests) if tests and all(test in found for test in tests) else None


def _all_known(counts: Sequence[float | None]) -> list[float]:
    known = [count for count in counts if count is not None]
    return known if len(known) == len(counts) else []
