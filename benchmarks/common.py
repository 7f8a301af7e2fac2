"""What several benchmarks share: provenance, spread over seeds, a text and a clock for measuring speed."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean, pstdev

import numpy as np

from embbert.train.pretraining.progress import Meter
from embbert.train.pretraining.stream import DOCUMENT, SENTENCE, Stream

RESULTS = Path(__file__).parent / "results"


def spread(values: list[float], scale: float = 100.0, digits: int = 2) -> str:
    """Mean ± population standard deviation, or the one value; in % unless scaled otherwise."""
    middle = f"{scale * mean(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ± {scale * pstdev(values):.{digits}f}"


def random_text(tokens: int, vocab_size: int) -> Stream:
    """Random tokens in sentences of about twenty: time does not depend on which they are."""
    random = np.random.default_rng(0)
    ids = random.integers(5, vocab_size, tokens).astype(np.uint16)
    flags = np.where(random.random(tokens) < 0.05, SENTENCE, 0).astype(np.uint8)
    flags[0] |= SENTENCE | DOCUMENT
    return Stream([ids], [flags])


class Clock(Meter):
    """Notes when each step ended."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.ends: list[float] = []

    def step(self, tokens: int, seconds: float, loss: float) -> None:  # noqa: ARG002 - the interface
        """One step is done."""
        self.ends.append(time.perf_counter())
