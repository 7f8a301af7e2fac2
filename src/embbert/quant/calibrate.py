"""Static calibration: which real value one unit of each activation stands for."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from embbert.errors import DataError, ModelError
from embbert.quant.arithmetic import LIMITS
from embbert.quant.float_model import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from embbert.blueprint.steps import Blueprint

    Float = NDArray[np.float32]

HEADROOM = 2.0
"""int16 tensors take this many times the largest calibrated value: they have bits to spare, and a clipped
residual stream is costly."""

KEEP = 1 << 18
"""Values kept per tensor for the search of the clipping point."""

CANDIDATES = np.linspace(0.2, 1.0, 81)
"""Clipping points tried, as shares of the largest value."""


CALIBRATION_TEXTS = 512
"""The most texts that calibration runs."""


def calibration_rows(count: int) -> range:
    """At most CALIBRATION_TEXTS of `count` rows, evenly spaced: files are often sorted by label."""
    return range(0, count, -(-count // CALIBRATION_TEXTS))


def evenly(size: int, count: int, *, start: int = 0) -> NDArray[np.int64]:
    """At most `count` places of `size`, spread over rows and over columns, however many columns there are.

    A stride without a common divisor with `size` has none with the columns either, so it visits them all in
    turn; the golden section of `size` keeps its places apart.
    """
    if size <= count:
        return np.arange(size)
    stride = int(size * (5**0.5 - 1) / 2)
    while gcd(stride, size) > 1:
        stride += 1
    return (start + stride * np.arange(count)) % size


class Ranges:
    """Largest magnitude of every observed tensor, and an even sample of its values."""

    def __init__(self, texts: int) -> None:
        self._share = max(1, KEEP // texts)
        self._largest: dict[str, float] = {}
        self._samples: dict[str, list[Float]] = {}
        self._scales: dict[str, float] = {}

    def observe(self, name: str, value: Float) -> None:
        """Take in one tensor of one text.

        Raises:
            ModelError: the float model produces NaN or infinity.
        """
        flat = np.abs(value).ravel()
        largest = float(flat.max())
        if not np.isfinite(largest):
            raise ModelError(
                f"the float model produces {largest} at {name}: it cannot be quantised; train it again"
            )
        self._largest[name] = max(self._largest.get(name, 0.0), largest)
        kept = self._samples.setdefault(name, [])
        kept.append(flat[evenly(flat.size, self._share, start=len(kept))])

    def int16_scale(self, *names: str) -> float:
        """One unit of an int16 tensor that holds all the named observations, with headroom."""
        largest = max(self._largest[name] for name in names)
        return (HEADROOM * largest or 1.0) / LIMITS["int16"]

    def int8_scale(self, name: str) -> float:
        """One unit of an int8 tensor: the clipping point of least mean squared error on the sample."""
        if name not in self._scales:
            self._scales[name] = self._search(name)
        return self._scales[name]

    def _search(self, name: str) -> float:
        largest = self._largest[name]
        if largest == 0.0:
            return 1.0 / LIMITS["int8"]
        values = np.concatenate(self._samples[name]).astype(np.float64)
        best_scale, best_error = largest / LIMITS["int8"], np.inf
        for share in CANDIDATES:
            scale = share * largest / LIMITS["int8"]
            error = float(
                np.square(np.minimum(np.rint(values / scale), LIMITS["int8"]) * scale - values).mean()
            )
            if error <= best_error:
                best_scale, best_error = float(scale), error
        return best_scale


def calibrate(drawn: Blueprint, weights: Mapping[str, Float], texts: Sequence[Sequence[int]]) -> Ranges:
    """Run the float model over calibration texts and record what its activations reach.

    Args:
        drawn: the blueprint.
        weights: float32 arrays by state-dict name.
        texts: token ids, each 1 … max_length long.

    Raises:
        DataError: no texts.
        ModelError: the float model produces NaN or infinity.
    """
    if not texts:
        raise DataError("calibration needs at least one text", remedy="give a file with --calibrate FILE")
    ranges = Ranges(len(texts))
    for ids in texts:
        run(drawn, weights, ids, ranges.observe)
    return ranges
