"""JSON lines: one object per line."""

from __future__ import annotations

import json

from embbert.data.table import Table, shorten
from embbert.errors import DataError

_LABELLED = '{"text": "…", "label": "…"}'


def read_jsonl(content: str, source: str) -> Table:
    """Rows of a JSONL text; its columns are the keys of all objects; blank lines are skipped.

    A key that an object lacks is a missing value, as null is.

    Raises:
        DataError: empty, or a line that is no JSON object or names a key twice.
    """
    rows: list[int] = []
    objects: list[dict[str, object]] = []
    names: dict[str, None] = {}
    # Only \n ends a line: splitlines() would also cut at U+2028, which JSON strings may hold.
    for line, record in enumerate(content.split("\n"), start=1):
        if record.strip():
            fields = parse_object(record, source, line)
            names.update(dict.fromkeys(fields))
            rows.append(line)
            objects.append(fields)
    if not rows:
        raise DataError(
            "the file is empty",
            source=source,
            remedy=f"Write one object per line, for example: {_LABELLED}",
        )

    def column(name: str) -> list[object]:
        return [fields.get(name) for fields in objects]

    return Table(source, tuple(names), rows, column)


def parse_object(record: str, source: str, line: int, example: str = _LABELLED) -> dict[str, object]:
    """The object in one line.

    Args:
        record: the line.
        source: for messages.
        line: its number, from 1.
        example: what a line looks like, for messages.

    Raises:
        DataError: it is no JSON object, or names a key twice.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(
                f"the key {shorten(twice)} occurs twice",
                source=source,
                row=line,
                remedy="Delete one of them.",
            )
        return fields

    try:
        value: object = json.loads(record, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        # Also numbers of more digits than Python converts, and nesting deeper than its stack.
        if isinstance(error, json.JSONDecodeError):
            fault = f"{error.msg}, column {error.colno}"
        else:
            fault = "it is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        raise DataError(
            f"this line is not valid JSON: {fault}",
            source=source,
            row=line,
            remedy=f"Write one whole object per line, for example: {example}",
        ) from None
    if not isinstance(value, dict):
        raise DataError(
            f"this line holds {shorten(value, 40)}, not an object",
            source=source,
            row=line,
            remedy="Write one object per line; a list of objects becomes that with:  jq -c '.[]' FILE",
        )
    return value
