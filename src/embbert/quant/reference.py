"""THE specification: runs a plan in integer arithmetic with NumPy. C equals this, bit for bit.

Each function below is one operator of `quant.spec`, vectorised over the rows of a text. The tests hold a
second, naive implementation in plain Python integers against it.
"""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.errors import DataError
from embbert.quant.arithmetic import (
    exact_product,
    inverse_root,
    requantize,
    round_shift,
    saturate,
)
from embbert.quant.spec import (
    EXP_STEPS,
    SEP,
    Add,
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
    exp_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from embbert.quant.spec import Op

    Rows = NDArray[Any]
    Trace = Callable[[str, NDArray[Any]], None]


def run(plan: Plan, ids: Sequence[int], trace: Trace | None = None) -> NDArray[np.int32]:
    """Run a plan on one text.

    Args:
        plan: a validated plan.
        ids: token ids of the text, least_ids … max_length of them, no padding; behind them those of its
            n-grams, at most max_ngrams, if the plan has n-grams beside tokens.
        trace: called after every operator with `<stage>.<operator>` and the rows it wrote,
            [rows visited, cols] in the tensor's dtype.

    Returns:
        Logits [classes] int32, in units of 1/65536.

    Raises:
        DataError: too few ids, too many, or one outside the vocabulary.
    """
    tokens, numbers = _split(plan, np.asarray(ids, dtype=np.int64))
    least = plan.least_ids
    if not least <= tokens.size <= plan.max_length:
        raise DataError(f"a text must have {least} to {plan.max_length} tokens, this one has {tokens.size}")
    if numbers.size > plan.bag_ids:
        raise DataError(f"a text must have at most {plan.bag_ids} n-grams, this one has {numbers.size}")
    for what, found, size in (("token", tokens, plan.vocab_size), ("n-gram", numbers, plan.bag_size)):
        if found.size and (found.min() < 0 or found.max() >= size):
            raise DataError(f"{what} ids must be in 0..{size - 1}, found {found.min()}..{found.max()}")
    counts = {"text": tokens.size, "first": 1, "one": 1}
    store: dict[str, Rows] = {
        t.name: np.zeros((tokens.size if t.span != "one" else 1, t.cols), dtype=t.dtype) for t in plan.tensors
    }
    for stage in plan.stages:
        count = counts[stage.rows]
        for op in stage.ops:
            out = _apply(op, store, tokens, numbers, count)
            store[op.out][: len(out)] = out
            if trace is not None:
                trace(f"{stage.name}.{op.name}", out)
    logits: NDArray[np.int32] = store[plan.output][0].astype(np.int32)
    return logits


def _split(plan: Plan, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens, and the numbers of the n-grams: all ids where there are no tokens beside them."""
    if not plan.ngrams:
        return ids, ids
    beyond = np.flatnonzero(ids >= plan.vocab_size)
    first = int(beyond[0]) if beyond.size else ids.size
    return ids[:first], ids[first:] - plan.vocab_size


def predict(plan: Plan, ids_list: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    """Logits [texts, classes] int32 of many texts, each at its own length."""
    out = np.zeros((len(ids_list), plan.classes), dtype=np.int32)
    for index, ids in enumerate(ids_list):
        out[index] = run(plan, ids)
    return out


def _apply(
    op: Op, store: dict[str, Rows], tokens: NDArray[np.int64], numbers: NDArray[np.int64], count: int
) -> Rows:
    """The rows that `op` writes, for the first `count` rows of the text."""
    if isinstance(op, Embed):
        return _embed(op, tokens[:count])
    if isinstance(op, EmbedWide):
        return _embed_wide(op, tokens[:count])
    if isinstance(op, Norm):
        return _norm(op, store[op.source][:count])
    if isinstance(op, LayerNorm):
        return _layer_norm(op, store[op.source][:count])
    if isinstance(op, Linear):
        return _linear(op, store[op.source][:count], store[op.out][:count])
    if isinstance(op, Attend):
        return _attend(op, store[op.query][:count], store[op.keys], store[op.values])
    if isinstance(op, Conv):
        return _conv(op, store[op.source], count)
    if isinstance(op, Add):
        previous = store[op.out][:count]
        return saturate(previous.astype(np.int64) + store[op.source][:count], previous.dtype.name)
    if isinstance(op, Rescale):
        return _rescale(op, store[op.source][:count], store[op.out][:count])
    if isinstance(op, LookUp):
        return op.table[store[op.source][:count].astype(np.int64) + 128]
    if isinstance(op, PoolRms):
        return _pool_rms(store[op.source][:count])
    if isinstance(op, Bag):
        return _bag(op, numbers)
    return _pool(op, store[op.source][:count])


def _embed(op: Embed, tokens: NDArray[np.int64]) -> Rows:
    token = requantize(
        exact_product(op.token_table[tokens], op.token_weight), op.token_multiplier, op.token_shift
    )
    position = requantize(
        exact_product(op.position_table[: len(tokens)], op.position_weight),
        op.position_multiplier,
        op.position_shift,
    )
    return saturate(token + position + op.segment_table[_segments(tokens)], "int16")


def _embed_wide(op: EmbedWide, tokens: NDArray[np.int64]) -> Rows:
    table, positions = op.token_table.astype(np.int64), op.position_table.astype(np.int64)
    token = requantize(table[tokens], op.token_multiplier, op.token_shift)
    position = requantize(positions[: len(tokens)], op.position_multiplier, op.position_shift)
    return saturate(token + position + op.segment_table[_segments(tokens)], "int16")


def _segments(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 before the first [SEP], 1 from it onward."""
    return (np.cumsum(tokens == SEP) > 0).astype(np.int64)


def _norm(op: Norm, x: Rows) -> Rows:
    wide = x.astype(np.int64)
    out = np.zeros(x.shape, dtype=np.int8)
    for row, square_sum in enumerate((wide * wide).sum(axis=1)):
        inverse, e = inverse_root(int(square_sum) + op.epsilon)
        out[row] = saturate(round_shift(wide[row] * inverse * op.gain, op.shift + e // 2), "int8")
    return out


def _layer_norm(op: LayerNorm, x: Rows) -> Rows:
    cols = x.shape[1]
    wide = x.astype(np.int64)
    mean = (2 * wide.sum(axis=1, keepdims=True) + cols) // (2 * cols)
    centred = saturate(wide - mean, "int16").astype(np.int64)
    out = np.zeros(x.shape, dtype=np.int8)
    for row, square_sum in enumerate((centred * centred).sum(axis=1)):
        inverse, e = inverse_root(int(square_sum) + op.epsilon)
        shift = op.shift + e // 2
        bias = op.bias.astype(np.int64) << np.int64(shift - 8)
        out[row] = saturate(round_shift(centred[row] * inverse * op.gain + bias, shift), "int8")
    return out


def _linear(op: Linear, x: Rows, previous: Rows) -> Rows:
    y = requantize(exact_product(x, op.weight) + op.bias, op.multiplier, op.shift)
    return saturate(y + previous if op.accumulate else y, previous.dtype.name)


def _rescale(op: Rescale, x: Rows, previous: Rows) -> Rows:
    y = requantize(x.astype(np.int64), op.multiplier, op.shift)
    return saturate(y + previous if op.accumulate else y, previous.dtype.name)


def _attend(op: Attend, query: Rows, keys: Rows, values: Rows) -> Rows:
    score = exact_product(query, keys)
    power = requantize(score.max(axis=1, keepdims=True) - score, op.exp_multiplier, op.exp_shift)
    weight = _exponential(power)
    total = weight.sum(axis=1, keepdims=True)
    mix = exact_product(weight, values.T)
    ratio = (np.int64(op.out_multiplier) * (1 << 24) + total // 2) // total
    return saturate(round_shift(mix * ratio, op.out_shift), "int8")


def _exponential(power: NDArray[np.int64]) -> NDArray[np.int64]:
    """EXP_ONE·2^(−power/256), rounded, from the table; 0 from 16 halvings on."""
    near = np.minimum(power, 16 * EXP_STEPS - 1)
    shift = near // EXP_STEPS
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return np.where(power >= 16 * EXP_STEPS, 0, (_exp64()[near % EXP_STEPS] + half) >> shift)


@cache
def _exp64() -> NDArray[np.int64]:
    return exp_table().astype(np.int64)


def _conv(op: Conv, x: Rows, count: int) -> Rows:
    taps, channels = op.weight.shape
    padded = np.zeros((len(x) + taps - 1, x.shape[1]), dtype=np.int64)
    padded[op.left : op.left + len(x)] = x
    wide = np.repeat(padded, channels // x.shape[1], axis=1)
    acc = np.broadcast_to(op.bias.astype(np.int64), (count, channels)).copy()
    for k in range(taps):
        acc += op.weight[k].astype(np.int64) * wide[k : k + count]
    u = saturate(requantize(acc, op.multiplier, op.shift), "int8")
    return op.table[u.astype(np.int64) + 128]


def _pool(op: Pool, x: Rows) -> Rows:
    total = x.astype(np.int64).sum(axis=0, keepdims=True) << np.int64(op.shift)
    return saturate((2 * total + len(x)) // (2 * len(x)), "int16")


def _pool_rms(x: Rows) -> Rows:
    squares = (x.astype(np.int64) ** 2).sum(axis=0).tolist()
    roots = [isqrt(((total << 16) + len(x) // 2) // len(x)) for total in squares]
    return np.array([roots], dtype=np.int16)


def _bag(op: Bag, numbers: NDArray[np.int64]) -> Rows:
    count = len(numbers)
    inverse = (2**31 - 1) // isqrt(count << 16) if count else 0
    share = round_shift(op.weight[numbers].sum(axis=0, dtype=np.int64, keepdims=True) * inverse, 8)
    return saturate(requantize(share, op.multiplier, op.shift) + op.bias, "int32")
