"""Small random models for the tests: weights by state-dict name, token ids, integer plans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embbert.blueprint import backbone_shapes
from embbert.config import BertConfig, EfficientConfig, EmbbertConfig, EmbedderConfig, MambaConfig
from embbert.quant.build import quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.config import BackboneConfig
    from embbert.quant.spec import Plan


def small_config(**changes: object) -> EmbbertConfig:
    """A model of a few hundred parameters; `changes` replace its fields."""
    fields: dict[str, object] = {
        "vocab_size": 37,
        "max_length": 24,
        "hidden_size": 12,
        "embedding_size": 4,
        "kernel_size": 5,
        "num_layers": 2,
    }
    return EmbbertConfig(**{**fields, **changes})


_SIZES = {"vocab_size": 37, "max_length": 24}
BASELINES: dict[str, BackboneConfig] = {
    "bert": BertConfig(**_SIZES, hidden_size=12, num_heads=3),
    "nanobert": BertConfig(**_SIZES, hidden_size=10, embedding_size=4, num_layers=1, pooling="mean"),
    "nano-embedder": EmbedderConfig(**_SIZES, hidden_size=14, embedding_size=4),
    "nano-embedder-conv": EmbedderConfig(**_SIZES, hidden_size=14, embedding_size=4, kernel_size=5),
    "bert-efficient": EfficientConfig(**_SIZES, hidden_size=12, embedding_size=0, num_layers=1, feed_size=20),
    "nanobert-efficient": EfficientConfig(
        **_SIZES, hidden_size=12, embedding_size=4, num_layers=3, feed_size=9, pooling="mean"
    ),
}
"""The baselines that have an integer model, small."""

MAMBA = MambaConfig(**_SIZES, hidden_size=12, num_layers=2, state_size=3, rank=2)


def noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Small normal numbers."""
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def random_weights(config: BackboneConfig, classes: int, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Float weights with the statistics of a trained model, roughly."""
    if config.ngrams:
        ngrams = 5 * noise((classes, config.ngrams), seed)
        return random_weights(replace(config, ngrams=0, max_ngrams=0), classes, seed) | {
            "ngrams.weight": ngrams
        }
    if not isinstance(config, EmbbertConfig):
        return _baseline_weights(config, classes, seed)
    rng = np.random.default_rng(seed)

    def draw(*shape: int, std: float = 0.1, mean: float = 0.0) -> NDArray[np.float32]:
        return (mean + std * rng.standard_normal(shape)).astype(np.float32)

    d, r, d_i = config.hidden_size, config.embedding_size, config.conv_size
    weights = {
        "embedder.token.weight": draw(config.vocab_size, r, std=1.0),
        "embedder.token_up.weight": draw(d, r, std=r**-0.5),
        "embedder.position.weight": draw(config.max_length, r, std=0.5),
        "embedder.position_up.weight": draw(d, r, std=r**-0.5),
        "embedder.segment.weight": draw(3, d),
        "head.weight": draw(classes, d, std=0.5),
        "head.bias": draw(classes),
    }
    for layer in range(config.num_layers):
        at = f"layers.{layer}"
        weights |= {
            f"{at}.norm.weight": draw(d, mean=1.0),
            f"{at}.query.weight": draw(d, d, std=d**-0.5),
            f"{at}.query.bias": draw(d),
            f"{at}.out.weight": draw(d, d, std=d**-0.5),
            f"{at}.out.bias": draw(d),
            f"{at}.conv.weight": draw(d_i, 1, config.kernel_size, std=0.4),
            f"{at}.conv.bias": draw(d_i),
            f"{at}.contract.weight": draw(d, d_i, std=d_i**-0.5),
            f"{at}.contract.bias": draw(d),
        }
        weights |= {f"{at}.lambda_{name}": draw(d) for name in ("q1", "k1", "q2", "k2")}
    if config.residual:
        weights["final_norm.weight"] = draw(d, mean=1.0)
    return weights


def _baseline_weights(config: BackboneConfig, classes: int, seed: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in backbone_shapes(config).items():
        gain = name.endswith("norm.weight")
        std = 0.1 if len(shape) == 1 else 1.0 if name == "embedder.token.weight" else shape[-1] ** -0.5
        weights[name] = (gain + std * rng.standard_normal(shape)).astype(np.float32)
    weights["head.weight"] = (0.5 * rng.standard_normal((classes, config.hidden_size))).astype(np.float32)
    weights["head.bias"] = (0.1 * rng.standard_normal(classes)).astype(np.float32)
    return weights


def random_ids(config: BackboneConfig, seed: int, length: int | None = None, pair: bool = False) -> list[int]:
    """[CLS] and random entries, with one [SEP] inside if `pair`; length 1 … max_length; then n-grams."""
    rng = np.random.default_rng(seed)
    count = length or int(rng.integers(1, config.max_length + 1))
    ids = [2, *rng.integers(5, config.vocab_size, count - 1).tolist()]
    if pair and count > 2:
        ids[count // 2] = 4
    if config.ngrams:
        known = rng.integers(0, config.ngrams, int(rng.integers(0, config.max_ngrams + 1)))
        ids += (config.vocab_size + known).tolist()
    return ids


def random_plan(config: BackboneConfig, classes: int = 3, seed: int = 0) -> Plan:
    """The integer plan of a random model."""
    texts = [random_ids(config, seed=100 + i, pair=i % 2 == 0) for i in range(8)]
    return quantize(config, random_weights(config, classes, seed), classes, texts)
