"""Rows and named columns before anyone has decided which of them matter."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING

from embbert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_LISTED = 20


@dataclass(frozen=True)
class Table:
    """One source, read but not yet understood.

    Attributes:
        source: for messages.
        names: its columns, unique, in order.
        rows: the line or row number of each row, from 1; at least one.
        column: the values of a column, as many as `rows`; None is a missing value.
        integers_as_floats: a whole float in a label column is an integer. Writers of Parquet turn a
            column of integers into floats as soon as one value is missing.
        hidden_label: the label that means "not published", or None.
    """

    source: str
    names: tuple[str, ...]
    rows: Sequence[int]
    column: Callable[[str], Sequence[object]]
    integers_as_floats: bool = False
    hidden_label: int | None = None


def refuse_duplicates(names: Sequence[str], source: str, row: int | None = None) -> None:
    """Two columns of one name cannot be told apart; nameless ones can be, for they are never chosen.

    Raises:
        DataError: a name occurs twice.
    """
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            raise DataError(
                f"two columns are called {name!r}", source=source, row=row, remedy="Rename one of them."
            )
        seen.add(name)


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing when no known word is near."""
    match = get_close_matches(word, list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def listed(names: Sequence[str]) -> str:
    """Names as they appear in a message: the first 20, and how many more there are."""
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED:,} more"


def shorten(value: object, limit: int = 60) -> str:
    """A value as it appears in a message: one line, cut at `limit` characters."""
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
