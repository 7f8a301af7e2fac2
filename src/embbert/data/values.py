"""Cells become texts, labels and scores, or the row that cannot is named."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite, isnan
from typing import TYPE_CHECKING

from embbert.config.model import MAX_LABEL_BYTES
from embbert.data.table import shorten
from embbert.errors import DataError

if TYPE_CHECKING:
    from embbert.data.table import Table

DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)

NO_CLASS_REMEDY = "Give --regress to predict scores, or write the classes as words or whole numbers."


def texts_of(table: Table, name: str) -> tuple[str, ...]:
    """The texts of a column, exactly as they are.

    Raises:
        DataError: a value is missing, blank, not text, or not valid Unicode.
    """
    texts = []
    for row, value in zip(table.rows, table.column(name), strict=True):
        if isinstance(value, str) and value.strip():
            if not value.isascii():
                refuse_surrogates(value, table.source, name, row)
            texts.append(value)
        elif value is None or isinstance(value, str):
            fault = "has no text" if value is None else "holds an empty text"
            raise DataError(
                f"column {name!r} {fault}",
                source=table.source,
                row=row,
                remedy="Write the text, or delete the row.",
            )
        else:
            raise DataError(
                f"column {name!r} holds {_kind(value)} ({shorten(value)}), not text",
                source=table.source,
                row=row,
                remedy="Name the column of the texts with --text COL.",
            )
    return tuple(texts)


def labels_of(table: Table, name: str) -> tuple[str, ...]:
    """The class names of a column: strings without outer blanks, integers in decimal, `true` and `false`.

    Raises:
        DataError: a label is missing, empty, too long, hidden or of another kind, such as a number that is no
            integer.
    """
    labels = []
    for row, cell in zip(table.rows, table.column(name), strict=True):
        label: str | None = None
        value = _plain(cell) if isinstance(cell, Decimal) else cell
        if isinstance(value, str):
            label = value.strip()
            refuse_surrogates(label, table.source, name, row)
        elif isinstance(value, bool):
            label = str(value).lower()
        elif isinstance(value, int):
            label = str(value)
        elif isinstance(value, float) and value.is_integer() and table.integers_as_floats:
            label = str(int(value))
        elif isinstance(value, float) and not isnan(value):
            raise _fraction(table, name, row, value)
        elif value is not None and not isinstance(value, float):
            raise DataError(
                f"column {name!r} holds {_kind(value)} ({shorten(value)}), not a label",
                source=table.source,
                row=row,
                remedy="Name the column of the labels with --label COL.",
            )
        if not label:
            raise DataError(
                f"column {name!r} has no label",
                source=table.source,
                row=row,
                remedy="Write the label, or delete the row.",
            )
        if "\0" in label or len(label.encode()) > MAX_LABEL_BYTES:
            fault = "a NUL character" if "\0" in label else f"more than {MAX_LABEL_BYTES:,} bytes"
            raise DataError(
                f"column {name!r} holds a label with {fault} ({shorten(label)})",
                source=table.source,
                row=row,
                remedy="Give the class a short name, or name the column of the labels with --label COL.",
            )
        if table.hidden_label is not None and label == str(table.hidden_label):
            raise DataError(
                f"label {label} means that the label of this row is not published",
                source=table.source,
                row=row,
                remedy="Choose a split whose labels are published.",
            )
        labels.append(label)
    return tuple(labels)


def scores_of(table: Table, name: str) -> tuple[float, ...]:
    """The regression targets of a column: numbers, or strings that spell decimal numbers.

    Raises:
        DataError: a target is missing, no number, hidden, NaN or infinite.
    """
    scores = []
    for row, value in zip(table.rows, table.column(name), strict=True):
        score = _number(value)
        if score is None:
            empty = value is None or (isinstance(value, str) and not value.strip())
            raise DataError(
                f"column {name!r} {'has no target' if empty else f'holds {shorten(value)}, not a number'}",
                source=table.source,
                row=row,
                remedy="Write a decimal number such as 3.5, delete the row, or train on classes instead.",
            )
        if not isfinite(score):
            raise DataError(
                f"the target in column {name!r} is {'NaN' if isnan(score) else 'infinite'}",
                source=table.source,
                row=row,
                remedy="Write a finite number, or delete the row.",
            )
        if table.hidden_label is not None and score == table.hidden_label:
            raise DataError(
                f"target {shorten(value)} means that the score of this row is not published",
                source=table.source,
                row=row,
                remedy="Choose a split whose scores are published.",
            )
        scores.append(score)
    return tuple(scores)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    if isinstance(value, str):
        spelled = value.strip()
        # float() alone would take 1_000 and digits of other scripts as well.
        if not (DECIMAL.fullmatch(spelled) or _NOT_FINITE.fullmatch(spelled)):
            return None
        return float(spelled)
    return float(value) if isinstance(value, (float, Decimal)) else None


def _plain(value: Decimal) -> int | float:
    """The integer that a decimal of Parquet is, or a float that is none."""
    whole = value.is_finite() and value == value.to_integral_value()
    return int(value) if whole else float(value)


def _fraction(table: Table, name: str, row: int, value: object) -> DataError:
    return DataError(
        f"column {name!r} holds {shorten(value)}, and a class is a word or a whole number",
        source=table.source,
        row=row,
        remedy=NO_CLASS_REMEDY,
    )


def refuse_surrogates(value: str, source: str, name: str, row: int) -> None:
    """Refuse text that no UTF-8 can spell.

    Raises:
        DataError: half a surrogate pair; the message names the column and the row.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"column {name!r} holds half a character (a lone surrogate, character {error.start + 1})",
            source=source,
            row=row,
            remedy=r"Write both halves of the \uXXXX escape, or delete the row.",
        ) from None


def _kind(value: object) -> str:
    numbers = dict.fromkeys((int, float, Decimal), "a number")
    names = {bool: "true or false", **numbers, list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
