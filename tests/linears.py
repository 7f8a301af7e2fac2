"""Small linear models for the tests: n-grams of a few texts, random weights, plans of one bag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embbert.config import LinearConfig
from embbert.quant import spec
from embbert.quant.build import quantize
from embbert.quant.plan_io import plan_to_arrays
from embbert.store import load_model, save_model
from embbert.text.features import features
from embbert.text.ngrams import NgramTokenizer, learn_alphabet

if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from pathlib import Path

    from embbert.store import ModelFolder
    from embbert.text.features import Ngram

TEXTS = (
    "turn the lights on",
    "lights off, please",
    "play some music",
    "what is the weather in Zürich?",
    "stop the music",
)


def ngrams_of(texts: Sequence[str], characters: Set[str], *, pair: bool = False) -> list[Ngram]:
    """All n-grams of the texts, as first and perhaps as second texts too, each once."""
    found = {}
    for second in (False, True)[: 1 + pair]:
        every = features(texts, characters, second=second)
        for index, value in enumerate(every.hashes.tolist()):
            if value not in found:
                found[value] = every.ngram(index, second=second)
    return list(found.values())


def tokenizer_of(texts: Sequence[str] = TEXTS, *, pair: bool = False, most: int = 400) -> NgramTokenizer:
    characters = learn_alphabet(texts)
    return NgramTokenizer.of_best(ngrams_of(texts, characters, pair=pair), most, characters)


def bag_plan(
    seed: int = 0, *, vocab_size: int = 50, classes: int = 3, max_length: int = 40, shift: int = 40
) -> spec.Plan:
    """A bag of full-range integers."""
    rng = np.random.default_rng(seed)
    bag = spec.Bag(
        "classify",
        "logits",
        rng.integers(-127, 128, (vocab_size, classes)).astype(np.int8),
        (rng.integers(-(2**31) + 1, 2**31, classes) >> rng.integers(0, 20)).astype(np.int32),
        rng.integers(-(2**31) + 1, 2**31, classes).astype(np.int32),
        shift,
    )
    logits = spec.Tensor("logits", "int32", classes, "one", 1 / spec.LOGIT_ONE)
    return spec.Plan(
        "linear", max_length, vocab_size, (logits,), (spec.Stage("head", "one", (bag,)),), "logits"
    )


def linear_folder(
    path: Path, task: str = "classify", *, pair: bool = False, max_length: int = 64, seed: int = 0
) -> ModelFolder:
    """A quantised model folder with random weights."""
    tokenizer = tokenizer_of(pair=pair)
    config = LinearConfig(vocab_size=tokenizer.vocab_size, max_length=max_length)
    labels = ("lights", "music", "weather") if task == "classify" else ()
    rng = np.random.default_rng(seed)
    outputs = len(labels) or 1
    weights = {
        "head.weight": rng.standard_normal((outputs, config.vocab_size)).astype(np.float32),
        "head.bias": rng.standard_normal(outputs).astype(np.float32),
    }
    metrics = {"float": {"accuracy": 0.75}}
    save_model(
        path,
        config=config,
        tokenizer=tokenizer,
        task=task,  # type: ignore[arg-type]
        labels=labels,
        pair=pair,
        weights=weights,
        metrics=metrics,
        integer=plan_to_arrays(quantize(config, weights, outputs, [[0]])),
    )
    return load_model(path)
