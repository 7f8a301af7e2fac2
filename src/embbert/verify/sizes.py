"""What the compiled objects of an export hold, against its report and against the plan's own arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.emit.blob import entries_of
from embbert.emit.constants import constants
from embbert.emit.golden import goldens
from embbert.emit.tokenizer_c import tokenizer_arrays
from embbert.errors import CheckFailed
from embbert.text.tables import tables_of
from embbert.verify.elf import Order, is_elf, read_object
from embbert.verify.stack import HELPERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.quant.spec import Plan
    from embbert.text import AnyTokenizer
    from embbert.verify.program import Export
    from embbert.verify.toolchain import Compiler

WRITABLE = (".data", ".bss", ".tdata", ".tbss")
# Unwind tables are a host's; a bare-metal build has none.
IGNORED = (".eh_frame", ".note")
# Distributions turn on guards of the stack, which call into their C library.
FLAGS = ("-std=c99", "-Os", "-fno-pie", "-fno-pic", "-fno-stack-protector")
INTEGERS = "-mgeneral-regs-only"
MARKS = {
    **dict.fromkeys(
        ("__aeabi_unwind_cpp_pr0", "__aeabi_unwind_cpp_pr1"),
        "clang's unwind tables name them; nothing calls them, and linker scripts drop the tables",
    ),
    "_GLOBAL_OFFSET_TABLE_": "a host's position-independent code names its table by it",
}
"""Symbols that an object may name without calling them, and why."""


@dataclass(frozen=True)
class Sizes:
    """Bytes measured from one object or image that all files, compiled with -Os, were linked into.

    Attributes:
        constants: arrays of the model.
        tokenizer: tables of the tokenizer.
        code: everything else in flash: machine code, structures, labels, self-test, padding.
        writable: initialised or zeroed globals.
        undefined: symbols that the export lacks, but for what a compiler may call on its own.
        problems: what contradicts the report or the plan, as sentences.
    """

    constants: int
    tokenizer: int
    code: int
    writable: int
    undefined: tuple[str, ...]
    problems: tuple[str, ...]


def measure(
    export: Export,
    compiler: Compiler,
    folder: Path,
    report: dict[str, Any],
    expected: Mapping[str, NDArray[Any]],
) -> Sizes | None:
    """Compile every file, link them into one object and read it; None where objects are not ELF.

    Args:
        export: what to compile.
        compiler: with what.
        folder: where the objects go.
        report: of the export.
        expected: `expected_arrays`.

    Raises:
        CheckFailed: a file does not compile.
    """
    weights = tokenizer = total = writable = 0
    targets: list[Path] = []
    held: dict[str, bytes] = {}
    for source in export.sources():
        target = folder / f"{source.stem}.o"
        compiler.compile([source], target, ["-c", *FLAGS])
        if not is_elf(target):
            return None
        targets.append(target)
        # Static tables of different files may share a name, so arrays are told apart before linking.
        if source.name == f"{export.prefix}_weights.c":
            arrays = read_object(target)
            weights = sum(arrays.objects.values())
            held |= arrays.contents
        elif source.name == f"{export.prefix}_tokenizer.c":
            own = {f"{export.prefix}_tokenizer", f"{export.prefix}_ngrams"}
            arrays = read_object(target)
            tokenizer = sum(size for name, size in arrays.objects.items() if name not in own)
            held |= arrays.contents
    linked = folder / "linked.o"
    compiler.compile(targets, linked, ["-r", "-nostdlib"])
    found = read_object(linked)
    for name, size in found.sections.items():
        if name.startswith(WRITABLE) and not name.startswith(".data.rel.ro"):
            writable += size
        elif not name.startswith(IGNORED):
            total += size
    code = total - weights - tokenizer
    undefined = tuple(sorted(found.undefined - HELPERS.keys()))
    problems = contradictions(weights, tokenizer, code, writable, report["bytes"])
    problems += wrong_contents(expected, held, found.order)
    if undefined:
        problems.append(f"the code calls {', '.join(undefined)}")
    problems += floating_point(export, compiler, folder)
    return Sizes(weights, tokenizer, code, writable, undefined, tuple(problems))


def expected_arrays(
    plan: Plan, tokenizer: AnyTokenizer, prefix: str, *, blob: bool
) -> dict[str, NDArray[Any]]:
    """Every array that the constants of an export should hold, by its name in C.

    Args:
        plan: as it was exported.
        tokenizer: as it was exported.
        prefix: of the names.
        blob: the weights are in a file, which `wrong_weights` compares.
    """
    weights = {} if blob else {f"{prefix}_{one.name}": one.values for one in constants(plan)}
    return weights | tokenizer_arrays(tables_of(tokenizer), prefix)


def wrong_weights(path: Path, plan: Plan, tokenizer: AnyTokenizer, report: Mapping[str, Any]) -> list[str]:
    """What is wrong with an export's file of weights, as sentences; nothing where they are constants.

    The model checks that a file fits and is whole when it opens it, not that its values are the plan's.

    Args:
        path: the export.
        plan: as it was exported.
        tokenizer: as it was exported.
        report: of the export.
    """
    if report["weights"] != "blob":
        return []
    prefix, stated = report["prefix"], report["bytes"]["blob"]
    name = f"{prefix}_weights.bin"
    data = (path / name).read_bytes()
    tested = f"{prefix}_self_test.c" in report["files"]
    entries = entries_of(plan, goldens(plan, tokenizer, pair=report["pair"]) if tested else ())
    found = {entry.name: data[entry.offset :][: entry.values.nbytes] for entry in entries}
    wrong = wrong_contents({entry.name: entry.values for entry in entries}, found, "<")
    size = [] if len(data) == stated else [f"{name} has {len(data)} bytes, the report says {stated}"]
    return size + [f"{name}: {problem}" for problem in wrong]


def foreign(target: Path, prefix: str) -> list[str]:
    """Symbols that an object of the export calls, but for its own and what a compiler may call on its own."""
    others = read_object(target).undefined - HELPERS.keys() - MARKS.keys()
    return sorted(name for name in others if not name.startswith((f"{prefix}_", "embbert_")))


def floating_point(export: Export, compiler: Compiler, folder: Path) -> list[str]:
    """Files that compute with floats, as sentences; none where the compiler cannot do without them.

    Without registers for them a compiler calls its own library for every operation, or refuses.
    """

    def needs(source: Path) -> str:
        target = folder / f"integers-{source.stem}.o"
        try:
            compiler.compile([source], target, ["-c", *FLAGS, INTEGERS])
        except CheckFailed:
            return f"{compiler.command} {INTEGERS} refuses it"
        calls = foreign(target, export.prefix)
        return f"it calls {', '.join(calls)}" if calls else ""

    planted, whole = folder / "planted.c", folder / "whole.c"
    planted.write_text("int planted(int a);\nint planted(int a)\n{\n    return (int)((double)a * 1.5);\n}\n")
    whole.write_text("int whole(int a);\nint whole(int a)\n{\n    return a * 3;\n}\n")
    if needs(whole) or not needs(planted):
        return []
    found = ((source.name, needs(source)) for source in export.sources())
    return [f"{name} computes with floating point: {why}" for name, why in found if why]


def wrong_contents(
    expected: Mapping[str, NDArray[Any]], found: Mapping[str, bytes], order: Order
) -> list[str]:
    """What is wrong with constants, as sentences: texts reach but a part of them.

    Args:
        expected: arrays by name.
        found: the bytes of each in an object or image.
        order: of the bytes of a number: `<` or `>`.
    """
    problems = []
    for name, values in expected.items():
        wanted = values.ravel()
        kind = wanted.dtype.newbyteorder(order)
        data = found.get(name, b"")
        if len(data) != wanted.nbytes:
            problems.append(f"the constant {name} has {len(data)} bytes, not {wanted.nbytes}")
            continue
        wrong = np.flatnonzero(np.frombuffer(data, kind) != wanted)
        if len(wrong):
            at = int(wrong[0])
            problems.append(
                f"the constant {name} is {np.frombuffer(data, kind)[at]} at index {at}, not {wanted[at]}"
            )
    return problems


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
