"""The process of one cell: `python -m embbert.bench.worker`, its request as JSON on standard input.

The first line of standard input is the request. Then nothing comes until the runner is gone, and with it goes
the worker and its temporary folder: nothing half is left.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from embbert.bench.cells import write_cell
from embbert.bench.kept import model_folder
from embbert.bench.measure import measure_cell
from embbert.bench.systems import all_systems
from embbert.bench.tasks import all_cards
from embbert.errors import EmbbertError

FAILED = 1
_TRIES = 10


def main() -> int:
    """Measure the cell that is asked for and write it; an error goes to standard error."""
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    work = Path(request["work"])
    threading.Thread(target=_leave_with_the_runner, args=(work.parent,), daemon=True).start()
    extra, bases = request["tasks_file"], request["bases"]
    try:
        card = all_cards(None if extra is None else Path(extra))[request["task"]]
        system = all_systems(None if bases is None else Path(bases))[request["system"]]
        results = Path(request["results"])
        models, seed = request["models"], request["seed"]
        folder = model_folder(None if models is None else Path(models), card.name, seed, work)
        cell = measure_cell(card, system, seed, results, folder)
        write_cell(results, cell)
    except EmbbertError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the runner keeps it
        return FAILED
    # The runner does so too, if it is still there; of a cell that fails it wants to read the log first.
    shutil.rmtree(work.parent, ignore_errors=True)
    return 0


def _leave_with_the_runner(place: Path) -> None:
    # Not through sys.stdin, whose lock a thread must not hold when the process ends.
    os.read(sys.stdin.fileno(), 1)
    for _ in range(_TRIES):  # the cell still goes on and may write in between
        shutil.rmtree(place, ignore_errors=True)
        if not place.exists():
            break
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
