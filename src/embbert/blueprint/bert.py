"""BERT and NanoBERT: multi-head attention and a feed-forward part, each with a layer norm behind its sum.

Every head has an operator of its own on its own columns; what the heads read is multiplied by their parts of
the output matrix and added up. Keys and values of the whole text are computed first, so a layer can write its
result over its input.
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
    from embbert.config import BertConfig


def shapes(config: BertConfig) -> Shapes:
    """Name and shape of every float tensor without the head."""
    d, d_i = config.hidden_size, config.feed_size
    layer: Shapes = {
        **linear_shapes("query", d, d),
        **linear_shapes("key", d, d),
        **linear_shapes("value", d, d),
        **linear_shapes("out", d, d),
        "attention_norm.weight": (d,),
        "attention_norm.bias": (d,),
        **linear_shapes("widen", d_i, d),
        **linear_shapes("contract", d, d_i),
        "output_norm.weight": (d,),
        "output_norm.bias": (d,),
    }
    return layered(config, layer)


def blueprint(config: BertConfig, classes: int) -> Blueprint:
    """Tensors and stages."""
    d, size, heads = config.hidden_size, config.head_size, range(config.num_heads)
    whole = {"x": Tensor("int8", d, "text")}
    whole |= {f"{kind}{h}": Tensor("int8", size, "text") for kind in ("k", "v") for h in heads}
    rows = {f"{kind}{h}": Tensor("int8", size, "pass") for kind in ("q", "ctx") for h in heads}
    rows |= {
        "y": Tensor("int16", d, "pass"),
        "z": Tensor("int8", d, "pass"),
        "f": Tensor("int8", config.feed_size, "pass"),
        "u": Tensor("int8", config.feed_size, "pass"),
    }
    stages = [Stage("embed", "text", (embed(config, "y"), Rescale("narrow", "x", "narrow", source="y")))]
    for layer in range(config.num_layers):
        last = layer == config.num_layers - 1
        stages.append(Stage(f"keys{layer}", "text", tuple(_keys(config, layer))))
        steps = [*_attention(config, layer), *_feed(config, layer, "z" if last else "x")]
        if last:
            steps.append(Pool("pool", "pooled", "", source="z"))
        stages.append(Stage(f"layer{layer}", pooled_rows(config) if last else "text", tuple(steps)))
    return Blueprint(whole | rows | answer(config, classes), (*stages, head(config)))


def _part(config: BertConfig, index: int) -> tuple[int, int]:
    return index * config.head_size, (index + 1) * config.head_size


def _keys(config: BertConfig, layer: int) -> list[Step]:
    return [
        Linear(
            f"{kind}{h}",
            f"{kind[0]}{h}",
            f"{layer}.{kind}{h}",
            source="x",
            weight=f"layers.{layer}.{kind}",
            outputs=_part(config, h),
        )
        for kind in ("key", "value")
        for h in range(config.num_heads)
    ]


def _attention(config: BertConfig, layer: int) -> list[Step]:
    at, total = f"layers.{layer}", f"{layer}.attended"
    steps: list[Step] = []
    for h in range(config.num_heads):
        part, first = _part(config, h), h == 0
        query, context = f"{layer}.query{h}", f"{layer}.context{h}"
        steps += [
            Linear(f"query{h}", f"q{h}", query, source="x", weight=f"{at}.query", outputs=part),
            Attend(f"attend{h}", f"ctx{h}", context, query=f"q{h}", keys=f"k{h}", values=f"v{h}"),
            Linear(
                f"out{h}",
                "y",
                total,
                source=f"ctx{h}",
                weight=f"{at}.out",
                inputs=part,
                bias=first,
                accumulate=not first,
            ),
        ]
    norm = f"{at}.attention_norm"
    return [
        *steps,
        Rescale("residual", "y", total, source="x", accumulate=True),
        Norm(
            "norm",
            "z",
            f"{layer}.middle",
            source="y",
            weight=norm,
            epsilon=config.norm_epsilon,
            centred=True,
        ),
    ]


def _feed(config: BertConfig, layer: int, out: str) -> list[Step]:
    at, total = f"layers.{layer}", f"{layer}.fed"
    norm = f"{at}.output_norm"
    return [
        Linear("widen", "f", f"{layer}.wide", source="z", weight=f"{at}.widen"),
        LookUp("relu", "u", f"{layer}.relu", source="f", function="relu"),
        Linear("contract", "y", total, source="u", weight=f"{at}.contract"),
        Rescale("again", "y", total, source="z", accumulate=True),
        Norm(
            "output",
            out,
            f"{layer}.output",
            source="y",
            weight=norm,
            epsilon=config.norm_epsilon,
            centred=True,
        ),
    ]
