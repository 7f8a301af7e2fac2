"""The process of one cell: `python -m embbert.bench.worker`, its request as JSON on standard input.

The first line of standard input is the request. Then nothing comes until the runner is gone, and with it goes
the worker: nothing half is left.
"""

from __future__ import annotations

import json
import os
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


def main() -> int:
    """Measure the cell that is asked for and write it; an error goes to standard error."""
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_the_runner, daemon=True).start()
    extra, bases = request["tasks_file"], request["bases"]
    try:
        card = all_cards(None if extra is None else Path(extra))[request["task"]]
        system = all_systems(None if bases is None else Path(bases))[request["system"]]
        results = Path(request["results"])
        models, seed = request["models"], request["seed"]
        folder = model_folder(
            None if models is None else Path(models), card.name, seed, Path(request["work"])
        )
        cell = measure_cell(card, system, seed, results, folder)
        write_cell(results, cell)
    except EmbbertError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the runner keeps it
        return FAILED
    return 0


def _leave_with_the_runner() -> None:
    # Not through sys.stdin, whose lock a thread must not hold when the process ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
