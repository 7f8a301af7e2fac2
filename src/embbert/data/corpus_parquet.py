"""Texts out of a Parquet file, without reading the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embbert.data.table import listed, nearest
from embbert.errors import DataError, MissingExtraError, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ROWS = 256  # decoded at a time


def open_parquet(path: Path, column: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """An open `ParquetFile` that has this column of text.

    Raises:
        DataError: damaged, or no such column of text.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - of the train extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("reading Parquet", "train") from None
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
    except (pa.ArrowException, ValueError, OSError) as error:  # ValueError: a name that is no UTF-8
        raise _damaged(path, error) from None
    if names.count(column) != 1:
        file.close()
        raise no_column(column, names, str(path), None)
    kind = file.schema_arrow.field(column).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    # A shard whose texts are all missing may say of them that they are null.
    if str(kind) not in {"string", "large_string", "string_view", "null"}:
        file.close()
        raise DataError(
            f"column {column!r} holds {kind}, not text",
            source=str(path),
            remedy="Name the column of the texts with --column COL.",
        )
    return file


def parquet_texts(path: Path, column: str) -> Iterator[str]:
    """The texts of the column, a few rows at a time; nulls are left out.

    Raises:
        DataError: as `open_parquet`, or damaged further on; the message names the row.
        MissingExtraError: pyarrow is not installed.
    """
    rows = 0
    with open_parquet(path, column) as file:
        import pyarrow as pa  # noqa: PLC0415 - it is there, or the file would not be open

        try:
            for batch in file.iter_batches(batch_size=_ROWS, columns=[column]):
                for scalar in batch.column(0):  # one by one, so that the row that is no UTF-8 is known
                    value = scalar.as_py()
                    rows += 1
                    if value is not None:
                        yield value
        except (pa.ArrowException, ValueError, OSError) as error:
            raise _damaged(path, error, rows + 1) from None


def _damaged(path: Path, error: Exception, row: int | None = None) -> DataError:
    return DataError(
        f"is not a Parquet file, or a damaged one: {reason(error)}",
        source=str(path),
        row=row,
        remedy="Write or copy the file anew, with texts in UTF-8.",
    )


def no_column(column: str, names: Iterable[str], source: str, row: int | None) -> DataError:
    """The error about a column that is not there, with those that are."""
    known = list(names)
    return DataError(
        f"there is no column {column!r}{nearest(column, known)}; it has {listed(known) or 'none'}",
        source=source,
        row=row,
        remedy="Name the column of the texts with --column COL.",
    )
