"""Rows of a hub data set as they come over the network: nothing is stored, and no row is read twice."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from embbert.data.corpus_files import text_of
from embbert.data.hub import MIRROR
from embbert.errors import DataError, MissingExtraError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator


def stream_rows(source: str, column: str, split: str, revision: str | None) -> Iterator[str]:
    """The texts of the hub data set "owner/name[/config]", in its order; some may be blank.

    Raises:
        DataError: the hub does not give it, or not to the end; the message names the row.
        MissingExtraError: `datasets` is not installed.
    """
    label = f"{source}:{split}"
    try:
        import datasets  # noqa: PLC0415 - of the train extra, and slow to load
    except ImportError:
        raise MissingExtraError(f"{label} is not here; streaming it from the hub", "train") from None
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    owner, name, *config = source.split("/")
    row = 0
    try:
        rows: Any = datasets.load_dataset(
            f"{owner}/{name}", *config, split=split, revision=revision, streaming=True
        )
        for fields in rows:
            row += 1
            text = text_of(fields, column, label, row)
            if text is not None:
                yield text
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the network, the hub or its cache raise
        looked = f"nor under {MIRROR} ({os.environ.get(MIRROR) or 'not set'})"
        raise DataError(
            f"the hub stopped after {row} rows: {reason(error)}"
            if row
            else f"is neither here {looked}, and the hub did not give it: {reason(error)}",
            source=label,
            row=row + 1 if row else None,
            remedy=f"Check the name and the network, or put {source}/{split}.parquet into a folder that the "
            f"environment variable {MIRROR} names.",
        ) from None
