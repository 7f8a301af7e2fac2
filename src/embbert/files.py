"""JSON that is read without trust, and folders that are replaced in one step.

A folder is written beside its final place and renamed, so that a crash leaves the old one or the new one and
never a mixture.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any, NoReturn

from embbert.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAX_JSON_BYTES = 16 * 1024 * 1024


def json_bytes(value: object) -> bytes:
    """Serialise to UTF-8 JSON with a fixed layout.

    Raises:
        ModelError: NaN or infinity, which JSON cannot hold, or text that is not valid Unicode.
    """
    try:
        return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except ValueError as error:
        raise ModelError(f"a value cannot be stored as JSON: {error}") from error


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Parse a JSON file of at most 16 MiB; repeated keys, NaN and infinity are refused.

    Raises:
        ModelError: the file is absent, too large or not strict JSON.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise ModelError(f"{path} has {size} bytes, which is too large to be what it claims")
        return json.loads(
            path.read_bytes().decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is repeated")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def replace_folder(path: Path, contents: Mapping[str, bytes], check: Callable[[Path], None]) -> None:
    """Put a folder with these files at `path`, in one step.

    The files are written to a hidden folder beside `path`, flushed to the disk, read back by `check`, and
    renamed. What stood at `path` before is removed last; whether it may be is for the caller to decide.

    Raises:
        ModelError: the disk refused. `path` is then as it was.
    """
    path = path.resolve()
    mark = secrets.token_hex(4)
    fresh, former = path.with_name(f".{path.name}.new-{mark}"), path.with_name(f".{path.name}.old-{mark}")
    try:
        fresh.mkdir(parents=True)
        for name, data in contents.items():
            _write(fresh / name, data)
        _flush_folder(fresh)
        try:
            check(fresh)
        except ModelError as error:
            raise ModelError(str(error).replace(str(fresh), str(path))) from error
        try:
            if path.exists():
                os.replace(path, former)  # noqa: PTH105 - the plain call
            os.replace(fresh, path)  # noqa: PTH105
        except BaseException:
            if former.exists() and not path.exists():
                former.rename(path)
            raise
        _flush_folder(path.parent)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)


def interrupted_save(path: Path) -> Path | None:
    """Where the former folder is if a crash fell between the two renames of `replace_folder`."""
    path = path.resolve()
    found = sorted(path.parent.glob(f".{path.name}.old-*")) if path.parent.is_dir() else []
    return found[-1] if found else None


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
