"""Every error that a user can cause, and the exit code that the command line maps it to.

A message says what is wrong, where, and what to do about it. Anything that is not an `EmbbertError`
is a defect of the program and keeps its traceback.
"""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """What an error says in one line, its first, or the name of its class if it says nothing."""
    return next(filter(str.strip, str(error).splitlines()), type(error).__name__)


class EmbbertError(Exception):
    """Base of the tree.

    Attributes:
        exit_code: what the process returns: 1 a check failed, 2 usage, 3 bad data or model.
    """

    exit_code = 1


class CheckFailed(EmbbertError):  # noqa: N818 - it reports an outcome, not a fault of the caller
    """A verification found a difference, or a measured size exceeds its stated one."""

    exit_code = 1


class UsageError(EmbbertError):
    """An option, argument or setting that cannot work as given."""

    exit_code = 2


class MissingExtraError(UsageError):
    """An optional dependency is not installed.

    Args:
        what: the job that needs it, for example "training".
        extra: the name of the extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs more packages: run  pip install "embbert[{extra}]"')
        self.extra = extra


class ToolMissingError(UsageError):
    """A program outside Python (a compiler, say) is not installed.

    Args:
        tool: the program that was looked for.
        install: the line that installs it.
    """

    def __init__(self, tool: str, install: str) -> None:
        super().__init__(f"{tool} was not found: run  {install}")
        self.tool = tool


class DataError(EmbbertError):
    """Input data that cannot be used.

    Args:
        message: what is wrong.
        source: the file, hub id or "stdin".
        row: 1-based line (text formats) or row (Parquet, hub) of the first offender, if there is one.
        remedy: what the user can do.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, source: str | None = None, row: int | None = None, remedy: str | None = None
    ) -> None:
        place = "" if source is None else f"{source}: " if row is None else f"{source}, row {row}: "
        super().__init__(place + message + ("" if remedy is None else f"\n  {remedy}"))
        self.source = source
        self.row = row
        self.remedy = remedy


class TooFewNgramsError(DataError):
    """Texts with fewer n-grams than a linear model must know."""


class ModelError(EmbbertError):
    """A model folder, tokenizer or plan that is damaged, incomplete or cannot be represented."""

    exit_code = 3
