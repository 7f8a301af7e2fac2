"""What an interrupted training goes on from.

One file, replaced in one step. It is read by torch's restricted loader, which builds tensors and plain
values and runs no code.
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import torch

from embbert.errors import ModelError, UsageError, reason
from embbert.files import flush_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1

PARTIAL = ".partial"
"""What the name of a model's folder is followed by where its unfinished training is."""

_NAME = "checkpoint.pt"

FILES = frozenset({_NAME, f"{_NAME}.new"})
"""What a checkpoint consists of, and what a crash leaves while it is written."""

UNSAID = {"processes": 1}
"""Settings that a checkpoint need not name, as those of former versions do not: then they are these."""

DAMAGE = (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError)
"""What reading a damaged file can raise."""


def checkpoint_of(out: Path) -> Path:
    """Where the training of the model folder `out` keeps what it would go on from."""
    return out.with_name(out.name + PARTIAL) / _NAME


def write_checkpoint(path: Path, settings: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Replace the checkpoint at `path` and bring it to the disk; its folder is created.

    Args:
        path: the file.
        settings: plain values that decide the course of the training.
        state: tensors and plain values, nested in dicts and lists.

    Raises:
        UsageError: the place cannot be written to.
    """
    beside = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In memory first: torch has errors of its own for a disk that is full.
        content = BytesIO()
        torch.save({"format": FORMAT, "settings": dict(settings), "state": dict(state)}, content)
        with beside.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        new = not path.exists()
        beside.replace(path)
        flush_folder(path.parent)
        if new:  # so its folder may be, too
            flush_folder(path.parent.parent)
    except OSError as error:
        with suppress(OSError):  # half of it only keeps the disk full
            beside.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def read_checkpoint(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state that was written with the same settings; None if there is no checkpoint.

    Raises:
        UsageError: it was written with other settings.
        ModelError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        if stored["format"] != FORMAT:
            raise ValueError(f"it has format {stored['format']!r}, not {FORMAT}")
        former, state = {**UNSAID, **stored["settings"]}, dict(stored["state"])
    except DAMAGE as error:
        # What torch says of a file that is not its own is advice to run the code in it.
        why = "it is damaged" if isinstance(error, pickle.UnpicklingError) else reason(error)
        raise ModelError(
            f"{path} cannot be resumed from ({why})\n  add --restart to train from the beginning"
        ) from error
    asked = {**UNSAID, **settings}
    for name in sorted(former.keys() | asked.keys()):
        if former.get(name) != asked.get(name):
            raise UsageError(
                f"{path.parent} holds an unfinished training with {name} {_short(former.get(name))}, "
                f"not {_short(asked.get(name))}\n"
                "  give the same arguments to finish it, or --restart to discard it"
            )
    return state


def discard_checkpoint(path: Path) -> None:
    """Delete the checkpoint, and its folder if nothing else is in it."""
    for file in (path, _beside(path)):
        file.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
