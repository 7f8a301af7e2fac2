"""EmbBERT: layers of attention minus convolution on the same normalised rows.

Keys and values are the normalised input itself. Without a residual path two int8 buffers take turns as the
input of a layer; with one, an int16 stream stays and one int8 buffer serves all layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint.common import answer, embed, head, layered, linear_shapes, pooled_rows
from embbert.blueprint.steps import Add, Attend, Blueprint, Conv, Gain, Linear, Norm, Pool, Stage, Tensor

if TYPE_CHECKING:
    from embbert.blueprint.common import Shapes
    from embbert.blueprint.steps import Step
    from embbert.config import EmbbertConfig


def shapes(config: EmbbertConfig) -> Shapes:
    """Name and shape of every float tensor without the head."""
    d, d_i = config.hidden_size, config.conv_size
    layer: Shapes = {
        "norm.weight": (d,),
        **linear_shapes("query", d, d),
        **linear_shapes("out", d, d),
        "conv.weight": (d_i, 1, config.kernel_size),
        "conv.bias": (d_i,),
        **linear_shapes("contract", d, d_i),
        **{f"lambda_{name}": (d,) for name in ("q1", "k1", "q2", "k2")},
    }
    found = layered(config, layer)
    if config.residual:
        found["final_norm.weight"] = (d,)
    return found


def blueprint(config: EmbbertConfig, classes: int) -> Blueprint:
    """Tensors and stages."""
    d, count = config.hidden_size, config.num_layers
    whole = {"x0": Tensor("int8", d, "text")}
    if config.residual:
        whole = {"h": Tensor("int16", d, "text"), "x": Tensor("int8", d, "text")}
    elif count > 1:
        whole["x1"] = Tensor("int8", d, "text")
    rows = {
        "q": Tensor("int8", d, "pass"),
        "ctx": Tensor("int8", d, "pass"),
        "u": Tensor("int8", config.conv_size, "pass"),
        "y": Tensor("int16", d, "pass"),
    }
    if config.residual:
        rows["z"] = Tensor("int8", d, "pass")
    stages = _residual(config) if config.residual else _replacing(config)
    return Blueprint(whole | rows | answer(config, classes), (*stages, head(config)))


def _replacing(config: EmbbertConfig) -> tuple[Stage, ...]:
    """The paper: the output of a layer replaces its input."""
    count = config.num_layers
    stages = [Stage("embed", "text", (embed(config, "y"), _norm(config, 0, "y", "x0")))]
    for layer in range(count):
        source, target = f"x{layer % 2}", f"x{(layer + 1) % 2}"
        last = layer == count - 1
        end = Pool("pool", "pooled", "", source="y") if last else _norm(config, layer + 1, "y", target)
        rows = pooled_rows(config) if last else "text"
        stages.append(Stage(f"layer{layer}", rows, (*_block(config, layer, source), end)))
    return tuple(stages)


def _residual(config: EmbbertConfig) -> tuple[Stage, ...]:
    """Every layer adds to an int16 stream."""
    stream = _stream(config)
    stages = [Stage("embed", "text", (embed(config, "h", stream),))]
    for layer in range(config.num_layers):
        stages.append(Stage(f"norm{layer}", "text", (_norm(config, layer, "h", "x"),)))
        add = Add("add", "h", f"{layer}.stream", stream, source="y")
        rows = pooled_rows(config) if layer == config.num_layers - 1 else "text"
        stages.append(Stage(f"layer{layer}", rows, (*_block(config, layer, "x", stream), add)))
    final = Norm("norm", "z", "final", source="h", weight="final_norm", epsilon=config.norm_epsilon)
    stages.append(Stage("final", pooled_rows(config), (final, Pool("pool", "pooled", "", source="z"))))
    return tuple(stages)


def _stream(config: EmbbertConfig) -> tuple[str, ...]:
    """What has to fit the scale of the residual stream."""
    blocks = (f"{layer}.{what}" for layer in range(config.num_layers) for what in ("block", "stream"))
    return ("embed", *blocks)


def _norm(config: EmbbertConfig, layer: int, source: str, out: str) -> Norm:
    weight = f"layers.{layer}.norm"
    return Norm("norm", out, f"{layer}.norm", source=source, weight=weight, epsilon=config.norm_epsilon)


def _block(config: EmbbertConfig, layer: int, x: str, scale: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """The weighted difference y = a·attention − b·convolution, with both gains in the multipliers."""
    at, block = f"layers.{layer}", f"{layer}.block"
    scale = scale or (block,)
    a, b = (Gain(f"{at}.lambda_q{i}", f"{at}.lambda_k{i}", sign) for i, sign in ((1, 1), (2, -1)))
    return (
        Linear("query", "q", f"{layer}.query", source=x, weight=f"{at}.query"),
        Attend("attend", "ctx", f"{layer}.context", query="q", keys=x, values=x),
        Linear("out", "y", block, scale, source="ctx", weight=f"{at}.out", gain=a),
        Conv(
            "conv",
            "u",
            f"{layer}.silu",
            source=x,
            weight=f"{at}.conv",
            taps=config.kernel_size,
            left=config.conv_left,
            inner=f"{layer}.conv",
            function="silu",
        ),
        Linear("contract", "y", block, scale, source="u", weight=f"{at}.contract", gain=b, accumulate=True),
    )
