"""From float weights to int8, with the multipliers that bring accumulators to the next tensor's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.errors import ModelError
from embbert.quant.arithmetic import LIMITS
from embbert.quant.overflow import INT32_MAX, worst_accumulator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.floating[Any]]

BIAS_LIMIT = 2**30


@dataclass(frozen=True)
class IntegerMatrix:
    """A quantised matrix, its bias, and the fixed-point factor of each output channel.

    `weight` int8 in [−127, 127] in the layout it was given, `bias` int32 in units of input scale × weight
    scale,
    `multiplier` int32 per channel and one `shift`.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: int


def half_up(value: Real) -> NDArray[np.int64]:
    """Nearest integer, halves up: the rounding rule of the format, applied to reals."""
    return np.floor(np.asarray(value, dtype=np.float64) + 0.5).astype(np.int64)


def fixed_point(name: str, factors: Real) -> tuple[NDArray[np.int32], int]:
    """Per-channel factors as int32 multipliers over one power of two: factor ≈ multiplier / 2^shift.

    The shift is the largest of 1…62 for which every multiplier is below 2^31.

    Raises:
        ModelError: a factor of 2^29 or more, or not finite; the message names the operator.
    """
    largest = float(np.abs(factors).max())
    if not largest < 2.0**29:
        raise ModelError(
            f"{name}: a requantisation factor is {largest:g}; the float weights cannot be represented"
        )
    shift = 62
    if largest > 0.0:
        shift = min(62, 30 - int(np.floor(np.log2(largest))))
        while np.abs(half_up(np.ldexp(factors, shift))).max() > INT32_MAX:
            shift -= 1
    return half_up(np.ldexp(np.asarray(factors, dtype=np.float64), shift)).astype(np.int32), shift


def quantize_matrix(
    name: str,
    weight: Real,
    bias: Real | None,
    *,
    input_scale: float,
    input_limit: int,
    output_scale: float,
    axis: int = 1,
    gain: float = 1.0,
) -> IntegerMatrix:
    """Quantise a matrix per output channel.

    Args:
        name: of the operator, for messages.
        weight: finite, [out, in] with axis 1, or [in, out] with axis 0; `axis` is the one summed over.
        bias: [out], or None for zero.
        input_scale: real value of one unit of the input.
        input_limit: largest magnitude of the input, in units.
        output_scale: real value of one unit of the output.
        axis: the axis of `weight` that is summed over.
        gain: a constant factor on the output.

    A channel's scale is its largest weight / 127, or as much wider as bias and accumulator need to stay
    inside int32.

    Raises:
        ModelError: factors that no fixed-point number holds.
    """
    real = np.asarray(weight, dtype=np.float64)
    offset = np.zeros(real.shape[1 - axis]) if bias is None else np.asarray(bias, dtype=np.float64)
    scale = np.abs(real).max(axis=axis) / LIMITS["int8"]
    scale = np.maximum(scale, np.abs(offset) / (input_scale * BIAS_LIMIT))
    scale = _some_scale(scale)
    while True:
        units = half_up(real / np.expand_dims(scale, axis)).astype(np.int8)
        integer_bias = half_up(offset / (input_scale * scale)).astype(np.int32)
        if worst_accumulator(units, integer_bias, input_limit, axis) <= INT32_MAX:
            break
        scale = scale * 2.0
    multiplier, shift = fixed_point(name, input_scale * scale * gain / output_scale)
    return IntegerMatrix(units, integer_bias, multiplier, shift)


def _some_scale(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Channels of zeros take the smallest scale of the others: a larger one would cost them their bits."""
    smallest = scale[scale > 0.0].min(initial=np.inf)
    return np.where(scale > 0.0, scale, smallest if np.isfinite(smallest) else 1.0)


def quantize_columns(table: Real) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """An embedding table [entries, r] as int8 with one scale per column: (units, scales [r])."""
    real = np.asarray(table, dtype=np.float64)
    scale = np.abs(real).max(axis=0) / LIMITS["int8"]
    scale = _some_scale(scale)
    return half_up(real / scale).astype(np.int8), scale
