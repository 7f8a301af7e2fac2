"""Files to read and refusals to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embbert.data import read_examples
from embbert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embbert.data import Examples


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """Write a file and return its path as a user would give it."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


@pytest.fixture
def read(put: Callable[[str, str | bytes], str]) -> Callable[..., Examples]:
    """Write a file and read it."""

    def write_and_read(name: str, content: str | bytes, *args, **options) -> Examples:
        return read_examples(put(name, content), *args, **options)

    return write_and_read


@pytest.fixture
def refused(put: Callable[[str, str | bytes], str]) -> Callable[..., str]:
    """Write a file, see it refused with its name, the row given and a remedy, and return the message."""

    def write_and_read(name: str, content: str | bytes, *args, row: int | None = None, **options) -> str:
        path = put(name, content)
        with pytest.raises(DataError) as caught:
            read_examples(path, *args, **options)
        message = str(caught.value)
        place = f"{path}: " if row is None else f"{path}, row {row}: "
        assert message.startswith(place), message
        assert (caught.value.row, caught.value.exit_code) == (row, 3)
        assert caught.value.remedy
        assert message.endswith(f"\n  {caught.value.remedy}")
        return message.removeprefix(place)

    return write_and_read
