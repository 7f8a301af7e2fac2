"""A module of WebAssembly: how it is linked, and which of its bytes are the model's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embbert.verify.device.linker import HARNESS, STACK_BYTES
from embbert.verify.elf import LinkedProgram, Symbol

if TYPE_CHECKING:
    from pathlib import Path

# Address or -, offset in the file, size, then with this indentation: object and what the linker took from it.
PIECE = re.compile(r" *([0-9a-f]+|-) +([0-9a-f]+) +([0-9a-f]+) {9}(?:.*/)?([^/ ]+):\((.+)\)")
DATA = re.compile(r"\.(rodata|data|bss)\.?(.*)")


def module_flags(placed: Path, memory_bytes: int) -> list[str]:
    """What wasm-ld is told.

    Args:
        placed: where it writes what it has put where.
        memory_bytes: most that code's data may take.
    """
    return [
        "--no-entry",
        "--export=start",
        # The stack is at the start of the memory, where an overflow faults instead of spoiling data.
        *("--stack-first", "-z", f"stack-size={STACK_BYTES}"),
        # Every function of the export stays, called here or not.
        "--no-gc-sections",
        # Equal strings of different files are not merged, so that each is known to be the model's or not.
        "-O0",
        f"--max-memory={memory_bytes}",
        f"-Map={placed}",
    ]


def read_map(placed: Path, prefix: str) -> LinkedProgram:
    """What `linker_script` arranges in an ELF image, read from the map of a module's linker.

    A function's address is its offset in the module, by which a runtime names the place of a trap.
    """
    sections: dict[str, int] = {}
    symbols = []
    for line in placed.read_text().splitlines():
        piece = PIECE.fullmatch(line)
        if piece is None:
            continue
        address, offset, size, owner, name = piece.groups()
        data = DATA.fullmatch(name)
        section = _section(owner, data[1] if data else "code", prefix)
        symbol = Symbol(
            data[2] if data else name,
            int(address if data else offset, 16),
            int(size, 16),
            section,
            data is None,
        )
        symbols.append(symbol)
        sections[section] = sections.get(section, 0) + symbol.size
    return LinkedProgram(0, (), sections, tuple(symbols))


def _section(owner: str, kind: str, prefix: str) -> str:
    """The section that the linker script would choose for a piece of an object file."""
    if owner in HARNESS:
        return {"data": ".harness_data", "bss": ".harness_bss"}.get(kind, ".harness")
    if kind in ("data", "bss"):
        return f".{kind}"
    if kind == "rodata":
        return {f"{prefix}_weights.o": ".constants", f"{prefix}_tokenizer.o": ".tokenizer"}.get(
            owner, ".code"
        )
    return ".code"
