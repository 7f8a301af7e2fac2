"""The constant arrays of a plan, in the order of elements that the kernels want."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.emit.layout import C_TYPES
from embbert.quant import spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from embbert.quant.spec import Op, Plan

LINE = 106


@dataclass(frozen=True)
class Constant:
    """One array of the generated weights file.

    Attributes:
        stage: name of the stage it belongs to.
        op: name of the operator.
        field: of the operator's C structure.
        values: in the kernel's order.
        axes: what its dimensions count, such as "outputs x inputs".
    """

    stage: str
    op: str
    field: str
    values: NDArray[Any]
    axes: str

    @property
    def name(self) -> str:
        """Without the model's prefix."""
        return f"{self.stage}_{self.op}_{self.field}"

    @property
    def c_type(self) -> str:
        """Of an element."""
        return C_TYPES[self.dtype]

    @property
    def shape(self) -> str:
        """For people: "128 x 128"."""
        return " x ".join(str(size) for size in self.values.shape)

    @property
    def dtype(self) -> str:
        """Of an element, in NumPy's words."""
        return self.values.dtype.name

    @property
    def dimensions(self) -> str:
        """For C, which sees every array as flat."""
        return f"[{self.values.size}]"

    @property
    def bytes(self) -> int:
        """Size in flash."""
        return int(self.values.nbytes)

    @property
    def text(self) -> str:
        """The elements as lines of C."""
        lines: list[str] = []
        line = "   "
        for value in self.values.ravel().tolist():
            piece = f" {value},"
            if len(line) + len(piece) > LINE:
                lines.append(line)
                line = "   "
            line += piece
        return "\n".join([*lines, line])


def constants(plan: Plan) -> list[Constant]:
    """Every array of every operator; together as many bytes as the plan's own arrays."""
    return [
        Constant(stage.name, op.name, field, np.ascontiguousarray(values), axes)
        for stage in plan.stages
        for op in stage.ops
        for field, values, axes in _arrays(op, plan)
    ]


def _arrays(op: Op, plan: Plan) -> Iterator[tuple[str, NDArray[Any], str]]:
    if isinstance(op, spec.Embed):
        for part, entries in (("token", "vocabulary"), ("position", "positions")):
            yield f"{part}_table", getattr(op, f"{part}_table"), f"{entries} x rank"
            yield f"{part}_weight", getattr(op, f"{part}_weight").T, "rank x channels"
            yield f"{part}_multiplier", getattr(op, f"{part}_multiplier"), "channels"
        yield "segment_table", op.segment_table, "segments x channels"
    elif isinstance(op, spec.EmbedWide):
        for part, entries in (("token", "vocabulary"), ("position", "positions")):
            yield f"{part}_table", getattr(op, f"{part}_table"), f"{entries} x channels"
            yield f"{part}_multiplier", getattr(op, f"{part}_multiplier"), "channels"
        yield "segment_table", op.segment_table, "segments x channels"
    elif isinstance(op, spec.Norm):
        yield "gain", op.gain, "channels"
    elif isinstance(op, spec.LayerNorm):
        yield "gain", op.gain, "channels"
        yield "bias", op.bias, "channels"
    elif isinstance(op, spec.Linear):
        yield "weight", op.weight, "outputs x inputs"
        yield "bias", op.bias, "outputs"
        yield "multiplier", op.multiplier, "outputs"
    elif isinstance(op, spec.Conv):
        taps, channels = op.weight.shape
        cols = plan.tensor(op.source).cols
        expansion = channels // cols
        # The kernel walks over input channels, so outputs of equal index within their group lie together.
        yield (
            "weight",
            op.weight.reshape(taps, cols, expansion).transpose(0, 2, 1),
            "taps x expansion x channels",
        )
        yield "bias", op.bias.reshape(cols, expansion).T, "expansion x channels"
        yield "multiplier", op.multiplier.reshape(cols, expansion).T, "expansion x channels"
        yield "table", op.table, "activations"
    elif isinstance(op, spec.LookUp):
        yield "table", op.table, "values"
    elif isinstance(op, spec.Bag):
        yield "weight", op.weight, "n-grams x outputs"
        yield "bias", op.bias, "outputs"
        yield "multiplier", op.multiplier, "outputs"


def digest(constants_of_plan: list[Constant]) -> str:
    """sha256 over names, shapes and bytes of all arrays."""
    total = hashlib.sha256()
    for constant in constants_of_plan:
        total.update(f"{constant.name} {constant.dtype} {constant.shape}\n".encode())
        total.update(constant.values.astype(constant.values.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()
