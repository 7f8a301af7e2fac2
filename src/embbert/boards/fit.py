"""Whether a model fits a board, by the sizes that an export states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from embbert.blueprint import blueprint
from embbert.footprint import SMALLEST_LENGTH, STACK_BYTES, code_bytes, code_parts, deployed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embbert.boards.known import Board
    from embbert.config import ModelConfig

SELF_TEST_LINES, SELF_TEST_BYTES = 6, 540
LABEL_BYTES = 24
"""Allowed for the name of a class that has none yet."""

TABLE_BYTES, TABLE_BYTES_PER_TOKEN = 16 * 1024, 8
"""Allowed for the tables of a tokenizer that does not exist yet; that of the shipped base takes 46,968."""


@dataclass(frozen=True)
class Need:
    """Bytes that a deployed model takes, by part, in flash and in RAM."""

    flash: Mapping[str, int]
    ram: Mapping[str, int]


def needs(
    config: ModelConfig,
    classes: int,
    max_length: int | None = None,
    *,
    tokenizer: int | None = None,
    labels: Sequence[str] | None = None,
    pair: bool = False,
) -> Need:
    """What an export of the model takes, code and stack at their stated bounds.

    Args:
        config: shape of the model.
        classes: logits.
        max_length: most tokens per text; the config's own if None.
        tokenizer: bytes of the tokenizer's tables; None allows for those of a usual vocabulary.
        labels: names of the classes, empty for regression; None allows for names of LABEL_BYTES each.
        pair: whether the self-test has pairs of texts.

    Raises:
        UsageError: as for `footprint.deployed`.
    """
    found = deployed(config, classes, max_length)
    drawn = blueprint(config, classes)
    operators = sum(len(stage.steps) for stage in drawn.stages)
    names = classes * LABEL_BYTES if labels is None else sum(len(label.encode()) for label in labels)
    code = code_bytes(code_parts(drawn), operators, SELF_TEST_LINES)
    code += names + 9 * (classes if labels is None else len(labels))
    code += SELF_TEST_BYTES * (2 if pair else 1) + SELF_TEST_LINES * (2 + 4 * classes)
    if tokenizer is None:
        tokenizer = TABLE_BYTES + TABLE_BYTES_PER_TOKEN * config.vocab_size
    return Need(
        {"constants": found.constant_bytes, "tokenizer": tokenizer, "code": code},
        {"arena": found.arena_bytes, "stack": STACK_BYTES},
    )


def lacking(need: Need, board: Board) -> dict[str, int]:
    """Missing bytes by memory, `flash` or `RAM`; empty if the model fits."""
    taken = {"flash": sum(need.flash.values()), "RAM": sum(need.ram.values())}
    has = {"flash": board.flash_bytes.value, "RAM": board.ram_bytes.value}
    missing = {name: size - int(cast("float", has[name])) for name, size in taken.items()}
    return {name: count for name, count in missing.items() if count > 0}


def longest(board: Board, config: ModelConfig, classes: int, **known: Any) -> int | None:  # noqa: ANN401
    """The largest `max_length` up to the model's own with which it fits; None if it never does.

    `known` is what else `needs` takes. Need grows with the length, so halving finds it.
    """
    low, high = SMALLEST_LENGTH - 1, config.max_length
    while low < high:
        middle = (low + high + 1) // 2
        if lacking(needs(config, classes, middle, **known), board):
            high = middle - 1
        else:
            low = middle
    return low if low >= SMALLEST_LENGTH else None
