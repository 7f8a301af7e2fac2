"""What is known of each board: `boards.json`, every figure with its source."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from embbert.errors import UsageError


@dataclass(frozen=True)
class Figure:
    """A number of a board.

    Attributes:
        value: None if no source for it was found.
        source: key into `sources()`; None if there is no value.
        where: page, table or section of the source.
        note: what else to know.
    """

    value: float | None
    source: str | None
    where: str
    note: str = ""


@dataclass(frozen=True)
class Board:
    """A board, or a microcontroller on it. Flash, RAM and clock are always known.

    Attributes:
        name: what `--board` takes.
        title: what people call it.
        mcu: the microcontroller.
        core: key into CORES.
        flash_bytes: for the program and its constants.
        ram_bytes: as one block if that is known; else the note says so.
        clock_mhz: the highest of the core.
        current_ma: drawn while computing at that clock.
        supply_v: at which it is drawn.
    """

    name: str
    title: str
    mcu: str
    core: str
    flash_bytes: Figure
    ram_bytes: Figure
    clock_mhz: Figure
    current_ma: Figure
    supply_v: Figure


@cache
def _data() -> dict[str, Any]:
    text = (resources.files("embbert.boards") / "boards.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def sources() -> dict[str, dict[str, str | None]]:
    """Every document by key: `document`, `publisher`, `revision`, and how it was `seen`."""
    return dict(_data()["sources"])


@cache
def boards() -> dict[str, Board]:
    """Every known board by name, in order of names."""
    figures = ("flash_bytes", "ram_bytes", "clock_mhz", "current_ma", "supply_v")
    found = {}
    for entry in _data()["boards"]:
        given: dict[str, Any] = {
            key: Figure(**value) if key in figures else value for key, value in entry.items()
        }
        found[entry["name"]] = Board(**given)
    return found


def find(name: str) -> Board:
    """The board of that name; case does not matter.

    Raises:
        UsageError: there is none; the message names the nearest, also for the name of a microcontroller.
    """
    known = boards()
    word = name.lower()
    if word in known:
        return known[word]
    spellings = {
        spelling.lower(): board.name for board in known.values() for spelling in (board.name, board.mcu)
    }
    match = difflib.get_close_matches(word, spellings, n=1)
    hint = f" (did you mean {spellings[match[0]]!r}?)" if match else ""
    raise UsageError(f"no board is called {name!r}{hint}; see  embbert size --boards")
