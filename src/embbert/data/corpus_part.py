"""One source of pre-training text: files that are read in turn, or a data set streamed from the hub."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from embbert.data.corpus_files import PLAIN, read_documents
from embbert.data.corpus_hub import stream_rows
from embbert.data.decode import unreadable
from embbert.files import storable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One source of a corpus, found but not read.

    Attributes:
        source: as the user gave it.
        files: what is read, in this order; empty for a data set that is streamed from the hub.
        hub_id: "owner/name[/config]", if `files` is empty.
        column: where the text is in JSONL, Parquet and hub rows.
        split: of the hub data set.
        revision: of the hub data set; None is its newest.
        rows_per_document: so many consecutive rows make a document.
    """

    source: str
    files: tuple[Path, ...] = ()
    hub_id: str = ""
    column: str = "text"
    split: str = "train"
    revision: str | None = None
    rows_per_document: int = 1

    def documents(self) -> Iterator[str]:
        """See `Corpus.documents`."""
        texts: Iterator[str]
        if self.files:
            texts = chain.from_iterable(read_documents(path, self.column) for path in self.files)
        else:
            texts = stream_rows(self.hub_id, self.column, self.split, self.revision)
        return _joined((text for text in texts if text.strip()), self.rows_per_document)

    def identity(self) -> list[Any]:
        """What decides which documents there are."""
        if not self.files:
            return [self.hub_id, self.split, self.revision, self.column, self.rows_per_document]
        return [self.rows_per_document, *([_kind(path, self.column), _digest(path)] for path in self.files)]

    def describe(self) -> dict[str, Any]:
        """See `Corpus.describe`."""
        if not self.files:
            return {"source": self.source, "hub": self.hub_id, "split": self.split, "revision": self.revision}
        return {
            "source": storable(self.source),
            "files": len(self.files),
            "bytes": sum(_size(path) for path in self.files),
        }


def _joined(rows: Iterator[str], count: int) -> Iterator[str]:
    """Documents of `count` rows each, the last one of fewer, one row per line."""
    held: list[str] = []
    for row in rows:
        held.append(row)
        if len(held) == count:
            yield "\n".join(held)
            held.clear()
    if held:
        yield "\n".join(held)


def _kind(path: Path, column: str) -> str:
    ending = path.suffix.lower()
    return "text" if ending in PLAIN else f"{ending} {column}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise unreadable(path, error) from None
    return digest.hexdigest()
