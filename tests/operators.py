"""The operators of the runtime, one at a time: a library of them, and their C structures."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.emit.c99 import runtime_files
from embbert.verify.toolchain import find_compiler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.quant import spec

NATIVE = Path(__file__).parent / "native"
FORMS = {
    "scalar": ("-DEMBBERT_KERNELS=1",),
    "dsp": ("-DEMBBERT_KERNELS=2",),
    "vector": ("-DEMBBERT_KERNELS=3",),
    "unsigned": (
        "-DEMBBERT_KERNELS=3",
        "-D__AVX512VNNI__=1",
    ),  # whose products want one factor without a sign
    "mve": ("-DEMBBERT_KERNELS=4",),
}
INT8, INT16, INT16_ADD, INT32 = range(4)

TYPES = {
    "u8": ctypes.c_uint8,
    "u16": ctypes.c_uint16,
    "i32": ctypes.c_int32,
    "u64": ctypes.c_uint64,
    "p": ctypes.c_void_p,
}


def _structure(name: str, fields: str) -> type[ctypes.Structure]:
    """A structure of fields that are written as `name:type`."""
    pairs = [field.split(":") for field in fields.split()]
    return type(name, (ctypes.Structure,), {"_fields_": [(field, TYPES[kind]) for field, kind in pairs]})


Embed = _structure(
    "Embed",
    "token_table:p token_weight:p token_multiplier:p position_table:p position_weight:p "
    "position_multiplier:p segment_table:p cols:u16 rank:u16 token_shift:u8 position_shift:u8 "
    "token_lift:u8 position_lift:u8",
)
Norm = _structure("Norm", "gain:p epsilon:u64 cols:u16 shift:u8")
Linear = _structure(
    "Linear", "weight:p bias:p multiplier:p inputs:u16 outputs:u16 shift:u8 lift:u8 source:u8 target:u8"
)
Attend = _structure(
    "Attend", "exp_multiplier:i32 out_multiplier:i32 cols:u16 value_cols:u16 exp_shift:u8 out_shift:u8"
)
Conv = _structure(
    "Conv", "weight:p bias:p multiplier:p table:p cols:u16 expansion:u16 taps:u16 left:u16 shift:u8"
)
EmbedWide = _structure(
    "EmbedWide",
    "token_table:p token_multiplier:p position_table:p position_multiplier:p segment_table:p cols:u16 "
    "token_shift:u8 position_shift:u8",
)
LayerNorm = _structure("LayerNorm", "gain:p bias:p epsilon:u64 cols:u16 shift:u8")
Rescale = _structure("Rescale", "multiplier:i32 cols:u16 shift:u8 source:u8 target:u8")
LookUp = _structure("LookUp", "table:p cols:u16")
Bag = _structure("Bag", "weight:p bias:p multiplier:p outputs:u16 shift:u8")


def library(place: Path, form: str) -> ctypes.CDLL:
    """All operators in one form of the loops; undefined behaviour ends the process."""
    folder = place / form
    folder.mkdir()
    for name, text in runtime_files(tokenizer=False, blob=True).items():
        (folder / name).write_text(text)
    flags = ["-std=c99", "-shared", "-fPIC", "-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    flags += [*FORMS[form], f"-I{NATIVE}"]
    find_compiler().compile(sorted(folder.glob("*.c")), folder / "runtime.so", flags)
    return ctypes.CDLL(str(folder / "runtime.so"))


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """To the first element."""
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


class Guarded:
    """An array with a value behind it that nobody may write."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._flat = np.append(values.ravel(), values.dtype.type(77))
        self._shape = values.shape
        self.pointer = pointer(self._flat)

    def values(self) -> list[Any]:
        """What it holds now."""
        assert self._flat[-1] == 77, "written behind its end"
        found: list[Any] = self._flat[:-1].reshape(self._shape).tolist()
        return found


def linear(
    loops: ctypes.CDLL, op: spec.Linear, source: NDArray[Any], before: NDArray[Any], lift: int
) -> list[list[int]]:
    """Up to four rows of the operator's output, of the type of what is there before it."""
    wide = {"int8": INT8, "int16": INT16_ADD if op.accumulate else INT16, "int32": INT32}
    outputs, inputs = op.weight.shape
    kinds = INT8 if source.dtype == np.int8 else INT16, wide[before.dtype.name]
    arrays = (pointer(op.weight), pointer(op.bias), pointer(op.multiplier))
    structure = Linear(*arrays, inputs, outputs, op.shift, lift, *kinds)
    out = before.copy()
    loops.embbert_linear_rows(ctypes.byref(structure), pointer(source), len(source), pointer(out))
    return out.tolist()


