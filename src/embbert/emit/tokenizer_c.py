"""Print a tokenizer's tables as C constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.text.tables import TokenizerTables

_PER_LINE = 16

_MEANINGS = {
    "run_first": "runs of code points that behave alike: the first one, lower 16 bits",
    "run_action": "what a run does: 0 vanishes, 1 space, 2 itself, 3 itself apart, 4 + place in sequence",
    "run_planes": "where the runs with upper bits 0, 1 ... 16 begin",
    "sequence": "what code points turn into: symbol or 0x3FFF (unknown), 0x4000 apart, 0x8000 more follow",
    "symbol_code": "the characters with a token, lower 16 bits",
    "symbol_planes": "where the symbols with upper bits 0, 1 ... 16 begin",
    "symbol_start": "ids of the symbols at the start of a piece",
    "symbol_inside": "ids of the symbols inside a piece",
    "merge_left": "the tokens that are on the left of a merge",
    "merge_begin": "where the merges of each left token begin",
    "merge_right": "their right tokens",
    "merge_rank": "their ranks",
}
"""The fields of `embbert_tokenizer` in order, up to `lefts`."""


class _Array(NamedTuple):
    name: str
    values: NDArray[np.uint16]


def tokenizer_source(tables: TokenizerTables, prefix: str) -> str:
    """A C file that defines `const embbert_tokenizer <prefix>_tokenizer`.

    It needs `embbert_tokenizer.h` beside it. The same tables give the same text.
    """
    arrays = _arrays(tables)
    counts = f"{tables.vocab_size} tokens: 5 special ones, characters, and {len(tables.merge_rank)} merges"
    if tables.charset != "unicode":
        counts += f"; charset {tables.charset}"
    parts = [
        f"/* A tokenizer of {counts}.\n"
        f" * {tokenizer_bytes(tables)} bytes of tables. Generated: do not edit. */\n"
        f'#include "embbert_tokenizer.h"\n\n'
        f"extern const embbert_tokenizer {prefix}_tokenizer;\n"
    ]
    for name, values in arrays:
        parts.append(
            f"\n/* {_MEANINGS[name]}\n * [{len(values)}] uint16, {values.nbytes} bytes */\n"
            f"static const uint16_t {prefix}_{name}[{len(values)}] = {{\n{_rows(values)}}};\n"
        )
    emitted = {array.name for array in arrays}
    fields = [name if name in emitted else "symbol_start" for name in _MEANINGS]
    body = "".join(f"    {prefix}_{field},\n" for field in fields)
    parts.append(
        f"\nconst embbert_tokenizer {prefix}_tokenizer = {{\n{body}"
        f"    {len(tables.merge_left)}u,\n    {tables.first_merged}u\n}};\n"
    )
    return "".join(parts)


def tokenizer_bytes(tables: TokenizerTables) -> int:
    """Bytes of the constant arrays that `tokenizer_source` defines.

    The struct that points to them comes on top: 12 pointers and two uint16, 52 bytes on a 32-bit target.
    """
    return sum(values.nbytes for _, values in _arrays(tables))


def _arrays(tables: TokenizerTables) -> list[_Array]:
    """The arrays that are printed: not `symbol_inside` where it repeats `symbol_start`, none empty."""
    found = []
    for name in _MEANINGS:
        values: NDArray[np.uint16] = getattr(tables, name)
        if name == "symbol_inside" and np.array_equal(values, tables.symbol_start):
            continue
        # C has no empty arrays; without merges nothing reads the zero.
        found.append(_Array(name, values if len(values) else np.zeros(1, np.uint16)))
    return found


def _rows(values: NDArray[np.uint16]) -> str:
    lines = (values[start : start + _PER_LINE] for start in range(0, len(values), _PER_LINE))
    return "".join("    " + ", ".join(map(str, line.tolist())) + ",\n" for line in lines)
