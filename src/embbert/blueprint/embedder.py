"""NanoEmbedder: the embedder and the root mean square of its rows; between them one convolution or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint.common import answer, embed, embedder_shapes, head
from embbert.blueprint.steps import Blueprint, Conv, Pool, Rescale, Stage, Tensor

if TYPE_CHECKING:
    from embbert.blueprint.common import Shapes
    from embbert.config import EmbedderConfig


def shapes(config: EmbedderConfig) -> Shapes:
    """Name and shape of every float tensor without the head."""
    found = embedder_shapes(config)
    if config.kernel_size:
        d = config.hidden_size
        found |= {"conv.weight": (d, 1, config.kernel_size), "conv.bias": (d,)}
    return found


def blueprint(config: EmbedderConfig, classes: int) -> Blueprint:
    """Tensors and stages."""
    d, taps = config.hidden_size, config.kernel_size
    y = {"y": Tensor("int16", d, "pass")}
    narrow = Rescale("narrow", "x", "narrow", source="y")
    if not taps:
        tensors = y | {"x": Tensor("int8", d, "pass")}
        pool = Pool("pool", "pooled", "", source="x", rms=True)
        stages = [Stage("embed", "text", (embed(config, "y"), narrow, pool))]
    else:
        tensors = {"x": Tensor("int8", d, "text")} | y | {"u": Tensor("int8", d, "pass")}
        conv = Conv(
            "conv", "u", "conv", source="x", weight="conv", taps=taps, left=taps - 1, inner="conv.inner"
        )
        pool = Pool("pool", "pooled", "", source="u", rms=True)
        stages = [
            Stage("embed", "text", (embed(config, "y"), narrow)),
            Stage("conv", "text", (conv, pool)),
        ]
    return Blueprint(tensors | answer(config, classes), (*stages, head(config)))
