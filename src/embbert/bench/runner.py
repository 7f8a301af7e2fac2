"""Runs whatever results are missing: one process with one thread per cell, as many at a time as asked.

A cell is there or it is not. A worker writes its result in one step, and a worker whose runner is gone ends:
a run may be killed at any moment, and the same command goes on. A worker has its temporary files in a folder
that the runner removes, or the worker itself where the runner could not. What another run wrote into the same
folder meanwhile is kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embbert.bench.cells import ERROR, CellName, cell_path, read_cell, write_whole
from embbert.bench.kept import revision
from embbert.bench.tasks import all_cards
from embbert.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from embbert.bench.cells import Cell
    from embbert.bench.tasks import TaskCard

WORKER = "embbert.bench.worker"
POLL_SECONDS = 0.05
# Whatever library multiplies matrices, one cell has one thread.
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
_LAST_LINES = 40


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        made: results that this run wrote.
        there: results that another run has written since this one began.
        failed: cells that ended in an error, which lies beside the results.
        left: cells that the time was not enough for.
    """

    made: tuple[CellName, ...]
    there: tuple[CellName, ...]
    failed: tuple[CellName, ...]
    left: tuple[CellName, ...]


@dataclass
class _Job:
    name: CellName
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]
    begun: float

    @property
    def log(self) -> Path:
        return Path(self.folder.name, "log")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.folder.cleanup()


def matrix(
    cards: Mapping[str, TaskCard],
    tasks: Sequence[str],
    systems: Iterable[str],
    seeds: Sequence[int] | None,
) -> list[CellName]:
    """Every cell of tasks × systems × seeds; seed 0 of everything comes first.

    Args:
        cards: by name.
        tasks: names.
        systems: names.
        seeds: for every task; each card's own if None.
    """
    each = {task: cards[task].seeds if seeds is None else tuple(seeds) for task in tasks}
    order = sorted({seed for chosen in each.values() for seed in chosen})
    return [
        CellName(task, system, seed)
        for seed in order
        for task in tasks
        if seed in each[task]
        for system in systems
    ]


def run_cells(
    names: Sequence[CellName],
    results: Path,
    *,
    processes: int = 1,
    time_budget: float | None = None,
    tasks_file: Path | None = None,
    bases: Path | None = None,
    models: Path | None = None,
    say: Callable[[str], None] = lambda line: None,  # noqa: ARG005
) -> Outcome:
    """Make the results that are not there yet.

    Args:
        names: of the cells.
        results: folder; made if it is not there.
        processes: cells at a time.
        time_budget: seconds after which no cell is begun; those under way are finished.
        tasks_file: cards beside those that come with the package.
        bases: folder of bases, each of which is a system.
        models: folder in which trained models are kept and found again.
        say: gets one line per finished cell.

    Raises:
        DataError: a result that is there is damaged, or of another version of its card.
        UsageError: `results` is no folder, `processes` is no number of processes, or nothing tells which code
            would train the models that are to be kept.
    """
    if processes < 1:
        raise UsageError(f"--processes must be at least 1, not {processes}")
    if models is not None:
        revision()
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{results} cannot be a folder of results: {error.strerror}") from error
    waiting, cards = [], all_cards(tasks_file)
    for name in names:
        path = cell_path(results, name)
        if path.exists():
            _check_current(read_cell(path), cards[name.task], path)  # now, not by the table
        else:
            waiting.append(name)
    say(f"{len(waiting)} of {len(names)} results to make")
    return _Run(results, tasks_file, bases, models, say, len(waiting)).all(waiting, processes, time_budget)


def _check_current(cell: Cell, card: TaskCard, path: Path) -> None:
    if (cell.card, cell.metric) != (card.version, card.primary):
        raise DataError(
            f"measured by version {cell.card} of its card ({cell.metric}), which now is version "
            f"{card.version} ({card.primary})",
            source=str(path),
            remedy="Remove the file to have it made anew, or name another folder of results.",
        )


