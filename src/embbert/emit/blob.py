"""Weights in a file of their own: where everything lies in it, its bytes, and the C that reads and checks it.

The layout follows from the plan's shapes alone, so it is compiled in and the file holds values only. A
fingerprint of everything else that is compiled in tells which files fit. The format: runtime/embbert_blob.h.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.emit.constants import constants
from embbert.emit.stages import lift, scalars_of
from embbert.quant.plan_io import plan_to_arrays
from embbert.quant.spec import Bag, Embed, EmbedWide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embbert.emit.golden import Golden
    from embbert.quant.spec import Op, Plan

MAGIC = b"embbertw"
VERSION = 1
ALIGNMENT = 8
HEADER = struct.Struct("<8sII32s")
GOLDENS = "goldens"

VALUES = {
    "shift": "uint8",
    "lift": "uint8",
    "token_shift": "uint8",
    "token_lift": "uint8",
    "position_shift": "uint8",
    "position_lift": "uint8",
    "exp_shift": "uint8",
    "out_shift": "uint8",
    "exp_multiplier": "int32",
    "out_multiplier": "int32",
    "multiplier": "int32",
    "epsilon": "uint64",
}
"""Scalar fields of the operators' C structures that lie in the file: those that training decides."""

LARGEST_PRODUCT = 127 * 127


@dataclass(frozen=True)
class Entry:
    """One array or scalar of the file.

    Attributes:
        name: `<stage>_<operator>_<field>`, or GOLDENS.
        values: in the kernels' order; a scalar is one element.
        offset: bytes from the start of the file.
    """

    name: str
    values: NDArray[Any]
    offset: int


@dataclass(frozen=True)
class Blob:
    """A file of weights.

    Attributes:
        entries: in order of place.
        fingerprint: of what it fits, 32 bytes.
        data: the file.
    """

    entries: tuple[Entry, ...]
    fingerprint: bytes
    data: bytes

    def offset(self, name: str) -> int:
        """Where an entry lies (KeyError if there is none)."""
        return {entry.name: entry.offset for entry in self.entries}[name]


def blob(plan: Plan, goldens: Sequence[Golden], identity: str) -> Blob:
    """The weights of a plan, and the logits of its self-test, as a file.

    Args:
        plan: the model.
        goldens: of the self-test; none if there is no self-test.
        identity: what else a file must have in common with the C: tokenizer, labels.
    """
    entries = entries_of(plan, goldens)
    last = entries[-1]
    end = -(-(last.offset + last.values.nbytes) // 4) * 4
    fingerprint = _fingerprint(plan, entries, [(golden.text, golden.pair) for golden in goldens], identity)
    data = bytearray(end)
    data[: HEADER.size] = HEADER.pack(MAGIC, VERSION, end + 4, fingerprint)
    for entry in entries:
        stored = entry.values.astype(entry.values.dtype.newbyteorder("<")).tobytes()
        data[entry.offset : entry.offset + len(stored)] = stored
    return Blob(entries, fingerprint, bytes(data) + struct.pack("<I", zlib.crc32(data)))


def readers(plan: Plan, file: Blob) -> str:
    """For every operator a C function that makes its structure out of the file, and one that checks it."""
    fields: dict[str, list[str]] = {}
    for constant in constants(plan):
        place = f"embbert_blob_{constant.dtype}(blob + {file.offset(constant.name)})"
        fields.setdefault(f"{constant.stage}_{constant.op}", []).append(f".{constant.field} = {place},")
    blocks = []
    for name, kind, op in structured(plan):
        lines = fields.get(name, [])
        for field, value in scalars_of(op, plan)[1].items():
            held = VALUES.get(field)
            if held is not None:
                place = f"blob + {file.offset(f'{name}_{field}')}"
                value = f"*({place})" if held == "uint8" else f"*embbert_blob_{held}({place})"  # noqa: PLW2901
            lines.append(f".{field} = {value},")
        body = "\n".join(f"        {line}" for line in lines)
        sizes = f", {plan.vocab_size}u, {plan.max_length}u" if isinstance(op, Embed | EmbedWide) else ""
        sizes = f", {plan.bag_size}u" if isinstance(op, Bag) else sizes
        blocks.append(
            f"static embbert_{kind} get_{name}(const uint8_t *blob)\n{{\n"
            f"    const embbert_{kind} op = {{\n{body}\n    }};\n    return op;\n}}\n\n"
            f"static int check_{name}(const uint8_t *blob)\n{{\n"
            f"    const embbert_{kind} op = get_{name}(blob);\n"
            f"    return embbert_{kind}_sound(&op{sizes});\n}}\n"
        )
    return "\n".join(blocks)


def checks(plan: Plan) -> list[str]:
    """The calls of the functions that check, in order."""
    return [f"check_{name}(blob)" for name, _, _ in structured(plan)]


def structured(plan: Plan) -> list[tuple[str, str, Op]]:
    """(`<stage>_<operator>`, name of the C structure without `embbert_`, operator), if there is one."""
    found = [
        (f"{stage.name}_{op.name}", scalars_of(op, plan)[0], op) for stage in plan.stages for op in stage.ops
    ]
    return [entry for entry in found if entry[1]]


def entry_names(plan: Plan) -> list[str]:
    """`<stage>_<operator>_<field>` of every scalar and array of a file of weights, in order of place."""
    return [entry.name for entry in entries_of(plan, ())]


def entries_of(plan: Plan, goldens: Sequence[Golden]) -> tuple[Entry, ...]:
    """Scalars by falling size and then arrays, so that each lies on a multiple of its element's size."""
    values: list[tuple[str, NDArray[Any]]] = []
    for name, _, op in structured(plan):
        values += [
            (f"{name}_{field}", np.array([_scalar(op, plan, field)], VALUES[field]))
            for field in scalars_of(op, plan)[1]
            if field in VALUES
        ]
    values.sort(key=lambda item: -item[1].itemsize)
    scalars = len(values)
    values += [(constant.name, constant.values) for constant in constants(plan)]
    if goldens:
        values.append((GOLDENS, np.array([golden.logits for golden in goldens], np.int32)))
    entries: list[Entry] = []
    at = HEADER.size
    for index, (name, array) in enumerate(values):
        if index >= scalars:
            at = -(-at // ALIGNMENT) * ALIGNMENT
        entries.append(Entry(name, array, at))
        at += array.nbytes
    return tuple(entries)


def _scalar(op: Op, plan: Plan, field: str) -> int:
    if isinstance(op, Embed) and field.endswith("_lift"):
        # Opening a file bounds these sums by the shapes alone: their exact bound needs every table entry.
        return lift(getattr(op, field.replace("lift", "shift")), op.token_table.shape[1] * LARGEST_PRODUCT)
    if field == "lift":
        return int(scalars_of(op, plan)[1][field])
    return int(getattr(op, field))


def _fingerprint(
    plan: Plan, entries: Sequence[Entry], texts: Sequence[tuple[str, str | None]], identity: str
) -> bytes:
    """sha256 of the plan without its values: shapes, order, names, and what is not of the plan."""
    _, document = plan_to_arrays(plan)
    for tensor in document["tensors"]:
        del tensor["scale"]
    for stage in document["stages"]:
        stage["ops"] = [
            {key: value for key, value in op.items() if key not in VALUES or op["kind"] == "Pool"}
            for op in stage["ops"]
        ]
    places = [
        (entry.name, entry.values.dtype.name, list(entry.values.shape), entry.offset) for entry in entries
    ]
    return hashlib.sha256(json.dumps([VERSION, document, places, texts, identity]).encode()).digest()