def attend(
    loops: ctypes.CDLL,
    op: spec.Attend,
    query: NDArray[np.int8],
    keys: NDArray[np.int8],
    values: NDArray[np.int8],
) -> list[list[int]]:
    """Up to four rows of the operator's output."""
    cols = query.shape[1], values.shape[1]
    structure = Attend(op.exp_multiplier, op.out_multiplier, *cols, op.exp_shift, op.out_shift)
    scores = np.full(4 * len(keys), -1, dtype=np.int32)
    out = np.zeros((len(query), values.shape[1]), dtype=np.int8)
    read = pointer(query), len(query), pointer(keys), pointer(values), len(keys)
    loops.embbert_attend_rows(ctypes.byref(structure), *read, pointer(scores), pointer(out))
    return out.tolist()


def embed_wide(
    loops: ctypes.CDLL, op: spec.EmbedWide, ids: NDArray[np.uint16], first: int, rows: int
) -> list[list[int]]:
    """Rows `first` … `first + rows − 1` of the text."""
    cols = op.segment_table.shape[1]
    tables = (
        op.token_table,
        op.token_multiplier,
        op.position_table,
        op.position_multiplier,
        op.segment_table,
    )
    structure = EmbedWide(*map(pointer, tables), cols, op.token_shift, op.position_shift)
    out = Guarded(np.zeros((rows, cols), dtype=np.int16))
    second = loops.embbert_second_segment(pointer(ids), len(ids))
    loops.embbert_embed_wide_rows(
        ctypes.byref(structure), pointer(ids), ctypes.c_uint32(second), first, rows, out.pointer
    )
    return out.values()


def layer_norm(loops: ctypes.CDLL, op: spec.LayerNorm, source: NDArray[np.int16]) -> list[list[int]]:
    """Up to four rows of the operator's output."""
    structure = LayerNorm(pointer(op.gain), pointer(op.bias), op.epsilon, source.shape[1], op.shift)
    out = Guarded(np.zeros(source.shape, dtype=np.int8))
    loops.embbert_layer_norm_rows(ctypes.byref(structure), pointer(source), len(source), out.pointer)
    return out.values()


def rescale(
    loops: ctypes.CDLL, op: spec.Rescale, source: NDArray[Any], before: NDArray[Any]
) -> list[list[int]]:
    """Up to four rows of the operator's output, of the type of what is there before it."""
    read = INT8 if source.dtype == np.int8 else INT16
    written = INT8 if before.dtype == np.int8 else INT16_ADD if op.accumulate else INT16
    structure = Rescale(op.multiplier, source.shape[1], op.shift, read, written)
    out = Guarded(before)
    loops.embbert_rescale_rows(ctypes.byref(structure), pointer(source), len(source), out.pointer)
    return out.values()


def look_up(loops: ctypes.CDLL, op: spec.LookUp, source: NDArray[np.int8]) -> list[list[int]]:
    """Up to four rows of the operator's output."""
    structure = LookUp(pointer(op.table), source.shape[1])
    out = Guarded(np.zeros_like(source))
    loops.embbert_look_up_rows(ctypes.byref(structure), pointer(source), len(source), out.pointer)
    return out.values()


def pool_rms(loops: ctypes.CDLL, source: NDArray[np.int8]) -> list[int]:
    """The one row of the operator's output, of a text that comes four rows at a time."""
    cols = source.shape[1]
    sums, out = Guarded(np.full(cols, 99, dtype=np.int32)), Guarded(np.zeros(cols, dtype=np.int16))
    loops.embbert_pool_clear(sums.pointer, cols)
    for row in range(0, len(source), 4):
        part = np.ascontiguousarray(source[row : row + 4])
        loops.embbert_pool_add_squares(pointer(part), len(part), cols, sums.pointer)
    loops.embbert_pool_root(sums.pointer, cols, len(source), out.pointer)
    assert len(sums.values()) == cols
    return out.values()
