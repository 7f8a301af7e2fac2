"""Parquet files, through pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embbert.data.decode import check_file
from embbert.data.table import Table, refuse_duplicates
from embbert.errors import DataError, MissingExtraError, reason

if TYPE_CHECKING:
    from pathlib import Path


def read_parquet(path: Path, source: str, *, hidden_label: int | None = None) -> Table:
    """Rows of a Parquet file, numbered from 1.

    Args:
        path: the file.
        source: for messages.
        hidden_label: see `Table`.

    Raises:
        DataError: not there, not Parquet, damaged, no rows, two columns of one name, or a name or
            text that is not UTF-8.
        MissingExtraError: pyarrow is not installed.
    """
    check_file(path)
    try:
        import pyarrow as pa  # noqa: PLC0415 - of the train extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("reading Parquet", "train") from None
    try:
        # Not read_table(path): that one reads columns out of folder names such as year=2024 as well.
        with pq.ParquetFile(path) as file:
            table = file.read()
        names = tuple(table.column_names)
    except (pa.ArrowException, ValueError, OSError) as error:  # ValueError: a name that is no UTF-8
        raise DataError(
            f"is not a Parquet file, or a damaged one: {reason(error)}",
            source=str(path),
            remedy="Write or copy the file anew; a text file needs the ending .csv, .tsv or .jsonl.",
        ) from None
    refuse_duplicates(names, source)
    if not table.num_rows:
        raise DataError("there are no rows", source=source, remedy="Add a row for each example.")

    def column(name: str) -> list[object]:
        return _values(table.column(name), name, source)

    return Table(
        source,
        names,
        range(1, table.num_rows + 1),
        column,
        integers_as_floats=True,
        hidden_label=hidden_label,
    )


def _values(column: Any, name: str, source: str) -> list[object]:  # noqa: ANN401 - pyarrow has no types
    values: list[object] = []
    try:
        # One by one, so that the row of a value that is no UTF-8 is known.
        values.extend(scalar.as_py() for scalar in column)
    except ValueError as error:
        raise DataError(
            f"column {name!r} cannot be read: {error}",
            source=source,
            row=len(values) + 1,
            remedy="Write the file anew with texts in UTF-8.",
        ) from None
    return values
