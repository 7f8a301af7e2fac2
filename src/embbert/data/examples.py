"""What every reader returns, and how a user names the columns."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.config import Task


@dataclass(frozen=True)
class Columns:
    """The columns to read; what is None is taken from the task card or found by its name.

    Attributes:
        text: the column of the texts.
        label: the column of the labels or scores.
        pair: the two columns of pair inputs; excludes `text`.
    """

    text: str | None = None
    label: str | None = None
    pair: tuple[str, str] | None = None


@dataclass(frozen=True)
class Examples:
    """Checked rows of one source, in its order.

    Attributes:
        texts: the texts, exactly as the source has them; none is blank.
        pairs: the second texts of pair inputs, or None.
        targets: label names (`classify`) or finite scores (`regress`); None when read without labels.
        rows: where each row stands in the source, from 1: the line (CSV, TSV, JSONL) or the row
            (Parquet, hub).
        source: the file name, "benayas/snips:train", "home:train" or "stdin", for messages.
        task: what `targets` holds.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    targets: tuple[str, ...] | tuple[float, ...] | None
    rows: tuple[int, ...]
    source: str
    task: Task

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> Examples:
        """The examples at these positions (from 0), in the order given."""
        targets: tuple[str, ...] | tuple[float, ...] | None = None
        if self.targets is not None:
            targets = tuple(self.targets[index] for index in indices)  # type: ignore[assignment]
        return replace(
            self,
            texts=tuple(self.texts[index] for index in indices),
            pairs=None if self.pairs is None else tuple(self.pairs[index] for index in indices),
            targets=targets,
            rows=tuple(self.rows[index] for index in indices),
        )

    def shared_with(self, others: Examples) -> int:
        """How many of these rows have a text (and second text) that is among the others', to the letter."""
        known = set(zip(others.texts, others.pairs or others.texts, strict=True))
        return sum(both in known for both in zip(self.texts, self.pairs or self.texts, strict=True))

    def fingerprint(self) -> str:
        """SHA-256, in hex, of texts, pairs and targets in order; where they were read from does not count."""
        digest = hashlib.sha256(f"{self.task} {len(self)}".encode())
        for column in (self.texts, self.pairs, self.targets):
            digest.update(b"-" if column is None else b"+")
            for value in column or ():
                content = value.encode() if isinstance(value, str) else struct.pack("<d", value)
                # The length in front keeps ("ab", "c") and ("a", "bc") apart.
                digest.update(struct.pack("<Q", len(content)) + content)
        return digest.hexdigest()
