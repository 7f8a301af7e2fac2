"""`verify --on host`: export, compile, run real texts, compare everything."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embbert.emit.c99 import REPORT, export_c
from embbert.emit.render import shortened
from embbert.errors import CheckFailed, UsageError
from embbert.files import has_digest
from embbert.verify.compare import Difference, Verdict, agree, arena_problems, broken_promises, compare
from embbert.verify.program import Export, Program, Question, logits
from embbert.verify.sizes import Sizes, expected_arrays, measure, wrong_weights
from embbert.verify.stack import (
    FLAGS,
    StackBound,
    contradictions,
    read_call_graph,
    stack_bound,
    writes_call_graphs,
)
from embbert.verify.toolchain import STRICT, find_compiler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from embbert.emit.render import Weights
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder
    from embbert.text import AnyTokenizer
    from embbert.text.charset import Charset
    from embbert.verify.program import Reply
    from embbert.verify.toolchain import Compiler

PREFIX = "model"
COMPARED, SMALLEST = "-O2", "-Os"
BY_IDS = "from ids alone"
NOTHING_ASKED = "there is no text to compare the C with: give at least one"

TRICKY: tuple[str | bytes, ...] = (
    "",
    " \t\r\n ",
    "a",
    "please " * 600 + "stop",
    "x" * 5000,
    "Déjà vu à Noël: Größe, Żółć, Ελληνικά, Привет, 漢字かな交じり文, 한국어, नमस्ते, שלום",
    "\U0001f642 \U0001f469\u200d\U0001f469\u200d\U0001f467 \ufeff\u200d\u0301",
    "[CLS] [SEP] [MASK] ##ing 3.14 #1 'quoted' \"double\" back\\slash %s %n",
    "null\0byte",
    b"\xff\xfe\x80 broken \xc3( \xe2\x82 \xf0\x9f\x98 \xed\xa0\x80 \xc0\x80 end",
    bytes(range(256)),
)
"""Inputs that break careless code: nothing, blanks, far too much, many scripts, bytes that are no text."""


@dataclass(frozen=True)
class HostResult(Verdict):
    """What a verification found.

    Attributes:
        compiler: version line.
        texts: inputs compared.
        values: integers compared: of one build token ids, every operator's outputs, logits, answers; of
            another, as users make it, all but the operators' outputs; and logits from token ids alone.
        difference: the first one that differs, or None.
        stated: bytes of constants, tokenizer, code_margin, arena and stack that the report states.
        stack: most bytes of stack that a call used, compiled with -Os; None where a difference ended the run.
        bound: what the call graph, compiled with -Os, says; None if the compiler writes none.
        sizes: measured bytes; None where objects are not ELF.
    """

    compiler: str
    texts: int
    values: int
    difference: Difference | None
    stated: dict[str, int]
    stack: int | None
    bound: StackBound | None
    sizes: Sizes | None


def questions(
    folder: ModelFolder, texts: Sequence[str], pairs: Sequence[str] | None = None, *, tricky: bool = True
) -> list[Question]:
    """Real texts, and TRICKY ones after them; for a pair model a tricky text meets its successor.

    Raises:
        UsageError: a pair model without pairs, or pairs for a model of single texts.
    """
    if folder.pair != (pairs is not None):
        wanted = "pairs of texts: name both columns with --pair" if folder.pair else "single texts, not pairs"
        raise UsageError(f"this model reads {wanted}")
    if pairs is None:
        asked = [Question(text) for text in texts]
        return asked + ([Question(text) for text in TRICKY] if tricky else [])
    asked = [Question(first, second) for first, second in zip(texts, pairs, strict=True)]
    after = (*TRICKY[1:], TRICKY[0])
    return asked + ([Question(*both) for both in zip(TRICKY, after, strict=True)] if tricky else [])


def verify_host(
    folder: ModelFolder,
    plan: Plan,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    compiler: str | None = None,
    max_length: int | None = None,
    weights: Weights = "constants",
    charset: Charset = "unicode",
) -> HostResult:
    """Export a model to a temporary folder, compile it and compare it with the reference.

    Args:
        folder: the model.
        plan: its integer plan, the reference.
        texts: what to run; TRICKY texts are added.
        pairs: as many second texts, for a model of pairs.
        compiler: name of the compiler; the first of cc, gcc, clang if None.
        max_length: as `export_c`'s.
        weights: as `export_c`'s.
        charset: as `export_c`'s.

    Raises:
        CheckFailed: the C does not compile without warnings or crashes.
        ToolMissingError: there is no compiler.
    """
    asked = questions(folder, texts, pairs)
    with tempfile.TemporaryDirectory(prefix="embbert-") as place:
        out = Path(place) / "export"
        export_c(folder, plan, out, prefix=PREFIX, max_length=max_length, weights=weights, charset=charset)
        return check_export(out, plan, folder.tokenizer, asked, compiler=compiler)


def check_export(
    path: Path,
    plan: Plan,
    tokenizer: AnyTokenizer,
    asked: Sequence[Question],
    *,
    compiler: str | None = None,
) -> HostResult:
    """Compare an export that lies at `path` with the reference; see `verify_host`.

    Raises:
        CheckFailed, ToolMissingError: as `verify_host`; or the folder is no whole export.
        UsageError: there are no texts.
    """
    if not asked:
        raise UsageError(NOTHING_ASKED)
    found = find_compiler(compiler)
    report, export = read_export(path)
    problems = wrong_files(export, report)
    plan = shortened(plan, report["max_length"])
    tokenizer = tokenizer.limited_to(report["charset"])
    with tempfile.TemporaryDirectory(prefix="embbert-") as place:
        folder = Path(place)
        for source in export.sources():
            found.compile([source], folder / "strict.o", ["-c", "-O1", *STRICT])
        difference, values, replies = _compare_builds(export, found, folder, plan, tokenizer, asked)
        expected = expected_arrays(plan, tokenizer, export.prefix, blob=report["weights"] == "blob")
        sizes = measure(export, found, folder, report, expected)
        problems += [] if difference is None else [str(difference)]
        problems += broken_promises(replies, report)
        problems += wrong_weights(export.path, plan, tokenizer, report)
        problems += sizes.problems if sizes else ()
        bound = call_graph(export, found, folder)
        problems += contradictions(bound, report["bytes"]["stack"]) if bound else ()
    return HostResult(
        found.version,
        len(asked),
        values,
        difference,
        report["bytes"],
        max((reply.stack for reply in replies), default=0) if difference is None else None,
        bound,
        sizes,
        problems=tuple(problems),
        arena_kept=not arena_problems(replies, report["bytes"]["arena"]),
    )


def _compare_builds(
    export: Export,
    compiler: Compiler,
    folder: Path,
    plan: Plan,
    tokenizer: AnyTokenizer,
    asked: Sequence[Question],
) -> tuple[Difference | None, int, list[Reply]]:
    """(first difference, values compared, what the build as users make it replied until then).

    One build reports every operator and is compared with the reference; another, made as users make it, must
    answer alike, and so must the function that takes token ids.
    """
    # With guards, or what writes beyond its arena would end in a message of the C library.
    traced = Program(export, compiler, folder, [COMPARED], trace=True, guards=True)
    plain = Program(export, compiler, folder, [SMALLEST], stack=True, checks=True)
    classify = export.task == "classify"
    values = 0
    replies: list[Reply] = []
    for index, (question, first, second) in enumerate(
        zip(asked, traced.ask(asked), plain.ask(asked), strict=True)
    ):
        replies.append(second)
        difference, count = compare(plan, tokenizer, index, question, first, classify=classify)
        values += count
        if difference is None:
            difference, count = agree(index, first, second, SMALLEST)
            values += count
        if difference is not None:
            return difference, values, replies
    by_ids = plain.ask([Question(ids=reply.ids) for reply in replies])
    for index, (reply, alone) in enumerate(zip(replies, by_ids, strict=True)):
        difference, count = agree(index, reply, alone, BY_IDS, ids=True)
        values += count
        if difference is not None:
            return difference, values, replies
    return None, values, replies


def call_graph(export: Export, compiler: Compiler, folder: Path) -> StackBound | None:
    """What the call graph of the model, compiled with -Os, says; None if the compiler writes none."""
    if not writes_call_graphs([compiler.command]):
        return None
    # Below the stack pointer x86-64 has a zone that functions use and no figure of the compiler counts.
    zone = ["-mno-red-zone"] if writes_call_graphs([compiler.command, "-mno-red-zone"]) else []
    units = [folder / f"graph-{source.stem}.o" for source in export.sources()]
    for source, unit in zip(export.sources(), units, strict=True):
        compiler.compile([source], unit, ["-c", "-std=c99", "-Os", "-fno-stack-protector", *zone, *FLAGS])
    graphs = read_call_graph(unit.with_suffix(".ci") for unit in units)
    return stack_bound(graphs, export.prefix, "-Os")


def read_export(path: Path) -> tuple[dict[str, Any], Export]:
    """(report.json, what the harness needs to know) of an exported folder.

    Raises:
        CheckFailed: there is no readable report.
    """
    try:
        report = json.loads((path / REPORT).read_text(encoding="utf-8"))
        settings = report["prefix"], report["task"], report["pair"]
        labels = tuple(report["labels"])
        # Compilers for cores run in a folder of their own.
        export = Export(path.resolve(), *settings, ngrams="ngrams" in report, labels=labels)
        report["files"] = dict(report["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckFailed(f"{path} is not an export: {error}") from error
    return report, export


def wrong_files(export: Export, report: Mapping[str, Any]) -> list[str]:
    """Files that are not what the report lists, as sentences.

    Raises:
        CheckFailed: one is missing.
    """
    listed = dict(report["files"])
    problems = [
        f"{source.name} is compiled, but the report does not list it"
        for source in export.sources()
        if source.name not in listed
    ]
    if report["weights"] == "blob":
        listed.setdefault(f"{export.prefix}_weights.bin", None)
    for name, wanted in listed.items():
        try:
            data = (export.path / name).read_bytes()
        except OSError as error:
            raise CheckFailed(
                f"{export.path} lacks {name}, which its report lists ({error.strerror}): export again"
            ) from error
        if not has_digest(data, wanted):
            problems.append(f"{name} is not the file that the report lists: its sha256 differs")
    return problems


class HostModel:
    """A model compiled once, for whole test sets.

    Args:
        folder: the model.
        plan: its integer plan.
        compiler: name of the compiler; the first of cc, gcc, clang if None.
        flags: optimisation.

    Use as a context manager; the compiled program lives in a temporary folder.
    """

    def __init__(
        self,
        folder: ModelFolder,
        plan: Plan,
        *,
        compiler: str | None = None,
        flags: Sequence[str] = ("-O3", "-march=native"),
    ) -> None:
        self._folder = folder
        self._place = tempfile.TemporaryDirectory(prefix="embbert-")
        place = Path(self._place.name)
        export_c(folder, plan, place / "export", prefix=PREFIX)
        _, export = read_export(place / "export")
        self._program = Program(export, find_compiler(compiler), place, flags)

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.int32]:
        """Logits [texts, classes] of the compiled C, in units of 1/65536.

        Raises:
            CheckFailed: the program crashed or returned an error.
        """
        return logits(self._program.ask(questions(self._folder, texts, pairs, tricky=False)))

    def close(self) -> None:
        """Remove the temporary folder."""
        self._place.cleanup()

    def __enter__(self) -> HostModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
