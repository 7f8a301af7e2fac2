"""Which columns hold the texts and the labels: as asked, as customary, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embbert.data.table import Table, listed, nearest, shorten
from embbert.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.config import Task
    from embbert.data.examples import Columns

# The first name of each list wins over the others; the others must be alone.
TEXT_NAMES = (
    *("text", "sentence", "utterance", "content", "review", "tweet", "query", "message", "comment"),
    *("question", "phrase", "document", "body", "sms", "command", "input"),
)
LABEL_NAMES = (
    *("label", "labels", "category", "intent", "class", "target", "sentiment", "motion", "emotion"),
    *("topic", "tag", "scenario"),
)
SCORE_NAMES = ("label", "score", "target", "rating", "similarity", "value", "stars")
PAIR_NAMES = (
    *(("sentence1", "sentence2"), ("text1", "text2"), ("text_a", "text_b"), ("sentence_a", "sentence_b")),
    *(("question1", "question2"), ("premise", "hypothesis")),
)


@dataclass(frozen=True)
class Choice:
    """Names of the chosen columns; `pair` and `label` are None when the rows have none."""

    text: str
    pair: str | None
    label: str | None


def choose_columns(table: Table, asked: Columns, task: Task, *, labelled: bool) -> Choice:
    """Settle the columns of a table.

    Args:
        table: the source.
        asked: what the user or the task card names.
        task: which names are customary for the label.
        labelled: whether a label column is needed.

    Raises:
        UsageError: `asked` contradicts itself.
        DataError: an asked column is not there, or none can be told to be the right one.
    """
    if asked.text is not None and asked.pair is not None:
        raise UsageError("give either --text COL or --pair COL COL, not both")
    wanted = [("--text", asked.text), *(("--pair", name) for name in asked.pair or ())]
    if labelled:
        wanted.append(("--label", asked.label))
    named = [(option, name) for option, name in wanted if name is not None]
    for index, (option, name) in enumerate(named):
        if name not in table.names:
            raise DataError(
                f"no column is called {name!r}{nearest(name, table.names)}; {_listing(table)}",
                source=table.source,
                remedy=f"Name a column that exists with {option}.",
            )
        if name in [other for _, other in named[:index]]:
            raise UsageError(f"column {name!r} is asked for twice: texts, pair and label differ")

    label = asked.label if labelled else None
    text, pair = asked.pair or (asked.text, None)
    if text is None:
        text, pair = _find_texts(table, label)
    if labelled and label is None:
        label = _find_label(table, (text, pair), SCORE_NAMES if task == "regress" else LABEL_NAMES)
    if text is None:
        text = _find_by_content(table, label, labelled=labelled)
        if labelled and label is None:
            label = _other(table, (text, None))
    if text is None:
        raise _unclear(table, "text", "--text COL (or --pair COL COL)")
    if labelled and label is None:
        raise _unclear(table, "label", "--label COL")
    return Choice(text, pair, label)


def _find_texts(table: Table, label: str | None) -> tuple[str | None, str | None]:
    free = [name for name in table.names if name != label]
    lower = _by_lower_case(free)
    if TEXT_NAMES[0] not in lower:
        for first, second in PAIR_NAMES:
            if first in lower and second in lower:
                alone = len(lower[first]) == len(lower[second]) == 1
                return (lower[first][0], lower[second][0]) if alone else (None, None)
    return _customary(free, TEXT_NAMES), None


def _find_label(table: Table, taken: tuple[str | None, str | None], names: Sequence[str]) -> str | None:
    found = _customary([name for name in table.names if name not in taken], names)
    if found is None and taken[0] is not None:
        return _other(table, taken)
    return found


def _other(table: Table, taken: tuple[str | None, str | None]) -> str | None:
    """The only named column besides those taken."""
    rest = [name for name in table.names if name and name not in taken]
    return rest[0] if len(rest) == 1 else None


def _customary(names: Sequence[str], customary: Sequence[str]) -> str | None:
    lower = _by_lower_case(names)
    found = lower.get(customary[0], [])
    if len(found) != 1:
        found = [name for wanted in customary for name in lower.get(wanted, [])]
    return found[0] if len(found) == 1 else None


def _by_lower_case(names: Sequence[str]) -> dict[str, list[str]]:
    """Names by what they are in lower case; one that is written so stands for all that are alike."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.lower(), []).append(name)
    return {lower: [lower] if lower in alike else alike for lower, alike in found.items()}


def _find_by_content(table: Table, label: str | None, *, labelled: bool) -> str | None:
    """The text column of a table whose names say nothing: what is left over, or what repeats less."""
    named = [name for name in table.names if name]
    if label is not None or not labelled:
        return _other(table, (label, None))
    if len(named) != 2 or named[0].lower() == named[1].lower():
        return None
    counts = [len({str(value) for value in table.column(name)}) for name in named]
    if not 2 * min(counts) <= max(counts):
        return None
    text, label = (named[0], named[1]) if counts[0] > counts[1] else (named[1], named[0])
    if label in {str(value) for value in table.column(label)}:
        raise DataError(
            f"the first line looks like data, not like column names: {label!r} occurs below it as well",
            source=table.source,
            remedy="Put a line with the column names in front, for example: text,label",
        )
    return text


def _unclear(table: Table, role: str, option: str) -> DataError:
    return DataError(
        f"cannot tell which column holds the {role}; {_listing(table)}",
        source=table.source,
        remedy=f"Name it with {option}.",
    )


def _listing(table: Table) -> str:
    return f"columns: {listed([shorten(name, 40) for name in table.names])}"
