"""Bytes of a linked image, by what they are, against what the export's report states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embbert.verify.sizes import Sizes, contradictions

if TYPE_CHECKING:
    from embbert.verify.device.image import Image


def image_sizes(image: Image, prefix: str, report: dict[str, Any]) -> Sizes:
    """What the model adds to a firmware: the harness and its start-up code are left out.

    `code` is everything in flash that is neither an array of the model nor a table of its tokenizer: machine
    code, structures, labels, self-test, padding, and the functions of the compiler's library that are called.
    """
    sections = image.elf.sections
    arrays = {".constants": 0, ".tokenizer": 0}
    for symbol in image.elf.symbols:
        if symbol.section in arrays and symbol.name != f"{prefix}_tokenizer" and not symbol.function:
            arrays[symbol.section] += symbol.size
    constants, tokenizer = arrays.values()
    flash = sum(sections.get(name, 0) for name in (".code", *arrays))
    code = flash - constants - tokenizer
    writable = sections.get(".data", 0) + sections.get(".bss", 0)
    problems = contradictions(constants, tokenizer, code, writable, report["bytes"])
    return Sizes(constants, tokenizer, code, writable, (), tuple(problems))
