"""From a trained model to its integer plan: every step of the blueprint becomes an operator.

The scale of a tensor is that of what was last written to it, so the steps are walked in order of execution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.blueprint import blueprint, steps
from embbert.config import BackboneConfig
from embbert.errors import ModelError
from embbert.quant import spec
from embbert.quant.arithmetic import LIMITS
from embbert.quant.calibrate import calibrate
from embbert.quant.float_model import FUNCTIONS, bias_of, gain_of, part_of
from embbert.quant.overflow import prove
from embbert.quant.validate import MAX_EPSILON, validate
from embbert.quant.weights import fixed_point, half_up, quantize_columns, quantize_matrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from embbert.blueprint.steps import Step
    from embbert.config import ModelConfig
    from embbert.quant.calibrate import Ranges
    from embbert.quant.spec import Op
    from embbert.quant.weights import IntegerMatrix

    Float = NDArray[np.float32]

SHARE_BITS = 15
"""What a bag makes of the sum of its weights is in units of 2^−15 of theirs."""

AVERAGE_BITS = 8
"""An average of int8 rows is kept as int16, in units of 1/256 of theirs; so is a bias of a layer norm."""


def quantize(
    config: ModelConfig, weights: Mapping[str, Float], classes: int, calibration: Sequence[Sequence[int]]
) -> spec.Plan:
    """Post-training quantisation: static int8 activations, int8 weights per channel, everything integer.

    Args:
        config: the shape of the float model.
        weights: its float32 arrays by state-dict name.
        classes: outputs of the head (1 for regression).
        calibration: ids of representative texts, never of a test set.

    Returns:
        A validated plan whose accumulators are proved not to overflow.

    Raises:
        UsageError: the architecture runs in float only.
        DataError: no calibration texts.
        ModelError: weights or activations that are not finite or cannot be represented.
    """
    for name, weight in weights.items():
        if not np.isfinite(weight).all():
            raise ModelError(f"{name}: the float weights hold NaN or infinity; train the model again")
    drawn = blueprint(config, classes)
    ranges = calibrate(drawn, weights, calibration)
    builder = _Builder(drawn, weights, ranges)
    stages = tuple(
        spec.Stage(stage.name, stage.rows, tuple(builder.op(stage.name, step) for step in stage.steps))
        for stage in drawn.stages
    )
    tensors = tuple(
        spec.Tensor(name, kind.dtype, kind.cols, kind.span, builder.scale[name])
        for name, kind in drawn.tensors.items()
    )
    ngrams, most = (config.ngrams, config.max_ngrams) if isinstance(config, BackboneConfig) else (0, 0)
    sizes = config.max_length, config.vocab_size
    plan = spec.Plan(config.architecture, *sizes, tensors, stages, "logits", ngrams, most)
    validate(plan)
    prove(plan)
    return plan


class _Builder:
    """Walks a blueprint, knowing the scale of what each tensor holds."""

    def __init__(self, drawn: steps.Blueprint, weights: Mapping[str, Float], ranges: Ranges) -> None:
        self.tensors, self.weights, self.ranges = drawn.tensors, weights, ranges
        self.scale: dict[str, float] = {}

    def op(self, stage: str, step: Step) -> Op:
        """The operator of one step; from then on its tensor has the scale of its result."""
        out = self._scale_of(step)
        where = f"{stage}.{step.name}"
        made = self._op(where, step, out)
        self.scale[step.out] = out
        return made

    def _scale_of(self, step: Step) -> float:
        if isinstance(step, steps.Pool):
            wide = self.tensors[step.source].dtype == "int16"
            return self.scale[step.source] / (1 if wide else 2**AVERAGE_BITS)
        dtype = self.tensors[step.out].dtype
        if dtype == "int32":
            return 1 / spec.LOGIT_ONE
        if dtype == "int16":
            return self.ranges.int16_scale(*step.deciding)
        return self.ranges.int8_scale(step.deciding[0])

    def _op(self, where: str, step: Step, out: float) -> Op:
        if isinstance(step, steps.Embed):
            return self._embed(step, out)
        if isinstance(step, steps.Norm):
            return self._norm(step, out)
        if isinstance(step, steps.Linear):
            return self._linear(where, step, out)
        if isinstance(step, steps.Attend):
            return self._attend(where, step, out)
        if isinstance(step, steps.Conv):
            return self._conv(where, step, out)
        if isinstance(step, steps.Add):
            return spec.Add(step.name, step.source, step.out)
        if isinstance(step, steps.Rescale):
            multiplier, shift = fixed_point(where, np.array([self.scale[step.source] / out]))
            return spec.Rescale(step.name, step.source, step.out, int(multiplier[0]), shift, step.accumulate)
        if isinstance(step, steps.LookUp):
            table = _table(step.function, self.scale[step.source], out)
            return spec.LookUp(step.name, step.source, step.out, table)
        if isinstance(step, steps.Pool):
            return self._pool(where, step)
        if isinstance(step, steps.Bag):
            return self._bag(where, step)
        raise AssertionError(f"{where}: no operator does what {type(step).__name__} does")

    def _embed(self, step: steps.Embed, out: float) -> spec.Embed | spec.EmbedWide:
        segment = half_up(self.weights["embedder.segment.weight"][1:] / out)
        limit = LIMITS["int16"]
        segments = np.clip(segment, -limit, limit).astype(np.int16)
        parts: list[Any] = []
        for part in ("token", "position"):
            table, columns = quantize_columns(self.weights[f"embedder.{part}.weight"])
            parts.append(table)
            if step.rank:
                up = quantize_matrix(
                    f"embed.{part}",
                    self.weights[f"embedder.{part}_up.weight"] * columns,
                    None,
                    input_scale=1.0,
                    input_limit=LIMITS["int8"],
                    output_scale=out,
                )
                parts += [up.weight, up.multiplier, up.shift]
            else:
                parts += fixed_point(f"embed.{part}", columns / out)
        kind: Any = spec.Embed if step.rank else spec.EmbedWide
        made: spec.Embed | spec.EmbedWide = kind(step.name, step.out, *parts, segments)
        return made

    def _norm(self, step: steps.Norm, out: float) -> spec.Norm | spec.LayerNorm:
        # x·inverse is x/√S in units of 2^(−31−e/2), and y = x·√d·g/√S: the rest is one
        # fixed factor per channel.
        d = self.tensors[step.source].cols
        factors = self.weights[f"{step.weight}.weight"].astype(np.float64) * np.sqrt(d) / out
        largest = float(np.abs(factors).max())
        bits = 14 - int(np.floor(np.log2(largest))) if largest > 0.0 else 0
        # The bias of a layer norm is shifted up by as much as the product is shifted down.
        bits = min(11, max(-8, bits)) if step.centred else min(20, max(-14, bits))
        limit = LIMITS["int16"]
        units = np.clip(half_up(np.ldexp(factors, bits)), -limit, limit).astype(np.int16)
        epsilon = max(1, round(d * step.epsilon / self.scale[step.source] ** 2))
        if epsilon >= MAX_EPSILON:
            raise ModelError(
                f"{step.weight}: the float model gives it values of less than "
                f"{self.scale[step.source] * limit:.1g}, which count for nothing beside its epsilon of "
                f"{step.epsilon:g}; the layer before it has died, train the model again"
            )
        if not step.centred:
            return spec.Norm(step.name, step.source, step.out, units, 31 + bits, epsilon)
        offset = half_up(self.weights[f"{step.weight}.bias"] / out * 2**AVERAGE_BITS)
        bias = np.clip(offset, -limit, limit).astype(np.int16)
        return spec.LayerNorm(step.name, step.source, step.out, units, bias, 31 + bits, epsilon)

    def _linear(self, where: str, step: steps.Linear, out: float) -> spec.Linear:
        part = quantize_matrix(
            where,
            part_of(step, self.weights),
            bias_of(step, self.weights),
            input_scale=self.scale[step.source],
            input_limit=LIMITS[self.tensors[step.source].dtype],
            output_scale=out,
            gain=gain_of(step, self.weights),
        )
        return spec.Linear(step.name, step.source, step.out, *_parts(part), step.accumulate)

    def _attend(self, where: str, step: steps.Attend, out: float) -> spec.Attend:
        score = self.scale[step.query] * self.scale[step.keys] / np.sqrt(self.tensors[step.keys].cols)
        multiplier, shift = fixed_point(where, np.array([score * np.log2(np.e) * spec.EXP_STEPS]))
        ratio = self.scale[step.values] / out
        bits = 19 - int(np.floor(np.log2(ratio)))
        units = int(half_up(np.array([np.ldexp(ratio, bits)]))[0])
        if units == 1 << 20:  # rounded up to the next power of two
            units, bits = 1 << 19, bits - 1
        tensors = (step.query, step.keys, step.values, step.out)
        return spec.Attend(step.name, *tensors, int(multiplier[0]), shift, units, 24 + bits)

    def _conv(self, where: str, step: steps.Conv, out: float) -> spec.Conv:
        inner = self.ranges.int8_scale(step.inner)
        part = quantize_matrix(
            where,
            self.weights[f"{step.weight}.weight"][:, 0, :].T,
            self.weights[f"{step.weight}.bias"],
            input_scale=self.scale[step.source],
            input_limit=LIMITS["int8"],
            output_scale=inner,
            axis=0,
        )
        table = _table(step.function, inner, out)
        return spec.Conv(step.name, step.source, step.out, *_parts(part), step.left, table)

    def _bag(self, where: str, step: steps.Bag) -> spec.Bag:
        weight = self.weights[f"{step.weight}.weight"].astype(np.float64)
        bias = np.zeros(len(weight))
        if step.bias:
            bias = self.weights[f"{step.weight}.bias"].astype(np.float64)
        table, scale = quantize_columns(weight.T)
        # The sum over the root is in units of 2^−15 of a weight's.
        multiplier, shift = fixed_point(where, scale * spec.LOGIT_ONE / 2**SHARE_BITS)
        limit = LIMITS["int32"]
        offset = np.clip(half_up(bias * spec.LOGIT_ONE), -limit, limit).astype(np.int32)
        return spec.Bag(step.name, step.out, table, offset, multiplier, shift)

    def _pool(self, where: str, step: steps.Pool) -> spec.Pool | spec.PoolRms:
        narrow = self.tensors[step.source].dtype == "int8"
        if not step.rms:
            return spec.Pool(step.name, step.source, step.out, AVERAGE_BITS if narrow else 0)
        if not narrow:
            raise ModelError(f"{where}: only int8 rows have a root mean square")
        return spec.PoolRms(step.name, step.source, step.out)


def _parts(part: IntegerMatrix) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int32], int]:
    return part.weight, part.bias, part.multiplier, part.shift


def _table(function: steps.Function, inner: float, out: float) -> NDArray[np.int8]:
    """The function of every int8 value in units of `inner`, in units of `out`; entry 0 repeats entry 1."""
    units = np.arange(-128, 128, dtype=np.float64)
    units[0] = -127.0
    limit = LIMITS["int8"]
    return np.clip(half_up(FUNCTIONS[function](units * inner) / out), -limit, limit).astype(np.int8)
