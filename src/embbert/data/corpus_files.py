"""Documents out of text, JSONL and Parquet files, with no more of a file in memory than a piece of it."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

from embbert.data.corpus_parquet import no_column, open_parquet, parquet_texts
from embbert.data.decode import check_file, unreadable
from embbert.data.jsonl import parse_object
from embbert.data.table import shorten
from embbert.data.values import refuse_surrogates
from embbert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = (".txt", ".md")
ENDINGS = (*PLAIN, ".jsonl", ".parquet")
_EXAMPLE = '{"text": "…"}'

_WHOLE_BYTES = 1 << 20  # a text file up to this size is one document
_DOCUMENT_BYTES = 100_000  # a larger one is cut into documents of about this size


def check_readable(path: Path, column: str) -> None:
    """Refuse a file that `read_documents` could not start on.

    Raises:
        DataError: not there, not readable, or a pipe; Parquet that is damaged or has no such column of text.
        MissingExtraError: Parquet without pyarrow.
    """
    check_file(path)
    if not path.is_file():
        raise DataError(
            "is no regular file, and the text is read more than once",
            source=str(path),
            remedy="Save the text to a file.",
        )
    try:
        path.open("rb").close()
    except OSError as error:
        raise unreadable(path, error) from None
    if path.suffix.lower() == ".parquet":
        open_parquet(path, column).close()


def read_documents(path: Path, column: str) -> Iterator[str]:
    """The documents of a file, in its order; some may be blank.

    A text file is one document up to 1 MiB, and otherwise documents of at most 100 kB that end at a blank
    line, where there is none at a line end, and else at a space. A line of JSONL and a row of Parquet is
    a document; a missing one is left out.

    Args:
        path: ends in one of `ENDINGS`.
        column: the key or column that holds the text.

    Raises:
        DataError: the file cannot be read; the message names the line or row.
        MissingExtraError: Parquet without pyarrow.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            yield from parquet_texts(path, column)
        elif ending == ".jsonl":
            yield from _jsonl(path, column)
        else:
            yield from _plain(path)
    except OSError as error:
        raise unreadable(path, error) from None


def text_of(fields: Any, column: str, source: str, row: int) -> str | None:  # noqa: ANN401 - any mapping
    """The text in one row.

    Raises:
        DataError: no such column, or it holds something else or half a character.
    """
    if column not in fields:
        raise no_column(column, list(fields), source, row)
    value: object = fields[column]
    if value is None:
        return None
    if isinstance(value, str):
        refuse_surrogates(value, source, column, row)
        return value
    raise DataError(
        f"column {column!r} holds {shorten(value)}, not text",
        source=source,
        row=row,
        remedy="Name the column of the texts with --column COL.",
    )


def _plain(path: Path) -> Iterator[str]:
    line, offset = 1, 0
    with path.open("rb") as file:
        held = file.read(_WHOLE_BYTES + 1)
        whole = len(held) <= _WHOLE_BYTES
        while held:
            size = len(held) if whole else _cut(held)
            piece, held = held[:size], held[size:]
            yield _decode(piece, str(path), line, offset)
            line += piece.count(b"\n")
            offset += size
            if len(held) <= _DOCUMENT_BYTES:
                held += file.read(_WHOLE_BYTES)


def _cut(data: bytes) -> int:
    """How many bytes of `data` the next document takes."""
    if len(data) <= _DOCUMENT_BYTES:
        return len(data)
    for mark in (b"\n\n", b"\n\r\n", b"\n", b" "):
        at = data.rfind(mark, 0, _DOCUMENT_BYTES)
        if at >= 0:
            return at + len(mark)
    at = _DOCUMENT_BYTES
    while at > _DOCUMENT_BYTES - 3 and data[at] & 0xC0 == 0x80:  # the inside of a UTF-8 sequence
        at -= 1
    return at


def _decode(data: bytes, source: str, line: int, offset: int) -> str:
    """UTF-8 as text; a byte order mark at the start of the file is dropped."""
    bad = data.find(b"\0")
    fault = f"a NUL byte stands at byte offset {offset + bad}: this is a binary file, or UTF-16"
    if bad < 0:
        try:
            return (data if offset else data.removeprefix(codecs.BOM_UTF8)).decode()
        except UnicodeDecodeError as error:
            bad = error.start + len(data) - len(error.object)
            fault = f"the text is not UTF-8: byte 0x{data[bad]:02X} at byte offset {offset + bad}"
    raise DataError(
        fault,
        source=source,
        row=line + data.count(b"\n", 0, bad),
        remedy="Convert the file:  iconv -f ENCODING -t utf-8 FILE > NEW (ENCODING is latin1 or utf-16, say)",
    )


def _jsonl(path: Path, column: str) -> Iterator[str]:
    source, offset = str(path), 0
    with path.open("rb") as file:
        for line, record in enumerate(file, start=1):
            text = _decode(record, source, line, offset)
            offset += len(record)
            if text.strip():
                value = text_of(parse_object(text, source, line, _EXAMPLE), column, source, line)
                if value is not None:
                    yield value
