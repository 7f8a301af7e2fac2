"""The linear model: what is known of each n-gram, added up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint.steps import Bag, Blueprint, Stage, Tensor

if TYPE_CHECKING:
    from embbert.config import LinearConfig


def blueprint(config: LinearConfig, classes: int) -> Blueprint:
    """Tensors and stages."""
    bag = Bag("classify", "logits", "", weight="head", vocab_size=config.vocab_size)
    return Blueprint({"logits": Tensor("int32", classes, "one")}, (Stage("head", "one", (bag,)),))
