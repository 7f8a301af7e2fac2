"""Where trained models are kept, so that cells of one task and seed need not train the same one twice."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from embbert import __version__
from embbert.bench.measure import commit
from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def revision() -> str:
    """What tells the code that trains: its commit; outside a checkout, the version of the package.

    Raises:
        UsageError: the sources differ from their commit.
    """
    found = commit() or f"v{__version__}"
    if found.endswith("+"):
        raise UsageError(
            "the sources differ from their commit: nothing would tell which code trained a model\n"
            "  commit them, or leave --models out"
        )
    return found


@contextmanager
def model_folder(models: Path | None, task: str, seed: int, work: Path) -> Iterator[Path]:
    """The folder to train in, held for one process as long as this lasts.

    Args:
        models: where models are kept, by revision, task and seed; None keeps none.
        task: of the cell.
        seed: of the cell.
        work: the folder if none are kept.

    Raises:
        UsageError: as `revision`, or the folder cannot be made.
    """
    if models is None:
        yield work
        return
    from embbert.train.lock import LOCK, locked  # noqa: PLC0415 - files are locked where models are kept alone

    place = models / revision() / f"{task}.{seed}"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{place} cannot be a folder of models: {error.strerror}") from error
    with locked(place / LOCK, f"training on {task} with seed {seed}", print):
        yield place
