"""Progress for people, on stderr: a bar on a terminal, else one plain line per epoch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from embbert.console import plain_console

if TYPE_CHECKING:
    from types import TracebackType

    from embbert.train.job import Epoch


def say(line: str) -> None:
    """One line on stderr, where nothing else is drawn."""
    Voice("", None, quiet=False).say(line)


class Voice:
    """Speaks on stderr: above a bar on a terminal, else in plain lines.

    Args:
        what: stands at the bar.
        total: of the bar; None is not known yet.
        columns: of the bar, behind its description.
        quiet: show nothing, as every process but the first of a distributed training does.
    """

    def __init__(self, what: str, total: float | None, *columns: ProgressColumn, quiet: bool) -> None:
        self.quiet = quiet
        console = plain_console(stderr=True)
        shown = console.is_terminal and not quiet
        described = (TextColumn("{task.description}"), BarColumn(), *columns)
        self._bar = Progress(*described, console=console, transient=True) if shown else None
        self._task = None if self._bar is None else self._bar.add_task(what, total=total)

    def say(self, line: str) -> None:
        """One line that stays."""
        if self._bar is not None:
            self._bar.console.print(line)
        elif not self.quiet:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - stderr is where people look


class Reporter(Voice):
    """Shows a training as it goes; a context manager, for the bar needs an end.

    Args:
        score_name: what validation is measured by.
        quiet: show nothing, as every process but the first of a distributed training does.
    """

    def __init__(self, score_name: str, *, quiet: bool = False) -> None:
        super().__init__("training", None, MofNCompleteColumn(), TimeElapsedColumn(), quiet=quiet)
        self.score_name = score_name

    def __enter__(self) -> Reporter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, number: int, steps: int) -> None:
        """An epoch of so many steps starts."""
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, description=f"epoch {number}", total=steps)

    def step(self) -> None:
        """One optimiser step is done."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def end(self, epoch: Epoch, *, best: bool) -> None:
        """An epoch is done and measured."""
        self.say(
            f"epoch {epoch.number:3}  loss {epoch.loss:.4f}  validation loss {epoch.validation_loss:.4f}  "
            f"{self.score_name} {epoch.score:.4f}{' *' if best else ''}"
        )
