"""The folder beside a model in which its parts are made: checked before, removed behind the last of them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def claim(place: Path, parts: Collection[str]) -> None:
    """Refuse a place that holds anything but parts that an interrupted training left.

    Args:
        place: the folder; it need not be there.
        parts: names of the models that are made in it.

    Raises:
        UsageError: it is a file, or holds something else.
    """
    if not place.exists():
        return
    foreign = [place] if not place.is_dir() else [file for file in place.iterdir() if not _ours(file, parts)]
    if foreign:
        raise UsageError(
            f"{min(foreign)} is in the way: parts of the model are made in {place}\n"
            "  move it, or choose another -o"
        )


def clear(place: Path, parts: Collection[str]) -> None:
    """Delete the parts, and the folder if nothing else has come into it."""
    for file in list(place.iterdir()):
        if _ours(file, parts):
            shutil.rmtree(file)
    with suppress(OSError):
        place.rmdir()


def _ours(file: Path, parts: Collection[str]) -> bool:
    """A part, its unfinished training, or what a crash left while it was saved."""
    name = file.name
    known = {*parts, *(f"{part}.partial" for part in parts)}
    return file.is_dir() and (
        name in known or any(name.startswith((f".{part}.new-", f".{part}.old-")) for part in parts)
    )
