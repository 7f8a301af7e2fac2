"""BERT-Efficient and NanoBERT-Efficient: attention to normalised rows, and a feed-forward part.

Keys and values are the rows themselves; a residual path begins behind each norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint.common import answer, embed, head, layered, linear_shapes, pooled_rows
from embbert.blueprint.steps import (
    Attend,
    Blueprint,
    Linear,
    LookUp,
    Norm,
    Pool,
    Rescale,
    Stage,
    Tensor,
)

if TYPE_CHECKING:
    from embbert.blueprint.common import Shapes
    from embbert.blueprint.steps import Step
    from embbert.config import EfficientConfig


def shapes(config: EfficientConfig) -> Shapes:
    """Name and shape of every float tensor without the head."""
    d, d_i = config.hidden_size, config.feed_size
    layer: Shapes = {
        "attention_norm.weight": (d,),
        **linear_shapes("query", d, d),
        **linear_shapes("out", d, d),
        "feed_norm.weight": (d,),
        **linear_shapes("widen", d_i, d),
        **linear_shapes("contract", d, d_i),
    }
    return layered(config, layer)


def blueprint(config: EfficientConfig, classes: int) -> Blueprint:
    """Tensors and stages."""
    d, count = config.hidden_size, config.num_layers
    whole = {f"x{i}": Tensor("int8", d, "text") for i in range(min(2, count))}
    rows = {
        "q": Tensor("int8", d, "pass"),
        "ctx": Tensor("int8", d, "pass"),
        "y": Tensor("int16", d, "pass"),
        "z": Tensor("int8", d, "pass"),
        "f": Tensor("int8", config.feed_size, "pass"),
        "u": Tensor("int8", config.feed_size, "pass"),
    }
    stages = [Stage("embed", "text", (embed(config, "y"), _input(config, 0)))]
    for layer in range(count):
        last = layer == count - 1
        end = Pool("pool", "pooled", "", source="y") if last else _input(config, layer + 1)
        rows_of = pooled_rows(config) if last else "text"
        stages.append(Stage(f"layer{layer}", rows_of, (*_block(config, layer), end)))
    return Blueprint(whole | rows | answer(config, classes), (*stages, head(config)))


def _input(config: EfficientConfig, layer: int) -> Norm:
    """The norm that a layer begins with, computed where its input is."""
    weight = f"layers.{layer}.attention_norm"
    out = f"x{layer % 2}"
    return Norm("norm", out, f"{layer}.norm", source="y", weight=weight, epsilon=config.norm_epsilon)


def _block(config: EfficientConfig, layer: int) -> tuple[Step, ...]:
    at, x = f"layers.{layer}", f"x{layer % 2}"
    attended, fed = f"{layer}.attended", f"{layer}.fed"
    norm = f"{at}.feed_norm"
    return (
        Linear("query", "q", f"{layer}.query", source=x, weight=f"{at}.query"),
        Attend("attend", "ctx", f"{layer}.context", query="q", keys=x, values=x),
        Linear("out", "y", attended, source="ctx", weight=f"{at}.out"),
        Rescale("residual", "y", attended, source=x, accumulate=True),
        Norm("middle", "z", f"{layer}.middle", source="y", weight=norm, epsilon=config.norm_epsilon),
        Linear("widen", "f", f"{layer}.wide", source="z", weight=f"{at}.widen"),
        LookUp("silu", "u", f"{layer}.silu", source="f", function="silu"),
        Linear("contract", "y", fed, source="u", weight=f"{at}.contract"),
        Rescale("again", "y", fed, source="z", accumulate=True),
    )
