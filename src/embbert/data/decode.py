"""Bytes become text: UTF-8 only, and the byte that is not is named."""

from __future__ import annotations

import codecs
from pathlib import Path
from shlex import quote

from embbert.data.table import nearest
from embbert.errors import DataError

# The marks of UTF-32 begin like those of UTF-16, so they are looked for first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def read_file(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        DataError: as `check_file` and `decode`, or the file cannot be read.
    """
    check_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    return decode(data, str(path))


def check_file(path: Path) -> None:
    """Refuse what is not there or is no file.

    Raises:
        DataError: not found (the message names the nearest file beside it), a folder, or unreadable.
    """
    try:
        if path.is_dir():
            raise DataError("is a folder, not a file", source=str(path), remedy="Name a file inside it.")
        if path.exists():
            return
        folder = path.parent
        beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        if folder.is_dir():
            fault = f"there is no such file{nearest(path.name, beside)}"
        else:
            fault = f"there is no folder {folder}"
    except OSError as error:
        raise unreadable(path, error) from None
    raise DataError(fault, source=str(path), remedy="Check the path; it is relative to the current folder.")


def decode(data: bytes, source: str) -> str:
    """UTF-8 bytes as text; a byte order mark in front is dropped.

    Raises:
        DataError: another encoding, invalid bytes (line and byte offset are named), or a NUL byte.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            raise DataError(
                f"the file is {encoding}, not UTF-8 (it starts with that byte order mark)",
                source=source,
                remedy=_iconv(encoding.lower(), source),
            )
    nul = data.find(b"\0")
    if nul >= 0:
        raise DataError(
            f"a NUL byte stands at byte offset {nul}: this is a binary file, or UTF-16",
            source=source,
            row=_line(data, nul),
            remedy=f"If it is UTF-16:  {_iconv('utf-16', source)}",
        )
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"the text is not UTF-8: byte 0x{data[error.start]:02X} at byte offset {error.start}",
            source=source,
            row=_line(data, error.start),
            # What Windows writes; beside its quotes and dashes it is Latin-1.
            remedy=f"If it is Windows-1252 or Latin-1:  {_iconv('cp1252', source)}",
        ) from None


def _iconv(encoding: str, source: str) -> str:
    path = Path("FILE" if source == "stdin" else source)
    made = path.with_name(f"utf8-{path.name}")
    return f"iconv -f {encoding} -t utf-8 {quote(str(path))} > {quote(str(made))}"


def _line(data: bytes, offset: int) -> int:
    before = data[:offset]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")


def unreadable(path: Path, error: OSError) -> DataError:
    """The error about what the system refuses to read."""
    return DataError(
        f"cannot be read: {error.strerror or error}", source=str(path), remedy="Check its permissions."
    )
