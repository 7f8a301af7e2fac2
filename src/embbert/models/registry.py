"""From a config to the backbone of its architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embbert.config import BertConfig, EfficientConfig, EmbbertConfig, EmbedderConfig, MambaConfig
from embbert.errors import UsageError
from embbert.models.bert import Bert
from embbert.models.efficient import Efficient
from embbert.models.embbert import EmbBERT
from embbert.models.embedder import NanoEmbedder
from embbert.models.mamba import Mamba

if TYPE_CHECKING:
    from collections.abc import Callable

    from embbert.config import BackboneConfig
    from embbert.models.backbone import Backbone

BACKBONES: dict[type[BackboneConfig], Callable[[Any, float], Backbone]] = {
    EmbbertConfig: EmbBERT,
    BertConfig: Bert,
    EfficientConfig: Efficient,
    EmbedderConfig: NanoEmbedder,
    MambaConfig: Mamba,
}


def backbone(config: BackboneConfig, dropout: float = 0.0) -> Backbone:
    """A model of that shape with random weights, without a head.

    Raises:
        UsageError: a shape with n-grams beside the tokens, which no network reads.
    """
    if config.ngrams:
        raise UsageError("a network reads tokens only: train it without n-grams and add those afterwards")
    return BACKBONES[type(config)](config, dropout)
