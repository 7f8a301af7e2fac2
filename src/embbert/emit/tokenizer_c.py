"""Print the tables of a tokenizer, or of n-grams, as C constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.text.tables import NgramTables

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embbert.text.tables import TokenizerTables

_PER_LINE = 16

_ALPHABET = {
    "run_first": "runs of code points that behave alike: the first one, lower 16 bits",
    "run_action": "what a run does: 0 vanishes, 1 space, 2 itself, 3 itself apart, 4 + place in sequence",
    "run_planes": "where the runs with upper bits 0, 1 ... 16 begin",
    "sequence": "what code points turn into: symbol or 0x3FFF (unknown), 0x4000 apart, 0x8000 more follow",
    "symbol_code": "the characters that are known, lower 16 bits",
    "symbol_planes": "where the symbols with upper bits 0, 1 ... 16 begin",
}
"""The fields of `embbert_alphabet` in order."""

_TOKENIZER = {
    "symbol_start": "ids of the symbols at the start of a piece",
    "symbol_inside": "ids of the symbols inside a piece",
    "merge_left": "the tokens that are on the left of a merge",
    "merge_begin": "where the merges of each left token begin",
    "merge_right": "their right tokens",
    "merge_rank": "their ranks",
}
"""Those of `embbert_tokenizer` behind them, up to `lefts`."""

_NGRAMS = {
    "bucket_begin": "where the n-grams begin whose hashes have the upper bits 0, 1 ...",
    "keys": "the 16 bits below, ascending in each bucket",
}
"""Those of `embbert_ngrams`."""


def tokenizer_source(tables: TokenizerTables | NgramTables, prefix: str) -> str:
    """A C file that defines `const embbert_tokenizer <prefix>_tokenizer`, or `const embbert_ngrams` so named.

    It needs `embbert_tokenizer.h` or `embbert_ngrams.h` beside it. The same tables give the same text.
    """
    if isinstance(tables, NgramTables):
        counts = f"The numbers of {tables.vocab_size} n-grams"
        kind, meanings = "ngrams", _NGRAMS
        numbers = f"    {tables.bucket_bits}u\n"
    else:
        counts = (
            f"A tokenizer of {tables.vocab_size} tokens: 5 special ones, characters, "
            f"and {len(tables.merge_rank)} merges"
        )
        kind, meanings = "tokenizer", _TOKENIZER
        numbers = f"    {len(tables.merge_left)}u,\n    {tables.first_merged}u\n"
    if tables.charset != "unicode":
        counts += f"; charset {tables.charset}"
    arrays = tables.arrays()
    parts = [
        f"/* {counts}.\n"
        f" * {tokenizer_bytes(tables)} bytes of tables. Generated: do not edit. */\n"
        f'#include "embbert_{kind}.h"\n\n'
        f"extern const embbert_{kind} {prefix}_tokenizer;\n"
    ]
    for name, values in arrays.items():
        parts.append(
            f"\n/* {(_ALPHABET | meanings)[name]}\n * [{len(values)}] uint16, {values.nbytes} bytes */\n"
            f"static const uint16_t {prefix}_{name}[{len(values)}] = {{\n{_rows(values)}}};\n"
        )
    alphabet = "".join(f"        {prefix}_{field},\n" for field in _ALPHABET)
    fields = [name if name in arrays else "symbol_start" for name in meanings]
    body = "".join(f"    {prefix}_{field},\n" for field in fields)
    parts.append(
        f"\nconst embbert_{kind} {prefix}_tokenizer = {{\n    {{\n{alphabet}    }},\n{body}{numbers}}};\n"
    )
    return "".join(parts)


def tokenizer_bytes(tables: TokenizerTables | NgramTables) -> int:
    """Bytes of the constant arrays that `tokenizer_source` defines.

    The struct that points to them comes on top: 12 pointers and two uint16, or 8 pointers and a uint32: 52 or
    36 bytes on a 32-bit target.
    """
    return tables.bytes


def _rows(values: NDArray[np.uint16]) -> str:
    lines = (values[start : start + _PER_LINE] for start in range(0, len(values), _PER_LINE))
    return "".join("    " + ", ".join(map(str, line.tolist())) + ",\n" for line in lines)
