"""Small pre-trainings for the tests: text, token streams and jobs that are done in a moment."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np

import factory
from embbert.config import PretrainConfig
from embbert.train.pretraining.job import PretrainJob
from embbert.train.pretraining.progress import Meter
from embbert.train.pretraining.stream import DOCUMENT, SENTENCE, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.config import EmbbertConfig

VOCAB_SIZE, FIRST = 40, 5
QUICK = PretrainConfig(
    tokens=4096, length=32, batch_tokens=256, micro_tokens=128, warmup_steps=4, learning_rate=5e-3
)
"""16 steps of 8 rows in 2 parts, the last 2 of them of 4 rows."""

NOUNS = ("house", "river", "bird", "friend", "letter", "window", "garden", "train")
VERBS = ("sings", "runs", "sleeps", "waits", "shines", "falls")
ADJECTIVES = ("red", "green", "small", "old", "new", "quiet")


def stream(tokens: int = 6000, seed: int = 0) -> Stream:
    """Eight words in two shards; all but one in ten follow from the word before them."""
    draw = np.random.default_rng(seed)
    kinds = 8
    ids = draw.integers(kinds, size=tokens)
    for place in np.flatnonzero(draw.random(tokens) < 0.9):
        ids[place] = (3 * ids[place - 1] + 1) % kinds
    flags = np.zeros(tokens, np.uint8)
    flags[::10] |= SENTENCE
    flags[::200] |= DOCUMENT
    cut = tokens // 2 // 200 * 200
    values = (ids + FIRST).astype(np.uint16)
    return Stream([values[:cut], values[cut:]], [flags[:cut], flags[cut:]])


def of_one_document(text: Stream) -> Stream:
    """The same, with no document starting but the first."""
    flags = [marks & ~np.uint8(DOCUMENT) for marks in text.flags]
    flags[0][0] |= DOCUMENT
    return Stream(text.tokens, flags)


def model(**changes: Any) -> EmbbertConfig:
    fields = {"vocab_size": VOCAB_SIZE, "max_length": 64, "kernel_size": 4, "residual": True}
    return factory.small_config(**{**fields, **changes})


def job(config: PretrainConfig = QUICK, start: Any = None, **changes: Any) -> PretrainJob:
    return PretrainJob(model(**changes), config, stream(), stream(2000, seed=1), start)


class Killed(BaseException):
    """Ends a training without letting it save anything."""


class Recorder(Meter):
    """Takes note instead of printing, and does something after so many steps."""

    def __init__(self, after: int | None = None, do: Any = None) -> None:
        super().__init__(quiet=True)
        self.after, self.do = after, do
        self.lines: list[str] = []
        self.points: list[Any] = []
        self.steps = 0

    def say(self, line: str) -> None:
        self.lines.append(line)

    def step(self, tokens: int, seconds: float, loss: float) -> None:
        self.steps += 1
        if self.steps == self.after:
            self.do()

    def point(self, point: Any) -> None:
        self.points.append(point)


def kill() -> None:
    raise Killed


def write_text(folder: Path, files: int = 24, seed: int = 0) -> Path:
    """A folder of text files, each a document of some sentences."""
    draw = random.Random(seed)

    def sentence() -> str:
        return f"The {draw.choice(ADJECTIVES)} {draw.choice(NOUNS)} {draw.choice(VERBS)}."

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        text = "\n\n".join(" ".join(sentence() for _ in range(4)) for _ in range(6))
        (folder / f"{number:03}.txt").write_text(text)
    return folder


def contents(folder: Path) -> list[Any]:
    """What a training decides of a base folder: the card, whose sum is stated, tells times as well."""
    settings = json.loads((folder / "base.json").read_text())
    del settings["sha256"]["README.md"]
    return [*((folder / name).read_bytes() for name in ("model.safetensors", "tokenizer.json")), settings]
