"""The rows of a task: read, held out where there is no test set, checked against its card."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from embbert.data import encode_targets, label_names, read_examples, split_validation
from embbert.data import task_card as data_card
from embbert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.bench.tasks import EvalSet, TaskCard
    from embbert.data import Examples

FRACTION, SEED = 0.1, 20_250_214
"""Of the rows that are held out of a set without test rows."""

AS_PUBLISHED, STORED, SEEDED = "splits of the source", "stored test rows", "seeded rule on other rows"


@dataclass(frozen=True)
class TaskData:
    """What a task consists of here.

    Attributes:
        train: all training rows; systems hold their validation rows out of them.
        tests: by name of the test set.
        labels: classes as the data write them, in the order of their numbers; none for values.
        names: the same as people read them.
        split: where the test rows come from: `AS_PUBLISHED`, `STORED` or `SEEDED`.
        partial: what is missing of the complete set, or None.
    """

    train: Examples
    tests: dict[str, Examples]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    split: str
    partial: str | None

    def targets(self, examples: Examples) -> Any:  # noqa: ANN401 - class numbers or values
        """[n] class numbers (int64) or values (float64)."""
        import numpy as np  # noqa: PLC0415 - listing tasks needs none

        if examples.task == "regress":
            return np.array(examples.targets, dtype=np.float64)
        return encode_targets(examples, self.labels)


def load(card: TaskCard) -> TaskData:
    """Read the rows of a task.

    Raises:
        DataError: they cannot be read, or contradict the card.
        MissingExtraError: Parquet or the hub without the train extra.
    """
    train = read_examples(
        card.source, card.columns, task=card.kind, split=_role(card.source, card.training_split)
    )
    whole, split, tests = train, AS_PUBLISHED, {}
    for test in card.tests:
        if test.split is None and test.source is None:
            kept, held, split = hold_out(card.name, whole)
            train, tests[test.name] = whole.take(kept), whole.take(held)
        else:
            tests[test.name] = _test_rows(card, test)
    labels = label_names(train) if card.kind == "classify" else ()
    names = _names(card, labels, train.source)
    for name, rows in tests.items():
        if rows.fingerprint() == train.fingerprint():
            raise DataError(f"the test rows of {name!r} are the training rows", source=rows.source)
        if labels:
            encode_targets(rows, labels)
        if (rows.pairs is None) != (train.pairs is None):
            raise DataError(
                "the training rows are pairs and these are not, or the reverse", source=rows.source
            )
    found = {"train": len(whole), **{name: len(rows) for name, rows in tests.items()}}
    lacking = any(found[name] < rows for name, rows in (card.rows or {}).items())
    return TaskData(train, tests, labels, names, split, card.partial if lacking else None)


def hold_out(name: str, rows: Examples) -> tuple[list[int], list[int], str]:
    """Positions to train on, positions to test on, and where they come from.

    The test rows of the known sets are stored; other rows are split by the same rule and seed.
    """
    stored = _stored(name)
    if stored is not None and stored["fingerprint"] == rows.fingerprint():
        held: list[int] = stored["test"]
        out = set(held)
        return [index for index in range(len(rows)) if index not in out], held, STORED
    kept, held = split_validation(rows, FRACTION, SEED)
    return kept, held, SEEDED


def _stored(name: str) -> dict[str, Any] | None:
    file = resources.files("embbert.bench").joinpath("splits", f"{name}.json")
    if not file.is_file():
        return None
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def _test_rows(card: TaskCard, test: EvalSet) -> Examples:
    source = test.source or card.source
    if test.split is None:  # a file
        return read_examples(source, card.columns, task=card.kind)
    return read_examples(source, card.columns, task=card.kind, split=_role(source, test.split))


def _role(source: str, split: str) -> str:
    """The reader's name of a hub split: it calls GLUE's public validation rows the test rows."""
    card = data_card(source)
    roles = {} if card is None else {hub: role for role, hub in card.splits.items()}
    return roles.get(split, split)


def _names(card: TaskCard, labels: Sequence[str], source: str) -> tuple[str, ...]:
    if not card.labels:
        return tuple(labels)
    numbers = tuple(str(number) for number in range(len(card.labels)))
    if tuple(labels) != numbers and tuple(labels) != card.labels:
        raise DataError(
            f"the classes are {', '.join(labels)}; the card of {card.name} has {', '.join(card.labels)}",
            source=source,
            remedy="Correct the labels of the card, or the data.",
        )
    return card.labels


def without_labels(examples: Examples) -> Examples:
    """The same rows with their targets taken away, as a system sees test rows."""
    return replace(examples, targets=None)
