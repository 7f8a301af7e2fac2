"""Text without labels, for pre-training: one door for files, folders, hub data sets and presets."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embbert.data.corpus_files import ENDINGS, check_readable
from embbert.data.corpus_part import Part
from embbert.data.decode import check_file, unreadable
from embbert.data.hub import mirror_folders, mirrored
from embbert.data.table import nearest
from embbert.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MODEL = "model.safetensors"
"""What every folder of a model holds."""

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*){1,2}", re.ASCII)


@dataclass(frozen=True)
class Corpus:
    """Sources of text, in order. Nothing of them is held in memory.

    Attributes:
        parts: at least one.
    """

    parts: tuple[Part, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """What the user named."""
        return tuple(part.source for part in self.parts)

    def documents(self) -> Iterator[str]:
        """All documents, read as they are asked for, in the same order every time; none is blank.

        Raises:
            DataError: a source cannot be read to its end; the message names the file and the row.
            MissingExtraError: the hub without `datasets`.
        """
        for part in self.parts:
            yield from part.documents()

    def fingerprint(self) -> str:
        """SHA-256, in hex, of what decides the documents and their order.

        Of files that is what is in them, and not what they are called or where they are. Data sets on the hub
        are not downloaded for it: their id, split and revision count.

        Raises:
            DataError: a file cannot be read.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self._identities).encode()).hexdigest()

    @cached_property
    def _identities(self) -> list[list[Any]]:
        return [part.identity() for part in self.parts]

    def pieces(self) -> list[str]:
        """A name for the contents of each file, and for each data set of the hub, in order.

        Raises:
            DataError: a file cannot be read.
        """
        known = zip(self.parts, self._identities, strict=True)
        pieces = [identity[1:] if part.files else [identity] for part, identity in known]
        return [json.dumps(piece) for piece in chain.from_iterable(pieces)]

    def describe(self) -> list[dict[str, Any]]:
        """The sources for a model card, ready for JSON: with their files and bytes, or split and revision."""
        return [part.describe() for part in self.parts]


def open_corpus(sources: Sequence[str], *, column: str = "text", split: str = "train") -> Corpus:
    """Find the sources and see that they can be read, without reading them.

    Args:
        sources: each a file (.txt, .md, .jsonl, .parquet), a folder of such files, the name of a preset, or a
            hub id "owner/name[/config]", which is looked for in the folder that EMBBERT_DATA names and then
            streamed from the hub.
        column: where the text is in JSONL, Parquet and hub rows; presets know theirs.
        split: of hub data sets; presets know theirs.

    Raises:
        DataError: a source is not there, is no text, or cannot be read.
        UsageError: no sources, standard input, or an EMBBERT_DATA that names no folder.
        MissingExtraError: Parquet without pyarrow.
    """
    if not sources:
        raise UsageError("name the text to train on: files, folders, hub ids, or a preset")
    corpus = Corpus(tuple(_find(source, column, split) for source in sources))
    for part in corpus.parts:
        for path in part.files:
            check_readable(path, part.column)
    return corpus


def corpus_presets() -> tuple[str, ...]:
    """Names that stand for a hub data set and how it is read: the entries of `corpora.json`."""
    return tuple(_presets())


def _find(source: str, column: str, split: str) -> Part:
    if source == "-":
        raise UsageError("the text is read more than once, so it cannot be standard input: save it to a file")
    if source in _presets():
        preset = _presets()[source]
        hub_id, rows = preset["source"], preset["rows_per_document"]
        return _hub_part(source, hub_id, preset["column"], preset["split"], preset["revision"], rows)
    path = Path(source)
    try:
        folder, there = path.is_dir(), path.exists()
    except OSError as error:
        raise unreadable(path, error) from None
    if folder:
        return Part(source, _files_in(path, source), column=column)
    known = path.suffix.lower() in ENDINGS
    if not known and not there and _HUB_ID.fullmatch(source):
        return _hub_part(source, source, column, split, None, 1)
    if not there and "/" not in source and nearest(source, _presets()):
        raise DataError(
            f"there is no such file or preset{nearest(source, _presets())}",
            source=source,
            remedy=f"Presets: {', '.join(_presets())}.",
        )
    check_file(path)
    if not known:
        raise DataError(
            f"cannot tell the format from the ending {path.suffix!r}; {', '.join(ENDINGS)} are read",
            source=source,
            remedy="Rename plain text to .txt; unpack archives first.",
        )
    return Part(source, (path,), column=column)


def _files_in(folder: Path, source: str) -> tuple[Path, ...]:
    """Every file of a known ending, by relative path.

    What is hidden is left out, and so are models: their cards are no text to learn from. A folder that is
    reached in several ways, through links, is read once.
    """
    inside: list[tuple[str, ...]] = []
    reached = {_folder_id(folder)}
    try:
        for place, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
            if _MODEL in names:
                folders.clear()
                continue
            folders[:] = [name for name in sorted(folders) if not name.startswith(".")]
            folders[:] = [name for name in folders if _is_new(Path(place, name), reached)]
            parts = Path(place).relative_to(folder).parts
            shown = (name for name in names if not name.startswith("."))
            inside += [(*parts, name) for name in shown if Path(name).suffix.lower() in ENDINGS]
        found = tuple(path for path in (folder.joinpath(*each) for each in sorted(inside)) if path.is_file())
    except OSError as error:
        raise unreadable(Path(error.filename or folder), error) from None
    if not found:
        raise DataError(
            f"the folder has no text in it; files that end in {', '.join(ENDINGS)} are read", source=source
        )
    return found


def _folder_id(folder: Path) -> tuple[int, int]:
    known = folder.stat()
    return known.st_dev, known.st_ino


def _is_new(folder: Path, reached: set[tuple[int, int]]) -> bool:
    found = _folder_id(folder)
    new = found not in reached
    reached.add(found)
    return new


def _raise(error: OSError) -> None:
    raise error


def _hub_part(source: str, hub_id: str, column: str, split: str, revision: str | None, rows: int) -> Part:
    one = mirrored(hub_id, split)
    shards = (sorted(folder.glob(f"{split}-*.parquet")) for folder in mirror_folders(hub_id))
    files = [one] if one is not None else next(filter(None, shards), [])
    return Part(source, tuple(files), hub_id, column, split, revision, rows)


@cache
def _presets() -> dict[str, dict[str, Any]]:
    content = resources.files("embbert.data").joinpath("corpora.json").read_text(encoding="utf-8")
    presets: dict[str, dict[str, Any]] = json.loads(content)
    return presets
