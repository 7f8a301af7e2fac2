"""A small model of every architecture, and what each computes written out in NumPy, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.config import (
    BackboneConfig,
    BertConfig,
    EfficientConfig,
    EmbbertConfig,
    EmbedderConfig,
    MambaConfig,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Rows = NDArray[np.float64]
    Weights = Mapping[str, NDArray[Any]]

VOCAB_SIZE, MAX_LENGTH = 40, 64
_SHAPE: dict[str, Any] = {"vocab_size": VOCAB_SIZE, "max_length": MAX_LENGTH, "hidden_size": 12}

SMALL: dict[str, BackboneConfig] = {
    "embbert": EmbbertConfig(**_SHAPE, embedding_size=4, kernel_size=5, num_layers=2),
    "embbert-residual": EmbbertConfig(
        **_SHAPE, embedding_size=4, kernel_size=5, num_layers=2, residual=True, causal_conv=False
    ),
    "bert": BertConfig(**_SHAPE),
    "nanobert": BertConfig(**_SHAPE, embedding_size=4, num_heads=3, num_layers=3),
    "bert-efficient": EfficientConfig(**_SHAPE, embedding_size=0, num_layers=2, feed_size=24),
    "nanobert-efficient": EfficientConfig(**_SHAPE, embedding_size=4, num_layers=3, feed_size=9),
    "nano-embedder": EmbedderConfig(**_SHAPE, embedding_size=4),
    "nano-embedder-conv": EmbedderConfig(**_SHAPE, embedding_size=4, kernel_size=5),
    "mamba": MambaConfig(**_SHAPE, num_layers=2, state_size=3, rank=2),
    "mamba-narrow": MambaConfig(
        **_SHAPE, embedding_size=4, num_layers=1, expansion=2, kernel_size=3, state_size=5, rank=1
    ),
}
"""By name of the preset that it is small beside, or of a variant of it."""

POOLED: dict[str, BackboneConfig] = {
    f"{name} {pooling}": replace(config, pooling=pooling)
    for name, config in SMALL.items()
    for pooling in config.poolings
}
"""Each with everything that its head may read."""


def random_ids(seed: int, length: int, *, pair: bool = False) -> list[int]:
    """[CLS] and random entries, with a [SEP] inside and one at the end if `pair`."""
    draw = np.random.default_rng(seed)
    ids = [2, *draw.integers(5, VOCAB_SIZE, length - 1).tolist()]
    if pair and length > 3:
        ids[length // 2] = ids[-1] = 4
    return ids


def forward(config: BackboneConfig, weights: Weights, ids: list[int]) -> Rows:
    """Rows [T, d] of one text, without its head."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    rows = _embed(weights, ids)
    if isinstance(config, EmbedderConfig):
        return _convolve(rows, weights, "conv") if config.kernel_size else rows
    for layer in range(config.layer_count):
        at = f"layers.{layer}."
        own = {name.removeprefix(at): value for name, value in weights.items() if name.startswith(at)}
        if isinstance(config, BertConfig):
            rows = _bert(config, own, rows)
        elif isinstance(config, EfficientConfig):
            rows = _efficient(config, own, rows)
        elif isinstance(config, MambaConfig):
            rows = rows + _mamba(config, own, rows)
        else:
            raise NotImplementedError
    return rows


def pooled(rows: Rows, pooling: str) -> Rows:
    """The vector that the head reads."""
    if pooling == "cls":
        return rows[0]
    return rows.mean(0) if pooling == "mean" else np.sqrt((rows**2).mean(0))


def _embed(weights: Weights, ids: list[int]) -> Rows:
    rows = []
    segment = 1
    for place, token in enumerate(ids):
        segment = 2 if token == 4 else segment
        word, position = weights["embedder.token.weight"][token], weights["embedder.position.weight"][place]
        if "embedder.token_up.weight" in weights:
            word = weights["embedder.token_up.weight"] @ word
            position = weights["embedder.position_up.weight"] @ position
        rows.append(word + position + weights["embedder.segment.weight"][segment])
    return np.array(rows)


