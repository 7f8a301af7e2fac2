"""The shapes of models and the settings of training runs: frozen, named, checked."""

from embbert.config.baselines import BertConfig, EfficientConfig, EmbedderConfig, MambaConfig
from embbert.config.linear import LinearConfig
from embbert.config.model import BackboneConfig, EmbbertConfig, ModelConfig, Pooling, Task
from embbert.config.presets import (
    ARCHITECTURES,
    NGRAM_FIELDS,
    PRESETS,
    architecture,
    from_mapping,
    preset,
    to_mapping,
)
from embbert.config.training import SCRATCH_LEARNING_RATE, PretrainConfig, Score, TrainConfig

__all__ = [
    "ARCHITECTURES",
    "NGRAM_FIELDS",
    "PRESETS",
    "SCRATCH_LEARNING_RATE",
    "BackboneConfig",
    "BertConfig",
    "EfficientConfig",
    "EmbbertConfig",
    "EmbedderConfig",
    "LinearConfig",
    "MambaConfig",
    "ModelConfig",
    "Pooling",
    "PretrainConfig",
    "Score",
    "Task",
    "TrainConfig",
    "architecture",
    "from_mapping",
    "preset",
    "to_mapping",
]
