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
Attend = _structure("Attend", "exp_multiplier:i32 out_multiplier:i32 cols:u16 exp_shift:u8 out_shift:u8")
Conv = _structure(
    "Conv", "weight:p bias:p multiplier:p table:p cols:u16 expansion:u16 taps:u16 left:u16 shift:u8"
)


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
    loops: ctypes.CDLL, op: spec.Attend, query: NDArray[np.int8], keys: NDArray[np.int8]
) -> list[list[int]]:
    """Up to four rows of the operator's output."""
    structure = Attend(op.exp_multiplier, op.out_multiplier, keys.shape[1], op.exp_shift, op.out_shift)
    scores = np.full(4 * len(keys), -1, dtype=np.int32)
    out = np.zeros_like(query)
    loops.embbert_attend_rows(
        ctypes.byref(structure),
        *(pointer(query), len(query), pointer(keys), len(keys), pointer(scores), pointer(out)),
    )
    return out.tolist()
