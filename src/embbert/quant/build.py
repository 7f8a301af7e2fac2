"""From a trained EmbBERT to its integer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embbert.quant import spec
from embbert.quant.arithmetic import LIMITS
from embbert.quant.calibrate import Ranges, calibrate
from embbert.quant.float_model import branch_gains, silu
from embbert.quant.overflow import prove
from embbert.quant.validate import validate
from embbert.quant.weights import fixed_point, half_up, quantize_columns, quantize_matrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from embbert.config import ModelConfig
    from embbert.quant.spec import Op, Span, Stage, Tensor

    Float = NDArray[np.float32]


def quantize(
    config: ModelConfig, weights: Mapping[str, Float], classes: int, calibration: Sequence[Sequence[int]]
) -> spec.Plan:
    """Post-training quantisation: static int8 activations, int8 weights per channel, everything integer.

    Args:
        config: the shape of the float model.
        weights: its float32 arrays by state-dict name.
        classes: outputs of the head (1 for regression).
        calibration: token ids of representative texts, never of a test set.

    Returns:
        A validated plan whose accumulators are proved not to overflow.

    Raises:
        DataError: no calibration texts.
        ModelError: weights or activations that are not finite or cannot be represented.
    """
    plan = _Builder(config, weights, classes, calibrate(config, weights, calibration)).plan()
    validate(plan)
    prove(plan)
    return plan


@dataclass(frozen=True)
class _Builder:
    config: ModelConfig
    weights: Mapping[str, Float]
    classes: int
    ranges: Ranges

    def plan(self) -> spec.Plan:
        return spec.Plan(
            architecture="embbert",
            max_length=self.config.max_length,
            vocab_size=self.config.vocab_size,
            tensors=self._tensors(),
            stages=self._residual_stages() if self.config.residual else self._faithful_stages(),
            output="logits",
        )

    # -- scales ------------------------------------------------------------------------------------------

    def _stream_scale(self, layer: int) -> float:
        """Scale of the int16 rows that go into the norm of `layer` (num_layers: what the head pools)."""
        if self.config.residual:
            blocks = [f"{i}.{what}" for i in range(self.config.num_layers) for what in ("block", "stream")]
            return self.ranges.int16_scale("embed", *blocks)
        return self.ranges.int16_scale("embed" if layer == 0 else f"{layer - 1}.block")

    def _input_scale(self, layer: int) -> float:
        return self.ranges.int8_scale(f"{layer}.norm")

    def _pooled_scale(self) -> float:
        """The final norm's int8 rows are averaged with 8 more bits; a faithful model pools its int16 rows."""
        if self.config.residual:
            return self.ranges.int8_scale("final") / 2**8
        return self._stream_scale(self.config.num_layers)

    # -- tensors -----------------------------------------------------------------------------------------

    def _tensors(self) -> tuple[Tensor, ...]:
        d, last = self.config.hidden_size, self.config.num_layers - 1
        stream, x = self._stream_scale(last + 1), self._input_scale(last)
        pass_rows: list[tuple[str, spec.DType, int, Span, float]] = [
            ("q", "int8", d, "pass", self.ranges.int8_scale(f"{last}.query")),
            ("ctx", "int8", d, "pass", self.ranges.int8_scale(f"{last}.context")),
            ("u", "int8", self.config.conv_size, "pass", self.ranges.int8_scale(f"{last}.silu")),
            ("y", "int16", d, "pass", stream),
        ]
        whole: list[tuple[str, spec.DType, int, Span, float]]
        if self.config.residual:
            whole = [("h", "int16", d, "text", stream), ("x", "int8", d, "text", x)]
            pass_rows.append(("z", "int8", d, "pass", self.ranges.int8_scale("final")))
        else:
            names = ("x0", "x1") if self.config.num_layers > 1 else ("x0",)
            whole = [(name, "int8", d, "text", x) for name in names]
        single: list[tuple[str, spec.DType, int, Span, float]] = [
            ("pooled", "int16", d, "one", self._pooled_scale()),
            ("logits", "int32", self.classes, "one", 1 / spec.LOGIT_ONE),
        ]
        return tuple(spec.Tensor(*fields) for fields in whole + pass_rows + single)

    # -- stages ------------------------------------------------------------------------------------------

    def _faithful_stages(self) -> tuple[Stage, ...]:
        count = self.config.num_layers
        stages = [spec.Stage("embed", "text", (self._embed("y"), self._norm(0, "y", "x0")))]
        for layer in range(count):
            source, target = f"x{layer % 2}", f"x{(layer + 1) % 2}"
            last = layer == count - 1
            end: Op = spec.Pool("pool", "y", "pooled", 0) if last else self._norm(layer + 1, "y", target)
            rows = self._pooled_rows() if last else "text"
            stages.append(spec.Stage(f"layer{layer}", rows, (*self._block(layer, source), end)))
        return (*stages, self._head())

    def _residual_stages(self) -> tuple[Stage, ...]:
        count = self.config.num_layers
        stages = [spec.Stage("embed", "text", (self._embed("h"),))]
        for layer in range(count):
            stages.append(spec.Stage(f"norm{layer}", "text", (self._norm(layer, "h", "x"),)))
            ops: tuple[Op, ...] = (*self._block(layer, "x"), spec.Add("add", "y", "h"))
            rows = self._pooled_rows() if layer == count - 1 else "text"
            stages.append(spec.Stage(f"layer{layer}", rows, ops))
        final = self._gain_norm(
            self.weights["final_norm.weight"],
            self._stream_scale(count),
            self.ranges.int8_scale("final"),
            "h",
            "z",
        )
        stages.append(spec.Stage("final", self._pooled_rows(), (final, spec.Pool("pool", "z", "pooled", 8))))
        return (*stages, self._head())

    def _pooled_rows(self) -> spec.RowSet:
        return "first" if self.config.pooling == "cls" else "text"

    # -- operators ---------------------------------------------------------------------------------------

    def _embed(self, out: str) -> spec.Embed:
        scale = self._stream_scale(0)
        parts = {}
        for part in ("token", "position"):
            table, columns = quantize_columns(self.weights[f"embedder.{part}.weight"])
            up = quantize_matrix(
                f"embed.{part}",
                self.weights[f"embedder.{part}_up.weight"] * columns,
                None,
                input_scale=1.0,
                input_limit=LIMITS["int8"],
                output_scale=scale,
            )
            parts[part] = (table, up.weight, up.multiplier, up.shift)
        segment = half_up(self.weights["embedder.segment.weight"][1:] / scale)
        limit = LIMITS["int16"]
        return spec.Embed(
            "embed",
            out,
            *parts["token"],
            *parts["position"],
            np.clip(segment, -limit, limit).astype(np.int16),
        )

    def _norm(self, layer: int, source: str, out: str) -> spec.Norm:
        gain = self.weights[f"layers.{layer}.norm.weight"]
        return self._gain_norm(gain, self._stream_scale(layer), self._input_scale(layer), source, out)

    def _gain_norm(self, gain: Float, in_scale: float, out_scale: float, source: str, out: str) -> spec.Norm:
        # x·inverse is x/√S in units of 2^(−31−e/2), and y = x·√d·g/√S: the rest is one
        # fixed factor per channel.
        d = self.config.hidden_size
        factors = gain.astype(np.float64) * np.sqrt(d) / out_scale
        largest = float(np.abs(factors).max())
        bits = 14 - int(np.floor(np.log2(largest))) if largest > 0.0 else 0
        bits = min(20, max(-14, bits))
        units = np.clip(half_up(np.ldexp(factors, bits)), -LIMITS["int16"], LIMITS["int16"])
        epsilon = max(1, round(d * self.config.norm_epsilon / in_scale**2))
        return spec.Norm("norm", source, out, units.astype(np.int16), 31 + bits, epsilon)

    def _linear(
        self,
        name: str,
        layer: int,
        source: str,
        out: str,
        in_scale: float,
        out_scale: float,
        gain: float = 1.0,
    ) -> spec.Linear:
        at = f"layers.{layer}.{name}"
        part = quantize_matrix(
            f"layer{layer}.{name}",
            self.weights[f"{at}.weight"],
            self.weights[f"{at}.bias"],
            input_scale=in_scale,
            input_limit=LIMITS["int8"],
            output_scale=out_scale,
            gain=gain,
        )
        accumulate = name == "contract"
        return spec.Linear(name, source, out, part.weight, part.bias, part.multiplier, part.shift, accumulate)

    def _block(self, layer: int, source: str) -> tuple[Op, ...]:
        """The weighted difference y = a·attention − b·convolution, with both gains in the multipliers."""
        a, b = branch_gains(self.weights, layer)
        x, y = self._input_scale(layer), self._stream_scale(layer + 1)
        q, ctx, u = (self.ranges.int8_scale(f"{layer}.{what}") for what in ("query", "context", "silu"))
        return (
            self._linear("query", layer, source, "q", x, q),
            self._attend(layer, source, x, q, ctx),
            self._linear("out", layer, "ctx", "y", ctx, y, gain=a),
            self._conv(layer, source, x, u),
            self._linear("contract", layer, "u", "y", u, y, gain=-b),
        )

    def _attend(self, layer: int, source: str, x: float, q: float, ctx: float) -> spec.Attend:
        name = f"layer{layer}.attend"
        step = q * x / np.sqrt(self.config.hidden_size) * np.log2(np.e) * spec.EXP_STEPS
        multiplier, shift = fixed_point(name, np.array([step]))
        ratio = x / ctx
        out_bits = 19 - int(np.floor(np.log2(ratio)))
        units = int(half_up(np.array([np.ldexp(ratio, out_bits)]))[0])
        if units == 1 << 20:  # rounded up to the next power of two
            units, out_bits = 1 << 19, out_bits - 1
        return spec.Attend("attend", "q", source, "ctx", int(multiplier[0]), shift, units, 24 + out_bits)

    def _conv(self, layer: int, source: str, x: float, u: float) -> spec.Conv:
        at, inner = f"layers.{layer}.conv", self.ranges.int8_scale(f"{layer}.conv")
        part = quantize_matrix(
            f"layer{layer}.conv",
            self.weights[f"{at}.weight"][:, 0, :].T,
            self.weights[f"{at}.bias"],
            input_scale=x,
            input_limit=LIMITS["int8"],
            output_scale=inner,
            axis=0,
        )
        units = np.arange(-128, 128, dtype=np.float64)
        units[0] = -127.0
        limit = LIMITS["int8"]
        table = np.clip(half_up(silu(units * inner) / u), -limit, limit).astype(np.int8)
        left = self.config.conv_left
        return spec.Conv(
            "conv", source, "u", part.weight, part.bias, part.multiplier, part.shift, left, table
        )

    def _head(self) -> Stage:
        part = quantize_matrix(
            "head.classify",
            self.weights["head.weight"],
            self.weights["head.bias"],
            input_scale=self._pooled_scale(),
            input_limit=LIMITS["int16"],
            output_scale=1 / spec.LOGIT_ONE,
        )
        op = spec.Linear(
            "classify", "pooled", "logits", part.weight, part.bias, part.multiplier, part.shift, False
        )
        return spec.Stage("head", "one", (op,))
