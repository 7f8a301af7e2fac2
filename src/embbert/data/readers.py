"""One door for every source of labelled text."""

from __future__ import annotations

import re
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from embbert.data.cards import task_card
from embbert.data.columns import choose_columns
from embbert.data.decode import check_file, decode, read_file
from embbert.data.delimited import read_delimited
from embbert.data.examples import Columns, Examples
from embbert.data.hub import read_hub
from embbert.data.jsonl import read_jsonl
from embbert.data.tabular import read_parquet
from embbert.data.values import labels_of, scores_of, texts_of
from embbert.errors import DataError

if TYPE_CHECKING:
    from embbert.config import Task
    from embbert.data.table import Table

_HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}){1,2}")
_READ = (".csv", ".tsv", ".jsonl", ".parquet")
_NOT_READ = {
    ".json": "One JSON object per line is .jsonl; a list of objects becomes that with:  jq -c '.[]' FILE",
    ".ndjson": "Rename it to .jsonl.",
    ".tab": "Rename it to .tsv.",
    ".txt": "Name its columns in the first line and call it .csv (commas) or .tsv (tabs).",
    ".xls": "Save it as CSV in UTF-8.",
    ".xlsx": "Save it as CSV in UTF-8.",
    ".gz": "Unpack it first.",
    ".zip": "Unpack it first.",
    ".arrow": "Write it as Parquet.",
}
_NO_COLUMNS = Columns()


def read_examples(
    source: str,
    columns: Columns = _NO_COLUMNS,
    *,
    task: Task = "classify",
    split: str = "train",
    labelled: bool = True,
) -> Examples:
    """Read and check labelled texts; nothing unusable gets past this call.

    Args:
        source: a path ending in .csv, .tsv, .jsonl or .parquet; "-" for CSV on standard input; "home"
            for the data set that comes with the package; or a hub id "owner/name[/config]".
        columns: the columns to read; what it leaves open comes from the task card of a hub id, or is
            found by customary names.
        task: `classify` reads the label column as class names, `regress` as numbers.
        split: which split of "home" or of a hub id; a file is one split and ignores it.
        labelled: False reads texts only and needs no label column.

    Returns:
        At least one example, in the order of the source.

    Raises:
        DataError: the source cannot be found or used; the message names the file, the line or row and
            the remedy.
        UsageError: `columns` contradicts itself, or EMBBERT_DATA names no folder.
        MissingExtraError: Parquet or the hub without the train extra.
    """
    table = _read_table(source, split)
    if not is_file(source):
        columns = _with_card(columns, source)
    choice = choose_columns(table, columns, task, labelled=labelled)
    texts = texts_of(table, choice.text)
    pairs = None if choice.pair is None else texts_of(table, choice.pair)
    targets: tuple[str, ...] | tuple[float, ...] | None = None
    if choice.label is not None:
        targets = scores_of(table, choice.label) if task == "regress" else labels_of(table, choice.label)
    return Examples(texts, pairs, targets, tuple(table.rows), table.source, task)


def _read_table(source: str, split: str) -> Table:
    if source == "-":
        return read_delimited(decode(sys.stdin.buffer.read(), "stdin"), "stdin", ",")
    if source == "home":
        return _read_home(split)
    if not is_file(source):
        return read_hub(source, split)
    path = Path(source)
    ending = path.suffix.lower()
    if ending == ".parquet":
        return read_parquet(path, source)
    if ending in _READ:
        content = read_file(path)
        if ending == ".jsonl":
            return read_jsonl(content, source)
        return read_delimited(content, source, "," if ending == ".csv" else "\t")
    check_file(path)
    raise DataError(
        f"cannot tell the format from the ending {ending!r}; {', '.join(_READ)} are read",
        source=source,
        remedy=_NOT_READ.get(
            ending, "Rename it to the ending of its format, or pipe CSV in and give - instead."
        ),
    )


def is_file(source: str) -> bool:
    """Whether a source is a path, rather than "-", "home" or a hub id."""
    if source in ("-", "home"):
        return False
    path = Path(source)
    known = path.suffix.lower() in (*_READ, *_NOT_READ)
    try:
        return known or _HUB_ID.fullmatch(source) is None or path.is_file()
    except OSError:  # which is told when it is opened
        return True


def _read_home(split: str) -> Table:
    if split not in ("train", "test"):
        raise DataError(f"the home set has no {split} split", source="home", remedy="It has train and test.")
    label = f"home:{split}"
    file = resources.files("embbert.data").joinpath("home", f"{split}.csv")
    return read_delimited(decode(file.read_bytes(), label), label, ",")


def _with_card(columns: Columns, source: str) -> Columns:
    """The columns asked for, the rest from the card of a hub id."""
    card = task_card(source)
    if card is None:
        return columns
    asked = columns.text is not None or columns.pair is not None
    return Columns(
        text=columns.text if asked else card.columns.text,
        label=columns.label or card.columns.label,
        pair=columns.pair if asked else card.columns.pair,
    )
