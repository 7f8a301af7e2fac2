"""Where every tensor lies in the arena that the caller of the C code provides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embbert.footprint import ALIGNMENT, ROWS_PER_PASS
from embbert.quant.spec import Attend, Pool, PoolRms

if TYPE_CHECKING:
    from embbert.quant.spec import Plan, Tensor

C_TYPES = {"int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "uint16": "uint16_t"}


@dataclass(frozen=True)
class Region:
    """One array of the arena.

    Attributes:
        name: the tensor's, or `ids`, `scores`, `sums`.
        dtype: of its elements.
        elements: how many are used; the array is padded to a multiple of ALIGNMENT bytes.
        offset: bytes from the start of the arena.
        shape: for people, such as "256 x 128".
    """

    name: str
    dtype: str
    elements: int
    offset: int
    shape: str

    @property
    def bytes(self) -> int:
        """Size with padding."""
        return -(-self.elements * np.dtype(self.dtype).itemsize // ALIGNMENT) * ALIGNMENT

    @property
    def c_type(self) -> str:
        """Of an element."""
        return C_TYPES[self.dtype]

    @property
    def padded_elements(self) -> int:
        """Elements that fill `bytes`."""
        return self.bytes // np.dtype(self.dtype).itemsize


def arena(plan: Plan) -> tuple[Region, ...]:
    """The regions in order: the ids, every tensor of the plan, scores of attention and sums of averages.

    What no operator of the plan needs is not there.
    """
    regions: list[Region] = []

    def place(name: str, dtype: str, rows: int, cols: int) -> None:
        offset = regions[-1].offset + regions[-1].bytes if regions else 0
        shape = f"{rows} x {cols}" if cols > 1 else f"{rows}"
        regions.append(Region(name, dtype, rows * cols, offset, shape))

    place("ids", "uint16", plan.max_length + plan.max_ngrams, 1)
    for tensor in plan.tensors:
        place(tensor.name, tensor.dtype, rows_of(plan, tensor), tensor.cols)
    if any(isinstance(op, Attend) for stage in plan.stages for op in stage.ops):
        place("scores", "int32", ROWS_PER_PASS, plan.max_length)
    if pooled_cols(plan) > 0:
        place("sums", "int32", 1, pooled_cols(plan))
    return tuple(regions)


def arena_bytes(plan: Plan) -> int:
    """Size of the arena."""
    last = arena(plan)[-1]
    return last.offset + last.bytes


def rows_of(plan: Plan, tensor: Tensor) -> int:
    """How many rows of a tensor exist at a time."""
    return {"text": plan.max_length, "pass": ROWS_PER_PASS, "one": 1}[tensor.span]


def pooled_cols(plan: Plan) -> int:
    """Width of the widest row that is averaged over the text; 0 if none is."""
    names = [op.source for stage in plan.stages for op in stage.ops if isinstance(op, Pool | PoolRms)]
    return max((plan.tensor(name).cols for name in names), default=0)
