"""EmbBERT in float32 NumPy, one text at a time: what calibration watches. Needs no torch.

It computes what `models.embbert` computes (a test compares the two) and hands every intermediate to an
observer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.quant.spec import SEP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from embbert.config import ModelConfig

    Float = NDArray[np.float32]
    Observe = Callable[[str, NDArray[np.float32]], None]


# Weights that overflow are refused by whoever looks at the result; a warning on top would only blur that.
_quiet = np.errstate(over="ignore", invalid="ignore")


@_quiet
def branch_gains(weights: Mapping[str, Float], layer: int) -> tuple[float, float]:
    """(a, b) of y = a·attention − b·convolution: e^(q1·k1) and e^(q2·k2)."""
    part = {
        name: weights[f"layers.{layer}.lambda_{name}"].astype(np.float64) for name in ("q1", "k1", "q2", "k2")
    }
    return float(np.exp(part["q1"] @ part["k1"])), float(np.exp(part["q2"] @ part["k2"]))


@_quiet
def silu(x: NDArray[Any]) -> NDArray[Any]:
    """x·sigmoid(x)."""
    out: NDArray[Any] = x / (1 + np.exp(-x))
    return out


@_quiet
def forward(
    config: ModelConfig, weights: Mapping[str, Float], ids: Sequence[int], observe: Observe | None = None
) -> Float:
    """Logits [classes] of one text.

    Args:
        config: the shape.
        weights: float32 arrays by state-dict name.
        ids: token ids, 1 … max_length of them, no padding.
        observe: called with `embed`, `final`, and `<layer>.norm`, `.query`, `.context`, `.conv`, `.silu`,
            `.block` (output of the layer, before the residual path) and `.stream` (after it).
    """
    see = observe or (lambda _name, _value: None)
    stream = _embed(weights, np.asarray(ids, dtype=np.int64))
    see("embed", stream)
    for layer in range(config.num_layers):
        at = f"layers.{layer}"
        x = _norm(stream, weights[f"{at}.norm.weight"], config.norm_epsilon)
        see(f"{layer}.norm", x)
        query = x @ weights[f"{at}.query.weight"].T + weights[f"{at}.query.bias"]
        see(f"{layer}.query", query)
        score = query @ x.T / np.float32(np.sqrt(config.hidden_size))
        share = np.exp(score - score.max(axis=1, keepdims=True))
        context = (share / share.sum(axis=1, keepdims=True)) @ x
        see(f"{layer}.context", context)
        conv = _conv(config, x, weights[f"{at}.conv.weight"], weights[f"{at}.conv.bias"])
        see(f"{layer}.conv", conv)
        active = silu(conv)
        see(f"{layer}.silu", active)
        a, b = branch_gains(weights, layer)
        attention = context @ weights[f"{at}.out.weight"].T + weights[f"{at}.out.bias"]
        contracted = active @ weights[f"{at}.contract.weight"].T + weights[f"{at}.contract.bias"]
        block = np.float32(a) * attention - np.float32(b) * contracted
        see(f"{layer}.block", block)
        stream = stream + block if config.residual else block
        see(f"{layer}.stream", stream)
    if config.residual:
        stream = _norm(stream, weights["final_norm.weight"], config.norm_epsilon)
        see("final", stream)
    pooled = stream[0] if config.pooling == "cls" else stream.mean(axis=0)
    logits: Float = weights["head.weight"] @ pooled + weights["head.bias"]
    return logits


def _embed(weights: Mapping[str, Float], ids: NDArray[np.int64]) -> Float:
    segment = 1 + (np.cumsum(ids == SEP) > 0)
    token = weights["embedder.token.weight"][ids] @ weights["embedder.token_up.weight"].T
    position = weights["embedder.position.weight"][: len(ids)] @ weights["embedder.position_up.weight"].T
    total: Float = token + position + weights["embedder.segment.weight"][segment]
    return total


def _norm(x: Float, gain: Float, epsilon: float) -> Float:
    root = np.sqrt((x * x).mean(axis=1, keepdims=True) + np.float32(epsilon))
    normed: Float = x * gain / root
    return normed


def _conv(config: ModelConfig, x: Float, weight: Float, bias: Float) -> Float:
    taps = config.kernel_size
    padded = np.zeros((len(x) + taps - 1, x.shape[1]), dtype=np.float32)
    padded[config.conv_left : config.conv_left + len(x)] = x
    wide = np.repeat(padded, config.expansion, axis=1)
    out = np.broadcast_to(bias, (len(x), config.conv_size)).copy()
    for k in range(taps):
        out += weight[:, 0, k] * wide[k : k + len(x)]
    return out
