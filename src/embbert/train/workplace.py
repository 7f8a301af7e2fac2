"""The folder beside a model in which its parts are made: checked before, removed behind the last of them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from embbert.errors import ModelError, UsageError
from embbert.store import FILES, check_target
from embbert.train import checkpoint
from embbert.train.lock import LOCK

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

UNFINISHED = checkpoint.FILES | {LOCK}
"""What a training that was interrupted leaves beside its model."""


def claim(place: Path, parts: Collection[str]) -> None:
    """Refuse a place that holds anything but parts that an interrupted training left.

    Args:
        place: the folder; it need not be there.
        parts: names of the models that are made in it.

    Raises:
        UsageError: it is a file, holds something else, or cannot be read.
    """
    try:
        if not place.exists():
            return
        files = [place] if not place.is_dir() else place.iterdir()
        foreign = [file for file in files if not _ours(file, parts)]
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror or error}") from error
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
    """A part, its unfinished training, or what a crash left while it was saved; by what it holds as well."""
    if file.is_symlink() or not file.is_dir():
        return False
    if file.name in {f"{part}{checkpoint.PARTIAL}" for part in parts}:
        return _holds_only(file, UNFINISHED)
    if any(file.name.startswith(f".{part}.new-") for part in parts):
        return _holds_only(file, FILES)
    if file.name in parts or any(file.name.startswith(f".{part}.old-") for part in parts):
        return _is_model(file)
    return False


def _holds_only(folder: Path, names: Collection[str]) -> bool:
    return all(item.name in names and item.is_file() for item in folder.iterdir())


def _is_model(folder: Path) -> bool:
    """Whether it is a model folder and nothing else, or empty."""
    try:
        check_target(folder, overwrite=True)
    except (ModelError, UsageError):
        return False
    return _holds_only(folder, FILES)
