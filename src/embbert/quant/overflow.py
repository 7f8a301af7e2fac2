"""Proof, from the actual weights, that no intermediate of a plan can overflow its type.

For every operator the largest magnitude its int32 accumulator can reach over all inputs is computed
exactly: inputs are bounded by their type (±127 or ±32767), weights are known. What cannot be proved is
refused by name.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from embbert.errors import ModelError
from embbert.quant.arithmetic import LIMITS
from embbert.quant.spec import (
    EXP_ONE,
    Attend,
    Bag,
    Conv,
    Embed,
    EmbedWide,
    LayerNorm,
    Linear,
    LookUp,
    Norm,
    Plan,
    Pool,
    PoolRms,
    Rescale,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.quant.spec import Op

INT32_MAX = 2**31 - 1


def worst_accumulator(weight: NDArray[np.int8], bias: NDArray[np.int32], input_limit: int, axis: int) -> int:
    """Largest |bias + Σ weight·x| over |x| ≤ input_limit, over all output channels (exact Python integer)."""
    reach = np.abs(weight.astype(np.int64)).sum(axis=axis) * input_limit + np.abs(bias.astype(np.int64))
    return int(reach.max())


def prove(plan: Plan) -> dict[str, int]:
    """Worst accumulator of every operator, by `<stage>.<operator>`.

    Raises:
        ModelError: an operator whose accumulator could leave int32; the message names it.
    """
    bounds: dict[str, int] = {}
    for stage in plan.stages:
        for op in stage.ops:
            bound = _worst(plan, op)
            name = f"{stage.name}.{op.name}"
            if bound > INT32_MAX:
                raise ModelError(
                    f"{name}: its accumulator can reach {bound}, more than int32 holds ({INT32_MAX}); "
                    "the weights cannot be used as they are: quantise the float model again"
                )
            bounds[name] = bound
    return bounds


def _worst(plan: Plan, op: Op) -> int:
    if isinstance(op, Linear):
        return worst_accumulator(op.weight, op.bias, LIMITS[plan.tensor(op.source).dtype], axis=1)
    if isinstance(op, Conv):
        return worst_accumulator(op.weight, op.bias, LIMITS["int8"], axis=0)
    if isinstance(op, Embed):
        token = np.abs(op.token_table.astype(np.int64)) @ np.abs(op.token_weight.astype(np.int64)).T
        position = np.abs(op.position_table.astype(np.int64)) @ np.abs(op.position_weight.astype(np.int64)).T
        return int(max(token.max(), position.max()))
    if isinstance(op, Attend):
        difference = 2 * LIMITS["int8"] ** 2 * plan.tensor(op.keys).cols
        return max(difference, EXP_ONE * LIMITS["int8"] * plan.max_length)
    if isinstance(op, Norm):
        return LIMITS["int16"] * 65535  # x · inverse; the sum of squares is 64-bit
    if isinstance(op, LayerNorm):
        columns = plan.tensor(op.source).cols
        return max(LIMITS["int16"] * 65535, 2 * LIMITS["int16"] * columns + columns)  # and twice the sum
    if isinstance(op, Pool):
        return plan.max_length * LIMITS[plan.tensor(op.source).dtype]
    if isinstance(op, PoolRms):
        return plan.max_length * LIMITS["int8"] ** 2
    if isinstance(op, Bag):
        # The root is at least 255·√n, so what is divided by it stays below this; with one id less it is less.
        root = isqrt(plan.bag_ids - 1) + 1
        largest = int(np.abs(op.weight.astype(np.int64)).max())
        return largest * max(plan.bag_ids, (root << 31) // (255 * 256) + 1)
    if isinstance(op, Rescale):
        return LIMITS[plan.tensor(op.source).dtype]
    if isinstance(op, EmbedWide | LookUp):
        return LIMITS["int8"]  # an entry of a table, never a sum
    # Add; of logits the sum is 64-bit.
    return INT32_MAX if plan.tensor(op.out).dtype == "int32" else 2 * LIMITS["int16"]
