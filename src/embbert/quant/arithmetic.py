"""Integer arithmetic of the number format, on NumPy arrays: the one rounding rule and the exact products."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int64 = NDArray[np.int64]

LIMITS = {"int8": 127, "int16": 32767, "int32": 2**31 - 1}
"""Largest magnitude of each activation type; ranges are symmetric."""


def round_shift(value: Int64, shift: int) -> Int64:
    """`(value + 2^(shift−1)) >> shift` in int64: division by 2^shift, halves up. 1 ≤ shift ≤ 62."""
    return (value + (np.int64(1) << np.int64(shift - 1))) >> np.int64(shift)


def requantize(acc: Int64, multiplier: NDArray[Any] | int, shift: int) -> Int64:
    """`round_shift(acc · multiplier, shift)`; acc and multiplier have int32 values, the product is int64."""
    return round_shift(acc * np.asarray(multiplier, dtype=np.int64), shift)


def saturate(value: Int64, dtype: str) -> NDArray[Any]:
    """clamp8, clamp16 or clamp32: to ±127, ±32767 or ±(2^31 − 1), returned in that dtype."""
    limit = LIMITS[dtype]
    return np.clip(value, -limit, limit).astype(dtype)


def exact_product(left: NDArray[Any], right: NDArray[Any]) -> Int64:
    """The product left [n, k] · right [m, k]ᵀ → [n, m] int64, exact.

    float64 holds every integer below 2^53, and an int32 accumulator never reaches that, so BLAS in float64
    computes the integer product without rounding, whatever order it sums in.
    """
    return (left.astype(np.float64) @ right.astype(np.float64).T).astype(np.int64)


def inverse_root(square_sum: int) -> tuple[int, int]:
    """(inverse, e) of the RMS norm: inverse ≈ 2^31·2^(e/2)/√square_sum, ≤ 65535; see `spec.Norm`.

    Args:
        square_sum: S ≥ 1, Σx² + epsilon.
    """
    e = 2 * ((square_sum.bit_length() - 31) // 2)
    scaled = square_sum >> e if e >= 0 else square_sum << -e
    return (2**31 - 1) // isqrt(scaled), e
