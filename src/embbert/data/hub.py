"""Hub data sets: the folder that EMBBERT_DATA names is looked at first, then the hub."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embbert.data.cards import known_sources, task_card
from embbert.data.table import Table, nearest, refuse_duplicates
from embbert.data.tabular import read_parquet
from embbert.errors import DataError, MissingExtraError, UsageError, reason

if TYPE_CHECKING:
    from embbert.data.cards import TaskCard

MIRROR = "EMBBERT_DATA"
# In the sets that have a card, -1 stands for a label that is kept back.
_HIDDEN_LABEL = -1


def read_hub(source: str, split: str) -> Table:
    """A split of the hub data set "owner/name[/config]", its rows numbered from 1.

    A file `$EMBBERT_DATA/<owner>/<name>[/<config>]/<split>.parquet` is taken if there is one; otherwise
    `datasets` loads the split, from its cache or over the network.

    Args:
        source: the hub id.
        split: for a set with a task card one of `train`, `validation`, `test` (the card says which hub
            split that is); any other name is the hub's own.

    Raises:
        UsageError: EMBBERT_DATA is set but names no folder.
        MissingExtraError: the mirror lacks the file and `datasets` is not installed.
        DataError: the set has no such split, cannot be found, or cannot be read.
    """
    card = task_card(source)
    name = _split_name(card, source, split)
    label = f"{source}:{name}"
    hidden = None if card is None else _HIDDEN_LABEL
    path = mirrored(source, name)
    if path is not None:
        return read_parquet(path, label, hidden_label=hidden)
    if Path(source).is_dir():
        raise DataError(
            "is a folder here, not a file",
            source=source,
            remedy=f"Name a file inside it, or set {MIRROR} to the folder that holds {source}.",
        )
    return _download(source, card, name, label, hidden)


def mirrored(source: str, split: str) -> Path | None:
    """The file of the mirror that holds a split, or None, as always where EMBBERT_DATA is unset or empty.

    Args:
        source: a hub id "owner/name[/config]"; a configuration that its task card knows may be left out.
        split: the hub's own name of the split.

    Raises:
        UsageError: EMBBERT_DATA is set but names no folder.
    """
    files = [folder / f"{split}.parquet" for folder in mirror_folders(source)]
    return next((file for file in files if file.is_file()), None)


def mirror_folders(source: str) -> list[Path]:
    """Where the mirror may hold a hub data set, in order; none where EMBBERT_DATA is unset or empty.

    Raises:
        UsageError: EMBBERT_DATA is set but names no folder.
    """
    root = os.environ.get(MIRROR)
    if not root:
        return []
    if not Path(root).is_dir():
        raise UsageError(f"{MIRROR} names {root}, which is no folder: correct it or unset it")
    folders = [Path(root, source)]
    card = task_card(source)
    if card is not None and card.config is not None:
        owner, name = source.split("/")[:2]
        folders += [Path(root, owner, name), Path(root, owner, name, card.config)]
    return folders


def _split_name(card: TaskCard | None, source: str, split: str) -> str:
    if card is None or split not in ("train", "validation", "test"):
        return split
    if split in card.splits:
        return card.splits[split]
    # Not the hub's split of the same name: GLUE's validation rows are the test rows here.
    raise DataError(
        f"this data set has no {split} rows of its own; it has {', '.join(card.splits)}",
        source=source,
        remedy="Hold rows out of its train split.",
    )


def _download(source: str, card: TaskCard | None, split: str, label: str, hidden: int | None) -> Table:
    looked = f"nor under {MIRROR} ({os.environ.get(MIRROR) or 'not set'})"
    try:
        import datasets  # noqa: PLC0415 - of the train extra, and slow to load
    except ImportError:
        raise MissingExtraError(
            f"{label} is neither a file here {looked}; loading it from the hub", "train"
        ) from None
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    owner, name, *config = source.split("/")
    if not config and card is not None and card.config is not None:
        config = [card.config]
    try:
        dataset: Any = datasets.load_dataset(f"{owner}/{name}", *config, split=split)
    except Exception as error:  # noqa: BLE001 - whatever the network, the hub or its cache raise
        suggestion = "" if card is not None else nearest(source, known_sources())
        raise DataError(
            f"is neither a file here {looked}, and the hub did not give it: {reason(error)}{suggestion}",
            source=label,
            remedy=f"Check the name and the network, or put {source}/{split}.parquet into a folder that the "
            f"environment variable {MIRROR} names.",
        ) from None
    names = tuple(dataset.column_names)
    refuse_duplicates(names, label)
    if not len(dataset):
        raise DataError("there are no rows", source=label, remedy="Choose another split.")
    rows = range(1, len(dataset) + 1)
    return Table(
        label, names, rows, lambda column: list(dataset[column]), integers_as_floats=True, hidden_label=hidden
    )
