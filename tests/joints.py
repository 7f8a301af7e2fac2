"""Small models with n-grams beside tokens for the tests: real tokenizers, random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import factory
import folders
import linears
from embbert.quant.build import quantize
from embbert.quant.plan_io import plan_to_arrays
from embbert.shape import weight_shapes
from embbert.store import load_model, save_model
from embbert.text import JointTokenizer, NgramTokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.config import BackboneConfig
    from embbert.store import ModelFolder

MAX_NGRAMS = 12


def tokenizer(
    vocab_size: int = 37, *, pair: bool = False, max_ngrams: int = MAX_NGRAMS, shared: bool = True
) -> JointTokenizer:
    """Tokens and n-grams of the same texts; of one alphabet if `shared`."""
    tokens = folders.small_tokenizer(vocab_size)
    ngrams = linears.tokenizer_of(pair=pair)
    if shared:
        known = linears.ngrams_of(linears.TEXTS, tokens.alphabet, pair=pair)
        ngrams = NgramTokenizer.of_best(known, 400, tokens.alphabet)
    return JointTokenizer(tokens, ngrams, max_ngrams)


def parts(
    task: str = "classify",
    *,
    pair: bool = False,
    config: BackboneConfig | None = None,
    shared: bool = True,
    max_ngrams: int = MAX_NGRAMS,
    **changes: object,
) -> dict[str, Any]:
    """Arguments of `save_model`; `changes` replace fields of EmbBERT's config."""
    config = factory.small_config(**changes) if config is None else config
    both = tokenizer(config.vocab_size, pair=pair, max_ngrams=max_ngrams, shared=shared)
    config = replace(config, ngrams=both.ngrams.vocab_size, max_ngrams=max_ngrams)
    labels = ("lights", "music", "weather") if task == "classify" else ()
    outputs = len(labels) or 1
    weights = factory.random_weights(config, outputs)
    assert weights.keys() == weight_shapes(config, outputs).keys()
    pairs = tuple(reversed(folders.TEXTS)) if pair else None
    ids = both.encode_batch(folders.TEXTS, pairs, max_length=config.max_length)
    metrics = {"float": {"accuracy": 0.75}}
    return {
        "config": config,
        "tokenizer": both,
        "task": task,
        "labels": labels,
        "pair": pair,
        "weights": weights,
        "metrics": metrics,
        "integer": plan_to_arrays(quantize(config, weights, outputs, ids)),
    }


def joint_folder(path: Path, task: str = "classify", **settings: Any) -> ModelFolder:
    """A quantised model folder."""
    save_model(path, **parts(task, **settings))
    return load_model(path)
