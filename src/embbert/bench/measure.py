"""Makes one result: read, fit, answer, score."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from embbert.bench.cells import (
    FORMAT,
    Cell,
    Data,
    Hardware,
    Measured,
    Origin,
    Tested,
    write_whole,
)
from embbert.bench.duplicates import Duplicates, count_duplicates
from embbert.bench.load import load, without_labels
from embbert.bench.metrics import score
from embbert.bench.typed import parse
from embbert.files import json_bytes, read_json
from embbert.train.versions import versions

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from embbert.bench.interface import System
    from embbert.bench.tasks import TaskCard
    from embbert.data import Examples

    TrainIn = AbstractContextManager[Path]

PACKAGES = (
    "accelerate",
    "fasttext",
    "fasttext-wheel",
    "numpy",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
)
_KINDS = {"cpu family": "family", "model": "model"}
KNOWN = ".duplicates"
"""Folder beside the results in which counts of duplicates are kept, for they take long."""


def measure_cell(card: TaskCard, system: System, seed: int, results: Path, train_in: TrainIn) -> Cell:
    """Train a system on a task and measure it.

    Args:
        card: the task.
        system: what competes.
        seed: of everything random.
        results: folder of the results; counts of duplicates are kept in it.
        train_in: a context that gives the folder to train in.
    """
    made_by = commit()
    rows = load(card)
    with train_in as folder:
        begun = time.monotonic()
        fitted = system.fit(rows.train, metric=card.primary, seed=seed, folder=folder)
        trained = time.monotonic() - begun
    precisions = {}
    for precision in system.precisions:
        begun = time.monotonic()
        blind = {name: without_labels(test) for name, test in rows.tests.items()}
        answers = {name: fitted.answers(precision, test) for name, test in blind.items()}
        seconds = time.monotonic() - begun
        precisions[precision] = Measured(
            bytes=fitted.size(precision),
            work={name: fitted.work(precision, test) for name, test in blind.items()},
            tests={
                name: score(
                    rows.targets(test),
                    answers[name],
                    card.metrics,
                    card.published or card.primary,
                    len(rows.labels),
                )
                for name, test in rows.tests.items()
            },
            seconds=round(seconds, 2),
        )
    titles = {test.name: test.title for test in card.tests}
    return Cell(
        format=FORMAT,
        task=card.name,
        card=card.version,
        title=card.title,
        suite=card.suite,
        metric=card.primary,
        averaged=card.averaged,
        system=system.name,
        seed=seed,
        settings=fitted.settings,
        validation=fitted.validation,
        curve=fitted.curve,
        data=Data(
            train=_origin(rows.train),
            tests={
                name: Tested(titles[name], _origin(test), _duplicates(rows.train, test, results))
                for name, test in rows.tests.items()
            },
            split=rows.split,
            labels=rows.names,
            partial=rows.partial,
        ),
        precisions=precisions,
        train_seconds=round(trained, 2),
        versions=versions(PACKAGES),
        commit=_unchanged(made_by),
        hardware=Hardware(_cpu(), int(os.environ.get("OMP_NUM_THREADS", "0")), _accelerator()),
    )


def commit() -> str | None:
    """The commit that the package is of, with a + if its sources differ; None outside its own checkout."""
    package = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        line = ["git", "-C", str(package), *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel"), "src", "embbert").resolve() != package.resolve():
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", str(package)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _unchanged(begun: str | None) -> str | None:
    """The commit that a cell began with; with a + if the sources are others by now."""
    return begun if begun is None or commit() == begun else begun.removesuffix("+") + "+"


def _origin(examples: Examples) -> Origin:
    return Origin(examples.source, len(examples), examples.fingerprint())


def _duplicates(train: Examples, test: Examples, results: Path) -> Duplicates:
    key = f"{train.fingerprint()[:16]}-{test.fingerprint()[:16]}.json"
    path = results / KNOWN / key
    if path.is_file():
        return parse(Duplicates, read_json(path), str(path), remedy="Remove the file.")
    found = count_duplicates(train, test)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, json_bytes(asdict(found)))
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    # Of the first processor alone; virtual machines give many models one name.
    fields = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))
    }
    name = fields.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{what} {fields[key]}" for key, what in _KINDS.items() if key in fields]
    return ", ".join([name, *numbers])


def _accelerator() -> str | None:
    torch = sys.modules.get("torch")  # a system that did not load it did not use one
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name(0))