def _linear(rows: Rows, weights: Weights, name: str) -> Rows:
    product: Rows = rows @ weights[f"{name}.weight"].T
    return product + weights[f"{name}.bias"] if f"{name}.bias" in weights else product


def _convolve(rows: Rows, weights: Weights, name: str) -> Rows:
    kernel, taps = weights[f"{name}.weight"], weights[f"{name}.weight"].shape[2]
    result = np.tile(weights[f"{name}.bias"], (len(rows), 1))
    for place in range(len(rows)):
        for tap in range(taps):
            source = place + tap - (taps - 1)
            if source >= 0:
                result[place] += kernel[:, 0, tap] * rows[source]
    return result


def _attend(query: Rows, keys: Rows, values: Rows) -> Rows:
    scores = query @ keys.T / np.sqrt(query.shape[1])
    shares = np.exp(scores - scores.max(1, keepdims=True))
    result: Rows = shares / shares.sum(1, keepdims=True) @ values
    return result


def _rms(rows: Rows, weights: Weights, name: str, epsilon: float) -> Rows:
    scaled: Rows = rows / np.sqrt((rows**2).mean(1, keepdims=True) + epsilon)
    return scaled * weights[f"{name}.weight"]


def _layer_norm(rows: Rows, weights: Weights, name: str, epsilon: float) -> Rows:
    centred = rows - rows.mean(1, keepdims=True)
    return _rms(centred, weights, name, epsilon) + weights[f"{name}.bias"]


def _silu(x: Rows) -> Rows:
    return x / (1 + np.exp(-x))


def _bert(config: BertConfig, weights: Weights, x: Rows) -> Rows:
    query, key, value = (_linear(x, weights, name) for name in ("query", "key", "value"))
    size = config.head_size
    heads = [slice(head * size, (head + 1) * size) for head in range(config.num_heads)]
    context = np.concatenate([_attend(query[:, own], key[:, own], value[:, own]) for own in heads], axis=1)
    x = _layer_norm(x + _linear(context, weights, "out"), weights, "attention_norm", config.norm_epsilon)
    fed = _linear(np.maximum(_linear(x, weights, "widen"), 0), weights, "contract")
    return _layer_norm(x + fed, weights, "output_norm", config.norm_epsilon)


def _efficient(config: EfficientConfig, weights: Weights, x: Rows) -> Rows:
    x = _rms(x, weights, "attention_norm", config.norm_epsilon)
    x = x + _linear(_attend(_linear(x, weights, "query"), x, x), weights, "out")
    x = _rms(x, weights, "feed_norm", config.norm_epsilon)
    return x + _linear(_silu(_linear(x, weights, "widen")), weights, "contract")


def _mamba(config: MambaConfig, weights: Weights, rows: Rows) -> Rows:
    wide = _linear(_rms(rows, weights, "norm", config.norm_epsilon), weights, "in_proj")
    x, gate = wide[:, : config.inner_size], wide[:, config.inner_size :]
    x = _silu(_convolve(x, weights, "conv"))
    chosen = _linear(x, weights, "x_proj")
    rank, states = config.rank, config.state_size
    steps = np.log1p(np.exp(_linear(chosen[:, :rank], weights, "dt_proj")))
    into, out = chosen[:, rank : rank + states], chosen[:, rank + states :]
    memory = np.zeros((config.inner_size, states))
    scanned = []
    for place in range(len(rows)):
        step = steps[place][:, None]
        memory = np.exp(-step * np.exp(weights["A_log"])) * memory
        memory += step * into[place][None] * x[place][:, None]
        scanned.append(memory @ out[place] + weights["D"] * x[place])
    return _linear(np.array(scanned) * _silu(gate), weights, "out_proj")
