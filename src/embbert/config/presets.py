"""Shapes by name, and configs as parsed JSON."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, TypeVar

from embbert.config.baselines import BertConfig, EfficientConfig, EmbedderConfig, MambaConfig
from embbert.config.linear import LinearConfig
from embbert.config.model import BackboneConfig, EmbbertConfig, ModelConfig
from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embbert.config.training import PretrainConfig, TrainConfig

PRESETS: dict[str, BackboneConfig] = {
    "nano": EmbbertConfig(vocab_size=2048, hidden_size=64, kernel_size=8, num_layers=2),
    "tiny": EmbbertConfig(vocab_size=2048, kernel_size=16, num_layers=2),
    "embbert": EmbbertConfig(),
    "med": EmbbertConfig(max_length=512, hidden_size=256, expansion=2, num_layers=6),
    "big": EmbbertConfig(
        vocab_size=16384,
        max_length=1024,
        hidden_size=512,
        embedding_size=32,
        expansion=2,
        kernel_size=64,
        num_layers=6,
    ),
    "bert": BertConfig(vocab_size=2048),
    "nanobert": BertConfig(hidden_size=90, embedding_size=16),
    "nano-embedder": EmbedderConfig(),
    "nano-embedder-conv": EmbedderConfig(kernel_size=16),
    "bert-efficient": EfficientConfig(
        vocab_size=2048, hidden_size=84, embedding_size=0, num_layers=3, feed_size=168
    ),
    "nanobert-efficient": EfficientConfig(),
    "mamba": MambaConfig(vocab_size=2048),
    "bert-tiny": BertConfig(vocab_size=30522, max_length=512, hidden_size=128, expansion=4),
}
"""The scale family of EmbBERT, the paper's baselines of 2 MB, and the shape of the well-known BERT-Tiny."""

ARCHITECTURES: dict[str, type[ModelConfig]] = {
    kind.architecture: kind
    for kind in (EmbbertConfig, BertConfig, EfficientConfig, EmbedderConfig, MambaConfig, LinearConfig)
}

NGRAM_FIELDS = frozenset({"ngrams", "max_ngrams"})
"""Fields that a `config.json` only has if the model has n-grams beside tokens."""

Config = TypeVar("Config", bound="ModelConfig | TrainConfig | PretrainConfig")


def preset(name: str) -> BackboneConfig:
    """The shape of that name: nano, tiny, embbert, med, big, or one of the baselines.

    Raises:
        UsageError: no such preset; the message names the nearest.
    """
    if name not in PRESETS:
        raise UsageError(
            f"no preset is called {name!r}{_nearest(name, PRESETS)}; there are {', '.join(PRESETS)}"
        )
    return PRESETS[name]


def from_mapping(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a config from parsed JSON.

    Raises:
        UsageError: an unknown key (the message names the nearest field) or a value out of range.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    for key in values:
        if key not in names:
            raise UsageError(f"{kind.__name__} has no setting {key!r}{_nearest(key, names)}")
    return kind(**values)


def architecture(name: str) -> type[ModelConfig]:
    """The class of shapes of that name.

    Raises:
        UsageError: no such architecture; the message names the nearest.
    """
    if name not in ARCHITECTURES:
        raise UsageError(
            f"no architecture is called {name!r}{_nearest(name, ARCHITECTURES)}; "
            f"there are {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]


def to_mapping(config: ModelConfig | TrainConfig | PretrainConfig) -> dict[str, Any]:
    """The fields as plain JSON values, in order of definition; those of n-grams only where there are some."""
    values = dataclasses.asdict(config)
    if isinstance(config, BackboneConfig) and not config.ngrams:
        for name in NGRAM_FIELDS:
            del values[name]
    return values


def _nearest(word: str, known: Any) -> str:  # noqa: ANN401 - any iterable of names
    match = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""
