"""Print the tables of a tokenizer, of n-grams, or of both as C constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.text.tables import JointTables, NgramTables

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from embbert.text.tables import AnyTables, TokenizerTables

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


def tokenizer_source(tables: AnyTables, prefix: str) -> str:
    """A C file that defines `const embbert_tokenizer <prefix>_tokenizer`, or `const embbert_ngrams` so named.

    Of both, the n-grams are `<prefix>_ngrams`. It needs `embbert_tokenizer.h`, `embbert_ngrams.h` or both
    beside it. The same tables give the same text.
    """
    if isinstance(tables, JointTables):
        counts = f"{_counts(tables.tokens)},\n * and the numbers of {tables.ngrams.vocab_size} n-grams"
        kinds = {"tokenizer": "tokenizer", "ngrams": "ngrams"}
        parts = _constants(tables.tokens, f"{prefix}_tokenizer", prefix, prefix)
        # An alphabet that is the same in both is there once.
        inner = f"{prefix}_ngrams"
        alphabet = prefix if tables.shared else inner
        parts += _constants(tables.ngrams, inner, inner, alphabet, stored=tables.shared)
    else:
        counts = _counts(tables)
        kinds = {_kind(tables): "tokenizer"}
        parts = _constants(tables, f"{prefix}_tokenizer", prefix, prefix)
    if tables.charset != "unicode":
        counts += f"; charset {tables.charset}"
    includes = "".join(f'#include "embbert_{kind}.h"\n' for kind in kinds)
    externs = "".join(f"extern const embbert_{kind} {prefix}_{name};\n" for kind, name in kinds.items())
    head = f"/* {counts}.\n * {tokenizer_bytes(tables)} bytes of tables. Generated: do not edit. */\n"
    return f"{head}{includes}\n{externs}" + "".join(parts)


def tokenizer_arrays(tables: AnyTables, prefix: str) -> dict[str, NDArray[np.uint16]]:
    """The constant arrays that `tokenizer_source` defines, by their names in C."""
    if isinstance(tables, JointTables):
        own = tokenizer_arrays(tables.tokens, prefix)
        ngrams = tables.ngrams.arrays().items()
        return own | {f"{prefix}_ngrams_{field}": it for field, it in ngrams if field not in tables.shared}
    return {f"{prefix}_{field}": values for field, values in tables.arrays().items()}


def tokenizer_bytes(tables: AnyTables) -> int:
    """Bytes of the constant arrays that `tokenizer_source` defines.

    The struct that points to them comes on top: 12 pointers and two uint16, or 8 pointers and a uint32: 52 or
    36 bytes on a 32-bit target; of both, both.
    """
    return tables.bytes


def _kind(tables: TokenizerTables | NgramTables) -> str:
    return "ngrams" if isinstance(tables, NgramTables) else "tokenizer"


def _counts(tables: TokenizerTables | NgramTables) -> str:
    if isinstance(tables, NgramTables):
        return f"The numbers of {tables.vocab_size} n-grams"
    return (
        f"A tokenizer of {tables.vocab_size} tokens: 5 special ones, characters, "
        f"and {len(tables.merge_rank)} merges"
    )


def _constants(
    tables: TokenizerTables | NgramTables,
    name: str,
    prefix: str,
    alphabet_prefix: str,
    *,
    stored: Collection[str] = (),
) -> list[str]:
    """The arrays, but for those that are stored already, and the structure `name` that points to them."""
    arrays = tables.arrays()
    if isinstance(tables, NgramTables):
        meanings = _NGRAMS
        numbers = f"    {tables.bucket_bits}u\n"
    else:
        meanings = _TOKENIZER
        numbers = f"    {len(tables.merge_left)}u,\n    {tables.first_merged}u\n"
    parts = [
        f"\n/* {(_ALPHABET | meanings)[field]}\n * [{len(values)}] uint16, {values.nbytes} bytes */\n"
        f"static const uint16_t {prefix}_{field}[{len(values)}] = {{\n{_rows(values)}}};\n"
        for field, values in arrays.items()
        if field not in stored
    ]
    alphabet = "".join(f"        {alphabet_prefix}_{field},\n" for field in _ALPHABET)
    fields = [field if field in arrays else "symbol_start" for field in meanings]
    body = "".join(f"    {prefix}_{field},\n" for field in fields)
    kind = f"embbert_{_kind(tables)}"
    return [*parts, f"\nconst {kind} {name} = {{\n    {{\n{alphabet}    }},\n{body}{numbers}}};\n"]


def _rows(values: NDArray[np.uint16]) -> str:
    lines = (values[start : start + _PER_LINE] for start in range(0, len(values), _PER_LINE))
    return "".join("    " + ", ".join(map(str, line.tolist())) + ",\n" for line in lines)
