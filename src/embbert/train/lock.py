"""One process at a time where several would make the same files."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path, doing: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file; the lock ends with the process, however that ends.

    Args:
        path: the file; made if it is not there, and left.
        doing: what the other process does, for who has to wait.
        say: gets a line if there is another one.
    """
    with path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that is {doing}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
