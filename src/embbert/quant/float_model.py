"""A blueprint in float32 NumPy, one text at a time: what calibration watches. Needs no torch.

It computes what the model of the same weights in `models` computes (a test compares the two) and hands the
intermediates to an observer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.blueprint import blueprint, steps
from embbert.quant.spec import SEP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from embbert.blueprint.steps import Blueprint, Function, Step
    from embbert.config import ModelConfig

    Float = NDArray[np.float32]
    Observe = Callable[[str, NDArray[np.float32]], None]


# Weights that overflow are refused by whoever looks at the result; a warning on top would only blur that.
_quiet = np.errstate(over="ignore", invalid="ignore")


@_quiet
def silu(x: NDArray[Any]) -> NDArray[Any]:
    """x·sigmoid(x)."""
    out: NDArray[Any] = x / (1 + np.exp(-x))
    return out


def relu(x: NDArray[Any]) -> NDArray[Any]:
    """max(x, 0)."""
    out: NDArray[Any] = np.maximum(x, 0)
    return out


FUNCTIONS: dict[Function, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "identity": lambda x: x,
    "silu": silu,
    "relu": relu,
}


@_quiet
def gain_of(step: steps.Linear, weights: Mapping[str, Float]) -> float:
    """The factor on the result of a product; 1 if it has none."""
    if step.gain is None:
        return 1.0
    first, second = (weights[name].astype(np.float64) for name in (step.gain.first, step.gain.second))
    return float(step.gain.sign * np.exp(first @ second))


def part_of(step: steps.Linear, weights: Mapping[str, Float]) -> Float:
    """The part of a matrix that a product multiplies with, [outputs, inputs]."""
    matrix = weights[f"{step.weight}.weight"]
    return matrix[slice(*step.outputs or (None,)), slice(*step.inputs or (None,))]


def bias_of(step: steps.Linear, weights: Mapping[str, Float]) -> Float | None:
    """The bias of those outputs; None if the product has none."""
    return weights[f"{step.weight}.bias"][slice(*step.outputs or (None,))] if step.bias else None


def forward(
    config: ModelConfig, weights: Mapping[str, Float], ids: Sequence[int], observe: Observe | None = None
) -> Float:
    """Logits [classes] of one text, as `run` computes them."""
    return run(blueprint(config, len(weights["head.bias"])), weights, ids, observe)


@_quiet
def run(
    drawn: Blueprint, weights: Mapping[str, Float], ids: Sequence[int], observe: Observe | None = None
) -> Float:
    """Logits [classes] of one text.

    Args:
        drawn: the blueprint.
        weights: float32 arrays by state-dict name.
        ids: token ids, 1 … max_length of them (none, too, for a bag alone), no padding; then those of
            n-grams.
        observe: called with the name of everything that a step wants to be seen, and those of its rows that
            the integer model computes.
    """
    tokens = np.asarray(ids, dtype=np.int64)
    store: dict[str, Float] = {}
    for stage in drawn.stages:
        # What the integer model computes; here are all rows, which is simpler.
        computed = slice(1) if stage.rows == "first" else slice(None)
        for step in stage.steps:
            store[step.out] = _apply(step, store, weights, tokens, observe, computed)
            if observe is not None and step.seen:
                observe(step.seen, store[step.out][computed])
    logits: Float = store["logits"][0]
    return logits


def _apply(
    step: Step,
    store: Mapping[str, Float],
    weights: Mapping[str, Float],
    tokens: NDArray[np.int64],
    observe: Observe | None,
    computed: slice,
) -> Float:
    if isinstance(step, steps.Embed):
        return _embed(step, weights, tokens)
    if isinstance(step, steps.Norm):
        return _norm(step, store[step.source], weights)
    if isinstance(step, steps.Linear):
        y = store[step.source] @ part_of(step, weights).T
        bias = bias_of(step, weights)
        y = y if bias is None else y + bias
        y = y if step.gain is None else np.float32(gain_of(step, weights)) * y
        return store[step.out] + y if step.accumulate else y
    if isinstance(step, steps.Attend):
        keys = store[step.keys]
        score = store[step.query] @ keys.T / np.float32(np.sqrt(keys.shape[1]))
        share = np.exp(score - score.max(axis=1, keepdims=True))
        context: Float = (share / share.sum(axis=1, keepdims=True)) @ store[step.values]
        return context
    if isinstance(step, steps.Conv):
        inner = _conv(step, store[step.source], weights)
        if observe is not None:
            observe(step.inner, inner[computed])
        return FUNCTIONS[step.function](inner)
    if isinstance(step, steps.Add | steps.Rescale):
        adds = isinstance(step, steps.Add) or step.accumulate
        return store[step.out] + store[step.source] if adds else store[step.source]
    if isinstance(step, steps.LookUp):
        return FUNCTIONS[step.function](store[step.source])
    if isinstance(step, steps.Pool):
        rows = store[step.source][computed]
        pooled = np.sqrt((rows * rows).mean(axis=0)) if step.rms else rows.mean(axis=0)
        return np.asarray(pooled[None], dtype=np.float32)
    if isinstance(step, steps.Bag):
        numbers = tokens[tokens >= step.first] - step.first
        total = weights[f"{step.weight}.weight"][:, numbers].sum(axis=1)
        share = total / np.float32(np.sqrt(max(1, len(numbers))))
        share = share + weights[f"{step.weight}.bias"] if step.bias else share
        return np.asarray(share[None], dtype=np.float32)
    raise AssertionError(f"nothing computes {type(step).__name__}")


def _embed(step: steps.Embed, weights: Mapping[str, Float], tokens: NDArray[np.int64]) -> Float:
    tokens = tokens[tokens < step.vocab_size]
    segment = 1 + (np.cumsum(tokens == SEP) > 0)
    token = weights["embedder.token.weight"][tokens]
    position = weights["embedder.position.weight"][: len(tokens)]
    if step.rank:
        token = token @ weights["embedder.token_up.weight"].T
        position = position @ weights["embedder.position_up.weight"].T
    total: Float = token + position + weights["embedder.segment.weight"][segment]
    return total


def _norm(step: steps.Norm, x: Float, weights: Mapping[str, Float]) -> Float:
    if step.centred:
        x = x - x.mean(axis=1, keepdims=True)
    root = np.sqrt((x * x).mean(axis=1, keepdims=True) + np.float32(step.epsilon))
    normed: Float = x * weights[f"{step.weight}.weight"] / root
    return normed + weights[f"{step.weight}.bias"] if step.centred else normed


def _conv(step: steps.Conv, x: Float, weights: Mapping[str, Float]) -> Float:
    weight, bias = weights[f"{step.weight}.weight"], weights[f"{step.weight}.bias"]
    padded = np.zeros((len(x) + step.taps - 1, x.shape[1]), dtype=np.float32)
    padded[step.left : step.left + len(x)] = x
    wide = np.repeat(padded, len(bias) // x.shape[1], axis=1)
    out = np.broadcast_to(bias, (len(x), len(bias))).copy()
    for k in range(step.taps):
        out += weight[:, 0, k] * wide[k : k + len(x)]
    return out