class _Run:
    def __init__(
        self,
        results: Path,
        tasks_file: Path | None,
        bases: Path | None,
        models: Path | None,
        say: Callable[[str], None],
        total: int,
    ) -> None:
        self.results = results.resolve()
        self.tasks_file = None if tasks_file is None else str(tasks_file.resolve())
        self.bases = None if bases is None else str(bases.resolve())
        self.models = None if models is None else str(models.resolve())
        self.say = say
        self.total = total
        self.begun = time.monotonic()
        self.made: list[CellName] = []
        self.there: list[CellName] = []
        self.failed: list[CellName] = []

    def all(self, waiting: list[CellName], processes: int, time_budget: float | None) -> Outcome:
        jobs: list[_Job] = []
        try:
            while waiting or jobs:
                in_time = time_budget is None or time.monotonic() - self.begun < time_budget
                while waiting and in_time and len(jobs) < processes:
                    name = self.next(waiting, jobs)
                    if cell_path(self.results, name).exists():
                        self.there.append(name)
                    else:
                        jobs.append(self.start(name))
                if not jobs:
                    break
                time.sleep(POLL_SECONDS)
                for job in [job for job in jobs if job.process.poll() is not None]:
                    self.finish(job)
                    jobs.remove(job)
        finally:
            # Ctrl-C, or whatever else: nobody is left behind.
            for job in jobs:
                job.close()
        return Outcome(tuple(self.made), tuple(self.there), tuple(self.failed), tuple(waiting))

    def next(self, waiting: list[CellName], jobs: list[_Job]) -> CellName:
        # Where models are kept, one process trains on a task with a seed: another would wait for it.
        busy = {(job.name.task, job.name.seed) for job in jobs} if self.models else set()
        free = (place for place, name in enumerate(waiting) if (name.task, name.seed) not in busy)
        return waiting.pop(next(free, 0))

    def start(self, name: CellName) -> _Job:
        folder = tempfile.TemporaryDirectory(prefix="embbert-bench-")
        place = Path(folder.name)
        (place / "work").mkdir()
        request = {
            "task": name.task,
            "system": name.system,
            "seed": name.seed,
            "results": str(self.results),
            "work": str(place / "work"),
            "tasks_file": self.tasks_file,
            "bases": self.bases,
            "models": self.models,
        }
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "TMPDIR": str(place)},
                start_new_session=True,  # Ctrl-C is the runner's to answer
            )
        job = _Job(name, process, folder, time.monotonic())
        try:
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended at once; its log says why
        return job

    def finish(self, job: _Job) -> None:
        code, path = job.process.returncode, cell_path(self.results, job.name)
        seconds = time.monotonic() - job.begun
        if path.exists():
            mine = code == 0
            (self.made if mine else self.there).append(job.name)
            what = f"{'' if mine else 'written by another run, which is kept: '}{_headline(read_cell(path))}"
        else:
            self.failed.append(job.name)
            lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
            ended = (
                f"the process ended with {code}" if code >= 0 else f"the process was killed by signal {-code}"
            )
            text = "\n".join([*lines, ended]) + "\n"
            error = self.results / f"{job.name}{ERROR}"
            write_whole(error, text.encode())
            said = [line for line in lines if line.startswith("error:")] or lines[-1:] or [ended]
            what = f"FAILED, see {error}: {said[-1].removeprefix('error: ')}"
        job.close()
        done = len(self.made) + len(self.there) + len(self.failed)
        left = (time.monotonic() - self.begun) / done * (self.total - done)
        self.say(f"{done}/{self.total} {job.name} {duration(seconds)}: {what}; about {duration(left)} left")


def _headline(cell: Cell) -> str:
    parts = []
    for precision, measured in cell.precisions.items():
        shown = " ".join(f"{100 * scores.metrics[cell.metric]:.2f}" for scores in measured.tests.values())
        parts.append(f"{precision} {shown}")
    return f"{cell.metric} {', '.join(parts)}"


def duration(seconds: float) -> str:
    """Seconds for people: `8 s`, `12 min`, `3.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
