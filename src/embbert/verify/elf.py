"""Sections, symbols and contents of ELF files, without tools."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embbert.errors import CheckFailed

if TYPE_CHECKING:
    from pathlib import Path

ALLOCATED, SYMBOL_TABLE, NO_BITS, OBJECT, FUNCTION = 2, 2, 8, 1, 2
LOADED = 1

Order = Literal["<", ">"]


@dataclass(frozen=True)
class ObjectFile:
    """What a linker would see.

    Attributes:
        sections: bytes by name, of the sections that end up in flash or RAM.
        objects: bytes by name of every constant or variable.
        contents: what is in those that the file holds, by name.
        order: of the bytes of a number: `<` or `>`.
        undefined: symbols that other files must define.
    """

    sections: dict[str, int]
    objects: dict[str, int]
    contents: dict[str, bytes]
    order: Order
    undefined: frozenset[str]


@dataclass(frozen=True)
class Symbol:
    """A variable or a function of an image.

    Attributes:
        name: as the linker knows it.
        address: where it lies.
        size: in bytes.
        section: of the image.
        function: it is code.
    """

    name: str
    address: int
    size: int
    section: str
    function: bool


@dataclass(frozen=True)
class LinkedProgram:
    """A linked program for a core of 32 bits.

    Attributes:
        entry: address of the first instruction.
        segments: (address, bytes) of what is in flash before the program starts.
        sections: bytes by name, of the sections that end up in flash or RAM.
        symbols: in order of the file; static ones of different files may share a name.
    """

    entry: int
    segments: tuple[tuple[int, bytes], ...]
    sections: dict[str, int]
    symbols: tuple[Symbol, ...]

    def contents(self, symbol: Symbol) -> bytes:
        """What lies there before the program starts; nothing if it is not in flash."""
        for start, data in self.segments:
            if start <= symbol.address < start + len(data):
                return data[symbol.address - start :][: symbol.size]
        return b""

    def function_at(self, address: int) -> str | None:
        """Name of the function that an address lies in."""
        for symbol in self.symbols:
            start = symbol.address & ~1
            if symbol.function and start <= address < start + max(symbol.size, 1):
                return symbol.name
        return None


def is_elf(path: Path) -> bool:
    """Whether the file is an ELF file at all (macOS and Windows have other formats)."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def read_object(path: Path) -> ObjectFile:
    """Read a relocatable ELF file, 32 or 64 bits, either byte order.

    Raises:
        CheckFailed: the file is damaged.
    """
    try:
        return _parse(path.read_bytes())
    except (struct.error, IndexError, ValueError) as error:
        raise CheckFailed(f"{path} is not an object file that can be read ({error})") from error


def read_image(path: Path) -> LinkedProgram:
    """Read a linked little-endian ELF file of 32 bits.

    Raises:
        CheckFailed: the file is damaged.
    """
    try:
        return _parse_image(path.read_bytes())
    except (struct.error, IndexError, ValueError) as error:
        raise CheckFailed(f"{path} is not an image that can be read ({error})") from error


def _parse_image(data: bytes) -> LinkedProgram:
    entry, programs, table = struct.unpack_from("<III", data, 24)
    program_size, program_count, size, count, names_at = struct.unpack_from("<HHHHH", data, 42)
    segments = []
    for index in range(program_count):
        kind, offset, _, physical, length = struct.unpack_from(
            "<IIIII", data, programs + index * program_size
        )
        if kind == LOADED and length:
            segments.append((physical, data[offset : offset + length]))
    headers = [struct.unpack_from("<IIIIIIIIII", data, table + index * size) for index in range(count)]
    names = [_text(data, headers[names_at][4] + header[0]) for header in headers]
    sections = {name: header[5] for name, header in zip(names, headers, strict=True) if header[2] & ALLOCATED}
    symbols = []
    for _, kind, _, _, offset, length, link, _, _, step in headers:
        if kind != SYMBOL_TABLE:
            continue
        for at in range(offset, offset + length, step or length):
            place, value, symbol_size, info, _, section = struct.unpack_from("<IIIBBH", data, at)
            if info & 15 in (OBJECT, FUNCTION) and section < count:
                name = _text(data, headers[link][4] + place)
                symbols.append(Symbol(name, value, symbol_size, names[section], info & 15 == FUNCTION))
    return LinkedProgram(entry, tuple(segments), sections, tuple(symbols))


def _parse(data: bytes) -> ObjectFile:
    wide = data[4] == 2
    order: Order = "<" if data[5] == 1 else ">"
    # Offset of the section headers, their size and number, and which one holds the names.
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 40 if wide else 32)
    size, count, names_at = struct.unpack_from(order + "HHH", data, 58 if wide else 46)
    layout = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    headers = [struct.unpack_from(layout, data, table + index * size) for index in range(count)]
    sections: dict[str, int] = {}
    objects: dict[str, int] = {}
    contents: dict[str, bytes] = {}
    undefined: set[str] = set()
    for name, kind, flags, _, offset, length, link, _, _, entry in headers:
        if flags & ALLOCATED:
            label = _text(data, headers[names_at][4] + name)
            sections[label] = sections.get(label, 0) + length
        if kind != SYMBOL_TABLE:
            continue
        for at in range(offset + entry, offset + length, entry):
            if wide:
                place, info, _, section, start, symbol_size = struct.unpack_from(order + "IBBHQQ", data, at)
            else:
                place, start, symbol_size, info, _, section = struct.unpack_from(order + "IIIBBH", data, at)
            symbol = _text(data, headers[link][4] + place)
            if section == 0:
                undefined.add(symbol)
            elif info & 15 == OBJECT:
                objects[symbol] = symbol_size
                if section < count and headers[section][1] != NO_BITS:
                    begin = headers[section][4] + start
                    contents[symbol] = data[begin : begin + symbol_size]
    return ObjectFile(sections, objects, contents, order, frozenset(undefined - {""}))


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
