"""What the compiled objects of an export hold, against what its report states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embbert.verify.elf import is_elf, read_object

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.verify.program import Export
    from embbert.verify.toolchain import Compiler

ALLOWED = frozenset({"memcpy", "memset", "memmove"})
"""Symbols that a compiler may call on its own and every C environment has."""

WRITABLE = (".data", ".bss", ".tdata", ".tbss")
# Unwind tables are a host's; a bare-metal build has none.
IGNORED = (".eh_frame", ".note")
# Distributions turn on guards of the stack, which call into their C library.
FLAGS = ("-std=c99", "-Os", "-fno-pie", "-fno-pic", "-fno-stack-protector")


@dataclass(frozen=True)
class Sizes:
    """Bytes measured from one object or image that all files, compiled with -Os, were linked into.

    Attributes:
        constants: arrays of the model.
        tokenizer: tables of the tokenizer.
        code: everything else in flash: machine code, structures, labels, self-test, padding.
        writable: initialised or zeroed globals.
        undefined: symbols that neither the export nor ALLOWED has.
        problems: what contradicts the report, as sentences.
    """

    constants: int
    tokenizer: int
    code: int
    writable: int
    undefined: tuple[str, ...]
    problems: tuple[str, ...]


def measure(export: Export, compiler: Compiler, folder: Path, report: dict[str, Any]) -> Sizes | None:
    """Compile every file, link them into one object and read its sections; None where objects are not ELF.

    Raises:
        CheckFailed: a file does not compile.
    """
    constants = tokenizer = total = writable = 0
    targets = []
    for source in export.sources():
        target = folder / f"{source.stem}.o"
        compiler.compile([source], target, ["-c", *FLAGS])
        if not is_elf(target):
            return None
        targets.append(target)
        # Static tables of different files may share a name, so arrays are told apart before linking.
        if source.name == f"{export.prefix}_weights.c":
            constants = sum(read_object(target).objects.values())
        elif source.name == f"{export.prefix}_tokenizer.c":
            own = {f"{export.prefix}_tokenizer", f"{export.prefix}_ngrams"}
            tokenizer = sum(size for name, size in read_object(target).objects.items() if name not in own)
    linked = folder / "linked.o"
    compiler.compile(targets, linked, ["-r", "-nostdlib"])
    found = read_object(linked)
    for name, size in found.sections.items():
        if name.startswith(WRITABLE) and not name.startswith(".data.rel.ro"):
            writable += size
        elif not name.startswith(IGNORED):
            total += size
    code = total - constants - tokenizer
    undefined = tuple(sorted(found.undefined - ALLOWED))
    problems = contradictions(constants, tokenizer, code, writable, report["bytes"])
    if undefined:
        problems.append(f"the code calls {', '.join(undefined)}")
    return Sizes(constants, tokenizer, code, writable, undefined, tuple(problems))


def contradictions(
    constants: int, tokenizer: int, code: int, writable: int, stated: dict[str, int]
) -> list[str]:
    """What measured bytes have against the stated ones, as sentences."""
    problems = []
    if constants != stated["constants"]:
        problems.append(f"the model's constants are {constants} bytes, the report says {stated['constants']}")
    if tokenizer != stated["tokenizer"]:
        problems.append(
            f"the tokenizer's tables are {tokenizer} bytes, the report says {stated['tokenizer']}"
        )
    if code > stated["code_margin"]:
        problems.append(f"code takes {code} bytes, more than the stated {stated['code_margin']}")
    if writable:
        problems.append(f"there are {writable} bytes of writable globals")
    return problems
