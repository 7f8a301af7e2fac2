"""Small model and base folders for the tests: a real tokenizer, random weights, a plan of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import factory
from embbert import bases
from embbert.bases import load_base, save_base
from embbert.quant.build import quantize
from embbert.quant.plan_io import plan_to_arrays
from embbert.store import load_model, save_model
from embbert.text.tokenizer import Tokenizer, train_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from embbert.bases import BaseFolder
    from embbert.config import BackboneConfig
    from embbert.store import ModelFolder

TEXTS = (
    "turn the lights on",
    "lights off please",
    "play some music",
    "what is the weather",
    "stop the music",
)


@cache
def small_tokenizer(vocab_size: int) -> Tokenizer:
    return train_tokenizer(TEXTS, vocab_size)


def parts(
    task: str = "classify",
    *,
    pair: bool = False,
    quantized: bool = True,
    config: BackboneConfig | None = None,
    **changes: object,
) -> dict[str, Any]:
    """Arguments of `save_model` for a small model; `changes` replace fields of EmbBERT's config."""
    config = factory.small_config(**changes) if config is None else config
    labels = ("lights", "music", "weather") if task == "classify" else ()
    tokenizer = small_tokenizer(config.vocab_size)
    weights = factory.random_weights(config, len(labels) or 1)
    pairs = tuple(reversed(TEXTS)) if pair else None
    ids = tokenizer.encode_batch(TEXTS, pairs, max_length=config.max_length)
    metrics = {"float": {"accuracy": 0.75}, "int8": {"accuracy": 0.5}, "seed": 3}
    return {
        "config": config,
        "tokenizer": tokenizer,
        "task": task,
        "labels": labels,
        "pair": pair,
        "weights": weights,
        "metrics": metrics,
        "integer": plan_to_arrays(quantize(config, weights, len(labels) or 1, ids)) if quantized else None,
    }


def small_folder(path: Path, task: str = "classify", **settings: Any) -> ModelFolder:
    save_model(path, **parts(task, **settings))
    return load_model(path)


def base_parts(
    *,
    tied: bool = True,
    tokenizer: Tokenizer | None = None,
    seed: int = 0,
    config: BackboneConfig | None = None,
    **changes: object,
) -> dict[str, Any]:
    """Arguments of `save_base` for a small base; `changes` replace fields of EmbBERT's config."""
    if tokenizer is not None:
        changes["vocab_size"] = tokenizer.vocab_size
    config = factory.small_config(**changes) if config is None else config
    weights = factory.random_weights(config, 1, seed)
    shapes = bases.head_shapes(config)
    return {
        "config": config,
        "tokenizer": tokenizer or small_tokenizer(config.vocab_size),
        "weights": {name: value for name, value in weights.items() if not name.startswith("head.")},
        "head": {name: factory.noise(shape, seed) for name, shape in shapes.items()} if tied else None,
        "metrics": {"perplexity": 71.5, "tokens": 49_000_000},
        "card": "# Base card\n",
    }


def small_base(path: Path, **settings: Any) -> BaseFolder:
    save_base(path, **base_parts(**settings))
    return load_base(str(path))


def ship(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bases in `folder` be those that come with the package."""
    monkeypatch.setattr(bases, "_shipped_folder", lambda: folder)
