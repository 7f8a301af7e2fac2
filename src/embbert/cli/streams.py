"""Standard streams of the program: what it does when they are closed, full or no longer read."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, cast

from embbert.errors import UsageError

if TYPE_CHECKING:
    from typing import BinaryIO

ENDLESS = frozenset({"predict"})
"""Commands whose work is their output, so that it ends when nobody reads on."""


class Stream(io.TextIOWrapper):
    """An output that is not worth failing for: once its reader is gone, the work goes on unheard.

    So `embbert train 2>&1 | head` trains to the end, and `embbert verify --json | true` still ends with the
    exit code of its verdict.

    Args:
        stream: to take the place of.
        name: of it, for messages.
        ends: let the end of the reader be the end of the work, as the OSError that told of it.
    """

    def __init__(self, stream: io.TextIOWrapper, name: str, *, ends: bool = False) -> None:
        buffer = cast("BinaryIO", stream.buffer)
        super().__init__(
            buffer,
            stream.encoding,
            # A text may hold what the encoding of a terminal or a pipe has no sign for.
            "backslashreplace" if stream.errors == "strict" else stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._name = name
        self._stream = stream  # which would close the buffer if it were gone
        self._ends = ends
        self._error: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or keep quiet once that has failed."""
        try:
            return super().write(text)
        except OSError as error:
            self._lost(error)
            return len(text)

    def flush(self) -> None:
        """Likewise."""
        try:
            super().flush()
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        # What is still buffered has no place: give it one, or the interpreter fails over it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        if not isinstance(error, BrokenPipeError):
            self._error = error
        if self._ends:
            raise error

    def check(self) -> None:
        """Say so if something was lost that nobody gave up, as on a full disk.

        Raises:
            UsageError: it was.
        """
        self.flush()
        if self._error is not None:
            reason = self._error.strerror or self._error
            raise UsageError(f"{self._name} cannot be written: {reason}") from self._error


def guard(command: str | None) -> None:
    """Give the process streams that can be relied on.

    Streams that were closed when the program began are empty instead, and swallow what is written.

    Args:
        command: that is to run.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    # What a notebook or another program put there is left alone.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = Stream(sys.stdout, "stdout", ends=command in ENDLESS)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = Stream(sys.stderr, "stderr")
