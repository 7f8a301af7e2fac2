"""One process at a time where several would make the same files."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from embbert.errors import UsageError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO


LOCK = ".lock"
"""The file that a folder is held by."""


@contextmanager
def locked(path: Path, doing: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file, waiting for who holds it; the lock ends with the process, however that ends.

    Args:
        path: the file; made if it is not there, and left.
        doing: what the other process does, for who has to wait.
        say: gets a line if there is another one.
    """
    with path.open("wb") as file:
        if not _taken(file):
            say(f"waiting for another process that is {doing}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Hold a folder that only one training may write to; made if it is not there, removed if left empty.

    Raises:
        UsageError: another process trains there, or the folder cannot be made.
    """
    lock = place / LOCK
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = lock.open("wb")
    except OSError as error:
        raise UsageError(f"{place} cannot be written: {error.strerror}") from error
    with file:
        if not _taken(file):
            raise UsageError(f"another process is training in {place}; wait for it, or choose another -o")
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()
                place.rmdir()


def _taken(file: IO[bytes]) -> bool:
    if sys.platform == "win32":  # there, nobody is told of the other
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
