"""CSV and TSV, read strictly: nothing that is malformed is guessed at."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from embbert.data.table import Table, listed, refuse_duplicates, shorten
from embbert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_delimited(content: str, source: str, delimiter: str) -> Table:
    """Rows of a text whose first line names the columns; blank lines are skipped.

    Fields may stand in double quotes, where a quote is written twice and line ends are part of the
    field. A row's number is the line on which it starts.

    Args:
        content: the whole text, decoded.
        source: for messages.
        delimiter: "," or a tab.

    Raises:
        DataError: empty, no rows below the header, broken quotes, ragged rows, two columns of one name.
    """
    records = _records(content, source, delimiter)
    line, header = next(records, (0, []))
    if not header:
        raise DataError(
            "the file is empty",
            source=source,
            remedy="The first line names the columns, for example: text,label",
        )
    names = tuple(name.strip() for name in header)
    _refuse_other_delimiter(names, source, line, delimiter)
    refuse_duplicates(names, source, line)
    rows: list[int] = []
    fields: list[list[str]] = []
    for line, record in records:
        if len(record) != len(names):
            raise DataError(
                f"this row has {_count(record)}, the header has {len(names)} ({listed(names)})",
                source=source,
                row=line,
                remedy=f'Put double quotes around a field that holds a {_name(delimiter)}: "like this".',
            )
        rows.append(line)
        fields.append(record)
    if not rows:
        raise DataError(
            "there are no rows below the header", source=source, remedy="Add a row for each example."
        )

    def column(name: str) -> list[str]:
        index = names.index(name)
        return [record[index] for record in fields]

    return Table(source, names, rows, column)


def _records(content: str, source: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is no blank line, with the line it starts on."""
    # newline="" leaves line ends to the csv module, which keeps those inside quotes as they are.
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    # The limit is global to the csv module: lifted while a record is read, then put back.
    limit = min(len(content) + 1, 2**31 - 1)
    while True:
        line = reader.line_num + 1
        before = csv.field_size_limit(limit)
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise _broken_quote(str(error), source, line, reader.line_num, delimiter) from None
        finally:
            csv.field_size_limit(before)
        if record is None:
            return
        if record:
            yield line, record


def _broken_quote(fault: str, source: str, line: int, end: int, delimiter: str) -> DataError:
    if "unexpected end" in fault:
        message = "a double quote opens in this row and is never closed"
    elif "expected after" in fault:
        where = "" if end == line else f" on line {end}"
        message = f"something other than a {_name(delimiter)} follows a closing double quote{where}"
    else:
        message = fault
    return DataError(
        message,
        source=source,
        row=line,
        remedy='Put the whole field in double quotes and write a quote inside it twice: "say ""hi""".',
    )


def _refuse_other_delimiter(names: tuple[str, ...], source: str, line: int, delimiter: str) -> None:
    for other in ",;\t|":
        if len(names) == 1 and other != delimiter and other in names[0]:
            raise DataError(
                f"the header is one column, {shorten(names[0])}: the file seems to be separated by "
                f"a {_name(other)}, not by a {_name(delimiter)}",
                source=source,
                row=line,
                remedy="A .csv file is separated by commas, a .tsv file by tabs.",
            )


def _name(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}.get(delimiter, "vertical bar")


def _count(record: list[str]) -> str:
    return "1 field" if len(record) == 1 else f"{len(record)} fields"
