"""Bytes of a linked image and of its stack, against what the export's report states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embbert.verify.device.linker import HARNESS
from embbert.verify.sizes import Sizes, contradictions, wrong_contents
from embbert.verify.stack import StackBound, deepest_paths, read_call_graph, stack_bound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embbert.verify.device.image import Image


def image_sizes(
    image: Image, prefix: str, report: dict[str, Any], expected: Mapping[str, NDArray[Any]]
) -> Sizes:
    """What the model adds to a firmware: the harness and its start-up code are left out.

    Constants are compared with `expected`; of those in a module of WebAssembly only the sizes are known.

    `code` is everything in flash that is neither an array of the model nor a table of its tokenizer: machine
    code, structures, labels, self-test, padding, and the functions of the compiler's library that are called.
    """
    sections = image.linked.sections
    arrays = {".constants": 0, ".tokenizer": 0}
    held = {}
    for symbol in image.linked.symbols:
        own = symbol.name in (f"{prefix}_tokenizer", f"{prefix}_ngrams")
        if symbol.section in arrays and not own and not symbol.function:
            arrays[symbol.section] += symbol.size
            held[symbol.name] = image.linked.contents(symbol)
    constants, tokenizer = arrays.values()
    flash = sum(sections.get(name, 0) for name in (".code", *arrays))
    code = flash - constants - tokenizer
    writable = sections.get(".data", 0) + sections.get(".bss", 0)
    problems = contradictions(constants, tokenizer, code, writable, report["bytes"])
    if image.linked.segments:
        problems += wrong_contents(expected, held, "<")
    return Sizes(constants, tokenizer, code, writable, (), tuple(problems))


def image_stack(image: Image, prefix: str, level: str) -> StackBound | None:
    """What the call graph of the model says, without harness and `memcpy`; None if there is none."""
    of_others = {*HARNESS, "memory.o"}
    units = [path for path in image.call_graphs if f"{path.stem}.o" not in of_others]
    return stack_bound(read_call_graph(units), prefix, level) if units else None


def answer_stack(image: Image) -> int | None:
    """Bytes of stack that the harness's measured call can take: its own frames and the model's below them."""
    paths, _ = deepest_paths(read_call_graph(image.call_graphs))
    return next((path.size for title, path in paths.items() if title.endswith(":answer_request")), None)
