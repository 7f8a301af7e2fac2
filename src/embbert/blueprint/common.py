"""What the blueprints of several architectures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint.steps import Add, Bag, Embed, Linear, Stage, Tensor

if TYPE_CHECKING:
    from embbert.blueprint.steps import RowSet, Step
    from embbert.config import BackboneConfig
    from embbert.config.model import LayeredConfig

Shapes = dict[str, tuple[int, ...]]


def embedder_shapes(config: BackboneConfig) -> Shapes:
    """Tables, the matrices that widen narrow ones, and the three segment vectors."""
    d, r = config.hidden_size, config.embedding_size
    shapes: Shapes = {"embedder.token.weight": (config.vocab_size, config.table_size)}
    if r:
        shapes["embedder.token_up.weight"] = (d, r)
    shapes["embedder.position.weight"] = (config.max_length, config.table_size)
    if r:
        shapes["embedder.position_up.weight"] = (d, r)
    shapes["embedder.segment.weight"] = (3, d)
    return shapes


def layered(config: LayeredConfig, layer: Shapes) -> Shapes:
    """The embedder, and as many layers as the config says."""
    found = embedder_shapes(config)
    for i in range(config.num_layers):
        found |= {f"layers.{i}.{name}": shape for name, shape in layer.items()}
    return found


def linear_shapes(name: str, outputs: int, inputs: int) -> Shapes:
    """A matrix and its bias."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def embed(config: BackboneConfig, out: str, scale: tuple[str, ...] = ()) -> Embed:
    """The embedder."""
    return Embed("embed", out, "embed", scale, vocab_size=config.vocab_size, rank=config.embedding_size)


def pooled_rows(config: BackboneConfig) -> RowSet:
    """Which rows the head reads: of the last layer no others are computed."""
    return "first" if config.pooling == "cls" else "text"


def answer(config: BackboneConfig, classes: int) -> dict[str, Tensor]:
    """The tensors of the head."""
    tensors = {
        "pooled": Tensor("int16", config.hidden_size, "one"),
        "logits": Tensor("int32", classes, "one"),
    }
    if config.ngrams:
        tensors["known"] = Tensor("int32", classes, "one")
    return tensors


def head(config: BackboneConfig) -> Stage:
    """One linear layer on the pooled row, and what the n-grams add to its logits."""
    steps: list[Step] = [Linear("classify", "logits", "", source="pooled", weight="head")]
    if config.ngrams:
        size, first = config.ngrams, config.vocab_size
        steps += [
            Bag("weigh", "known", "", weight="ngrams", vocab_size=size, first=first, bias=False),
            Add("add", "logits", "", source="known"),
        ]
    return Stage("head", "one", tuple(steps))
