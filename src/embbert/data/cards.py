"""Task cards: what the columns and splits of well-known hub data sets are called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from embbert.data.examples import Columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embbert.config import Task


@dataclass(frozen=True)
class TaskCard:
    """How a hub data set is used; the cards are the entries of `tasks.json`.

    Attributes:
        columns: its text (or pair) and label columns.
        task: what the label column holds.
        splits: which hub split serves as `train`, `validation` and `test`; a missing one has to be
            held out of `train`. For GLUE the public validation split is `test`, for the labels of its
            test splits are not published.
        config: the configuration that the hub needs and that users need not name.
    """

    columns: Columns
    task: Task
    splits: Mapping[str, str]
    config: str | None


def task_card(source: str) -> TaskCard | None:
    """The card of a hub id "owner/name[/config]", or None."""
    cards = _cards()
    if source in cards:
        return cards[source]
    owner_name, _, config = source.rpartition("/")
    card = cards.get(owner_name)
    return card if card is not None and card.config == config else None


def known_sources() -> tuple[str, ...]:
    """The hub ids that have a card."""
    return tuple(_cards())


@cache
def _cards() -> dict[str, TaskCard]:
    content = resources.files("embbert.data").joinpath("tasks.json").read_text(encoding="utf-8")
    return {
        source: TaskCard(
            columns=Columns(
                text=card.get("text"),
                label=card["label"],
                pair=tuple(card["pair"]) if "pair" in card else None,
            ),
            task=card["task"],
            splits=card["splits"],
            config=card.get("config"),
        )
        for source, card in json.loads(content).items()
    }
