"""JSON that is read without trust, and folders that are replaced in one step.

A folder is written beside its final place and renamed, so that a crash leaves the old one or the new one and
never a mixture.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
from glob import escape
from math import isfinite
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any, NoReturn

from embbert.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

MAX_JSON_BYTES = 16 * 1024 * 1024


def storable(name: str) -> str:
    r"""The name of a file as text for files: bytes of it that are no UTF-8 become `\udcXX`."""
    return name.encode(errors="backslashreplace").decode()


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
            path.read_bytes().decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """Parse a JSON file that must hold an object.

    Raises:
        ModelError: as for `read_json`, or it holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is repeated")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(spelled: str) -> float:
    value = float(spelled)
    if not isfinite(value):
        raise ValueError(f"{spelled} is not a finite number")
    return value


def is_there(path: Path) -> bool:
    """Whether a file or a folder stands there.

    Raises:
        ModelError: the path cannot be looked at.
    """
    try:
        return _mode(path) is not None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


def is_folder(path: Path) -> bool:
    """Whether a folder stands there.

    Raises:
        ModelError: the path cannot be looked at.
    """
    return is_there(path) and path.is_dir()


def _mode(path: Path) -> int | None:
    """Kind and permissions of what stands there, None if nothing does; `exists` hides why it cannot tell."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def held_by(path: Path) -> list[str] | None:
    """Names of what is in the folder at `path`, sorted, of none yet if there is none; None if it is a file.

    Raises:
        UsageError: no folder can be made there, or it cannot be listed.
    """
    try:
        mode = _mode(path)
        _check_writable(path)
        if mode is None:
            return []
        return sorted(item.name for item in path.iterdir()) if S_ISDIR(mode) else None
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror or error}; choose another place") from error


def check_name(path: Path, what: str, example: str) -> None:
    """Refuse a path that ends without a name: `replace_folder` would replace what somebody stands in.

    Raises:
        UsageError: it does; the message says what to name instead.
    """
    if path.name in ("", ".."):
        raise UsageError(f"{path} is no name of a folder; name the {what} to make, such as {example}")


def check_place(
    path: Path,
    kind: str,
    marker: str,
    names: Collection[str],
    ours: Callable[[object], bool],
    *,
    overwrite: bool,
) -> None:
    """Refuse a place that a folder of ours must not be saved to.

    Args:
        path: where nothing, an empty folder or, with `overwrite`, a folder of this kind may stand.
        kind: what such a folder is called.
        marker: its JSON file that says what it is.
        names: every file it may hold.
        ours: whether the marker's parsed JSON is ours.
        overwrite: a folder of this kind may be replaced.

    Raises:
        UsageError: anything else stands there, nothing can be made there, or the path ends without a name.
        ModelError: the marker is damaged.
    """
    check_name(path, f"{kind} folder", f"{kind}/")
    held = held_by(path)
    if held == []:
        return
    if held is None or not (path / marker).is_file():
        raise UsageError(f"{path} exists and is not a {kind} folder; choose another place")
    foreign = [name for name in held if name not in names]
    if foreign:
        raise UsageError(
            f"{path} also holds {foreign[0]}, which is not part of a {kind}; "
            "move it away, or choose another place"
        )
    if not ours(read_json(path / marker)):
        raise UsageError(f"{path} exists and is not a {kind} folder; choose another place")
    if not overwrite:
        raise UsageError(f"{path} already holds a {kind}; add --overwrite to replace it")


def _check_writable(path: Path) -> None:
    """Refuse a place beside which `replace_folder` could not write; `path` is no loop of links.

    Raises:
        UsageError: `path` is a mount point, or the nearest folder that is there is none or may not be
            written to.
        OSError: the path cannot be looked at.
    """
    target = path.resolve()
    if target.is_mount():
        raise UsageError(
            f"{path} is where a file system is mounted, and folders are made beside their place and renamed; "
            f"name a folder inside it, such as {path / 'new'}"
        )
    parent = target.parent
    _mode(parent / f".{target.name}.new-{secrets.token_hex(4)}")  # the longest name that it will need
    while (mode := _mode(parent)) is None:
        parent = parent.parent
    if not S_ISDIR(mode):
        raise UsageError(f"{path} cannot be made: {parent} is not a folder; choose another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be made: {parent} may not be written to; choose another place")


def replace_folder(path: Path, contents: Mapping[str, bytes], check: Callable[[Path], None]) -> None:
    """Put a folder with these files at `path`, in one step.

    A name may lead through folders. The files are written to a hidden folder beside `path`, flushed to the
    disk, read back by `check`, and renamed. What stood at `path` before is removed last; whether it may be is
    for the caller to decide.

    Raises:
        ModelError: the disk refused. `path` is then as it was.
    """
    path = path.resolve()
    mark = secrets.token_hex(4)
    fresh, former = path.with_name(f".{path.name}.new-{mark}"), path.with_name(f".{path.name}.old-{mark}")
    try:
        fresh.mkdir(parents=True)
        for name, data in contents.items():
            write_flushed(fresh / name, data)
        for folder in {(fresh / name).parent for name in contents} | {fresh}:
            flush_folder(folder)
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
        flush_folder(path.parent)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)
    if former.exists():  # some of it belongs to somebody else
        sys.stderr.write(f"what {path} held before could not be removed: {former}\n")


def has_digest(data: bytes, sha256: str | None) -> bool:
    """Whether a file's content has this SHA-256, but for line ends, which version control may change."""
    forms = (data, data.replace(b"\r\n", b"\n"))
    return sha256 in [hashlib.sha256(form).hexdigest() for form in forms]


def sha256_of(contents: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of every file's content, in hex."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}


def check_digest(path: Path, stated: Mapping[str, str], where: str) -> None:
    """Refuse a file that is not the one its folder was saved with.

    Args:
        path: the file.
        stated: SHA-256 by name; empty in folders that were saved before there were any.
        where: the file that states them.

    Raises:
        ModelError: another SHA-256, or none although other files have one.
    """
    if not stated:
        return
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    if not has_digest(data, stated.get(path.name)):
        raise ModelError(
            f"{path} is damaged or another model's: its SHA-256 is not the one in {where}; "
            "take the whole folder from where it is sound, or make it again"
        )


def check_unedited(path: Path, sha256: str) -> None:
    """Refuse to write a text anew where somebody has changed it.

    Raises:
        UsageError: the file is there and has another SHA-256, but for line ends.
        ModelError: it cannot be read.
    """
    if not is_there(path):
        return
    try:
        kept = has_digest(path.read_bytes(), sha256)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    if not kept:
        raise UsageError(f"{path} is not what embbert wrote, and would be made anew; move it away first")


def interrupted_save(path: Path) -> Path | None:
    """Where the former folder is if a crash fell between the two renames of `replace_folder`."""
    path = path.resolve()
    found = sorted(path.parent.glob(f".{escape(path.name)}.old-*")) if path.parent.is_dir() else []
    return found[-1] if found else None


def write_flushed(path: Path, data: bytes) -> None:
    """Write a file and bring it to the disk; its folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
