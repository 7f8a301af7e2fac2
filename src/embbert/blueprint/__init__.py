"""Architectures as data: the weights they have and the operators they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint import bert, efficient, embbert, embedder, linear, mamba
from embbert.config import (
    BertConfig,
    EfficientConfig,
    EmbbertConfig,
    EmbedderConfig,
    LinearConfig,
    MambaConfig,
)
from embbert.errors import UsageError

if TYPE_CHECKING:
    from embbert.blueprint.common import Shapes
    from embbert.blueprint.steps import Blueprint
    from embbert.config import ModelConfig


def backbone_shapes(config: ModelConfig) -> Shapes:
    """Name and shape of every float tensor of a model without its head."""
    if isinstance(config, EmbbertConfig):
        return embbert.shapes(config)
    if isinstance(config, BertConfig):
        return bert.shapes(config)
    if isinstance(config, EfficientConfig):
        return efficient.shapes(config)
    if isinstance(config, EmbedderConfig):
        return embedder.shapes(config)
    if isinstance(config, MambaConfig):
        return mamba.shapes(config)
    if isinstance(config, LinearConfig):
        return {}
    raise TypeError(f"no weights are known of {type(config).__name__}")


def blueprint(config: ModelConfig, classes: int) -> Blueprint:
    """The operators of a model with a head of `classes` logits.

    Raises:
        UsageError: the architecture runs in float only.
    """
    if isinstance(config, EmbbertConfig):
        return embbert.blueprint(config, classes)
    if isinstance(config, BertConfig):
        return bert.blueprint(config, classes)
    if isinstance(config, EfficientConfig):
        return efficient.blueprint(config, classes)
    if isinstance(config, EmbedderConfig):
        return embedder.blueprint(config, classes)
    if isinstance(config, LinearConfig):
        return linear.blueprint(config, classes)
    raise UsageError(f"{config.architecture} runs in float only: it has no integer model")
