"""The folder that a tokenised corpus lies in: written once, checked whenever it is opened."""

from __future__ import annotations

import hashlib
import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from embbert.errors import ModelError
from embbert.files import flush_folder, json_bytes, read_object
from embbert.train.pretraining.stream import DOCUMENT, SENTENCE, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_INDEX = "index.json"


def shard_names(number: int) -> tuple[str, str]:
    """The files with the tokens and the flags of a shard."""
    return f"tokens-{number:05}.u16", f"flags-{number:05}.u8"


class ShardWriter:
    """Puts documents into shards, and an index beside them.

    A document stands in one shard. One that is longer than a shard can be starts a new one and goes on in
    those that follow.

    Args:
        folder: exists and is empty.
        limit: most tokens of a shard.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._files: dict[str, BinaryIO] = {}
        self._hashes: dict[str, Any] = {}
        self._sizes: list[int] = []
        self._sentences = self._documents = 0

    def __enter__(self) -> ShardWriter:
        self._next()
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def add(self, tokens: NDArray[np.uint16], flags: NDArray[np.uint8], bounds: NDArray[np.int64]) -> None:
        """Append documents.

        Args:
            tokens: of all of them, in a row.
            flags: as many.
            bounds: where each document starts and, last, where the last one ends.
        """
        pieces = [np.arange(start, stop, self._limit) for start, stop in pairwise(bounds)]
        bounds = np.concatenate([*pieces, bounds[-1:]])
        first = 0
        while first < len(bounds) - 1:
            room = self._limit - self._sizes[-1]
            stop = int(np.searchsorted(bounds, bounds[first] + room, side="right")) - 1
            if stop > first:
                part = slice(bounds[first], bounds[stop])
                self._write(tokens[part].astype("<u2"), flags[part])
                first = stop
            else:
                self._next()
        self._sentences += int(np.count_nonzero(flags & SENTENCE))
        self._documents += int(np.count_nonzero(flags & DOCUMENT))

    def _write(self, *columns: NDArray[Any]) -> None:
        for (name, file), column in zip(self._files.items(), columns, strict=True):
            file.write(column.data)
            self._hashes[name].update(column.data)
        self._sizes[-1] += len(columns[0])

    def _next(self) -> None:
        """Finish the current shard, if there is one, and begin another."""
        self._finish()
        names = shard_names(len(self._sizes))
        self._files = {name: (self._folder / name).open("xb") for name in names}
        self._hashes |= {name: hashlib.sha256() for name in names}
        self._sizes.append(0)

    def _finish(self) -> None:
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def close(self, made_from: Mapping[str, Any]) -> None:
        """Flush everything to the disk; the index comes last and repeats `made_from`."""
        self._finish()
        index = {
            **made_from,
            "documents": self._documents,
            "sentences": self._sentences,
            "tokens": self._sizes,
            "sha256": {name: value.hexdigest() for name, value in self._hashes.items()},
        }
        with (self._folder / _INDEX).open("xb") as file:
            file.write(json_bytes(index))
            file.flush()
            os.fsync(file.fileno())
        flush_folder(self._folder)


def open_shards(folder: Path, made_from: Mapping[str, Any]) -> Stream:
    """The shards of a finished folder, as read-only memory maps.

    Args:
        folder: what `ShardWriter` wrote.
        made_from: what the index must repeat.

    Raises:
        ModelError: the index or a file is damaged.
    """
    index = read_object(folder / _INDEX)
    sizes = index.get("tokens")
    if any(index.get(key) != value for key, value in made_from.items()):
        raise ModelError(f"{folder / _INDEX} speaks of something else")
    sums = index.get("sha256")
    if not isinstance(sizes, list) or not sizes or any(type(size) is not int or size < 1 for size in sizes):
        raise ModelError(f"{folder / _INDEX} does not say how many tokens there are")
    tokens: list[NDArray[np.uint16]] = []
    flags: list[NDArray[np.uint8]] = []
    for number, size in enumerate(sizes):
        paths = [folder / name for name in shard_names(number)]
        for path, expected in zip(paths, (2 * size, size), strict=True):
            actual = path.stat().st_size if path.is_file() else 0
            if actual != expected:
                raise ModelError(f"{path} has {actual} bytes instead of {expected}")
        tokens.append(np.memmap(paths[0], np.dtype("<u2"), mode="r"))
        flags.append(np.memmap(paths[1], np.uint8, mode="r"))
        for path, written in zip(paths, (tokens[-1].data, flags[-1].data), strict=True):
            if not isinstance(sums, dict) or hashlib.sha256(written).hexdigest() != sums.get(path.name):
                raise ModelError(f"{path} does not hold what was written")
    return Stream(tokens, flags)
