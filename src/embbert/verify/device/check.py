"""`verify --on CORE`: export, build an image, run real texts on the emulated core, compare and count."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embbert.emit.c99 import export_c
from embbert.errors import UsageError
from embbert.verify.compare import Difference, Verdict, agree, arena_problems, broken_promises, compare
from embbert.verify.device.cores import find_core
from embbert.verify.device.image import OPTIMIZE, PLAIN, TRACED, Builder
from embbert.verify.device.measure import answer_stack, image_sizes, image_stack
from embbert.verify.device.program import DeviceProgram
from embbert.verify.device.tools import find_tools
from embbert.verify.host import BY_IDS, NOTHING_ASKED, PREFIX, questions, read_export, wrong_files
from embbert.verify.program import Question
from embbert.verify.sizes import expected_arrays, wrong_weights
from embbert.verify.stack import contradictions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embbert.emit.render import Weights
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder
    from embbert.text.charset import Charset
    from embbert.verify.device.image import Image
    from embbert.verify.program import Reply
    from embbert.verify.sizes import Sizes
    from embbert.verify.stack import StackBound

LAYERS = 64
BATCH = 256
SIZES_LEVEL = "-Os"


@dataclass(frozen=True)
class Instructions:
    """Executed instructions, or fuel burnt by WebAssembly, over all texts that were given.

    Attributes:
        tokens: of a text, the mean; n-grams beside tokens are not counted.
        encode: of making tokens of a text, the mean.
        call: of a whole classification, the mean; `encode` is part of it.
        most: of the longest call.
        most_tokens: of the text of that call.
        opening: of checking a file of weights, once; None without one.
    """

    tokens: float
    encode: float
    call: float
    most: int
    most_tokens: int
    opening: int | None


@dataclass(frozen=True)
class DeviceResult(Verdict):
    """What a verification on an emulated core found.

    Attributes:
        core: as its maker writes it.
        compiler: version line.
        emulator: version line.
        optimize: the level that what ran was compiled at.
        texts: inputs compared.
        traced: of these, how many with every operator's output, again compiled with -Os, and from ids alone.
        values: integers compared: token ids, operators' outputs, logits, answers.
        difference: the first one that differs, or None.
        accuracy: share of right answers, where the texts came with labels of the model.
        counts: what was counted: `instructions`, or `fuel` of wasmtime.
        instructions: counted on the device; None where a difference ended the run.
        stated: bytes of constants, tokenizer, code_margin, arena and stack that the report states.
        stack: most bytes of stack that a call used; None where a difference ended the run. Of
            WebAssembly only what lies in its memory: locals are the runtime's.
        bounds: what the call graphs say, as it ran and compiled with -Os; empty if the compiler writes none.
        sizes: bytes of the linked image, compiled with -Os.
        code: bytes of code as it ran.
    """

    core: str
    compiler: str
    emulator: str
    optimize: str
    texts: int
    traced: int
    values: int
    difference: Difference | None
    accuracy: float | None
    counts: str
    instructions: Instructions | None
    stated: dict[str, int]
    stack: int | None
    bounds: tuple[StackBound, ...]
    sizes: Sizes
    code: int


def verify_device(
    folder: ModelFolder,
    plan: Plan,
    core: str,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    labels: Sequence[str] | None = None,
    tools: str | None = None,
    layers: int = LAYERS,
    max_length: int | None = None,
    weights: Weights = "constants",
    charset: Charset = "unicode",
) -> DeviceResult:
    """Export a model to a temporary folder, run it on an emulated core and compare it with the reference.

    Args:
        folder: the model.
        plan: its integer plan, the reference.
        core: name of the core.
        texts: what to run; TRICKY texts are added.
        pairs: as many second texts, for a model of pairs.
        labels: as many class names, to count right answers.
        tools: `gcc` or `zig`; the first that is installed if None.
        layers: of how many texts every operator is compared, and the answers of the program compiled with -Os
            and of the function that takes ids; of the others tokens, logits and answer.
        max_length: as `export_c`'s.
        weights: as `export_c`'s.
        charset: as `export_c`'s.

    Raises:
        CheckFailed: the C does not compile without warnings, or the program faults.
        ToolMissingError, MissingExtraError: there is no cross compiler or no emulator.
        UsageError: there is no such core.
    """
    find_tools(find_core(core), tools)  # before the work, not after it
    asked = questions(folder, texts, pairs)
    with tempfile.TemporaryDirectory(prefix="embbert-") as place:
        out = Path(place) / "export"
        export_c(folder, plan, out, prefix=PREFIX, max_length=max_length, weights=weights, charset=charset)
        run = DeviceCheck(folder, plan, out, core, tools)
        return run.check(asked, given=len(texts), labels=labels, layers=layers)


class DeviceCheck:
    """An export that lies somewhere, and the images of it.

    Args:
        folder: the model: its tokenizer and labels.
        plan: its integer plan.
        path: the export.
        core: name of the core.
        tools: `gcc` or `zig`; the first that is installed if None.

    Raises:
        ToolMissingError, MissingExtraError, UsageError: as `verify_device`.
        CheckFailed: the folder is no export.
    """

    def __init__(
        self, folder: ModelFolder, plan: Plan, path: Path, core: str, tools: str | None = None
    ) -> None:
        from embbert.emit.render import shortened  # noqa: PLC0415 - templates are only needed here

        self._folder = folder
        self._core = find_core(core)
        self._tools = find_tools(self._core, tools)
        self._report, self._export = read_export(path)
        self._plan = shortened(plan, self._report["max_length"])
        self._tokenizer = folder.tokenizer.limited_to(self._report["charset"])

    def check(
        self,
        asked: Sequence[Question],
        *,
        given: int,
        labels: Sequence[str] | None = None,
        layers: int = LAYERS,
    ) -> DeviceResult:
        """Run and compare; the first `given` questions are the user's, whose instructions are told.

        Raises:
            CheckFailed: as `verify_device`; or a file that the report lists is missing.
            UsageError: there are no questions, or one is too large for the harness.
        """
        if not asked:
            raise UsageError(NOTHING_ASKED)
        problems = wrong_files(self._export, self._report)
        with tempfile.TemporaryDirectory(prefix="embbert-") as place:
            builder = Builder(self._export, self._core, self._tools, Path(place))
            plain = DeviceProgram(builder.build(PLAIN))
            traced = DeviceProgram(builder.build(TRACED), counting=False)
            small = builder.build(PLAIN, SIZES_LEVEL)
            prefix, report = self._export.prefix, self._report
            expected = expected_arrays(self._plan, self._tokenizer, prefix, blob=report["weights"] == "blob")
            sizes = image_sizes(small, prefix, report, expected)
            bounds = self._bounds({OPTIMIZE: plain.image, SIZES_LEVEL: small})
            closely = [*range(min(layers, given)), *range(given, len(asked))]
            difference, values = self._compare(traced, asked, closely)
            replies: list[Reply] = []
            if difference is None:
                difference, compared, replies = self._compare_all(plain, asked)
                values += compared
                if difference is not None:
                    # The plain image knows no layers: the traced one tells where this text goes wrong.
                    inside, _ = self._compare(traced, asked, [difference.question])
                    difference = inside or difference
                else:
                    difference, compared = self._compare_builds(plain, small, asked, closely, replies)
                    values += compared
            problems += [] if difference is None else [str(difference)]
            whole = difference is None and bool(replies)
            problems += broken_promises(replies, report)
            problems += wrong_weights(self._export.path, self._plan, self._tokenizer, report)
            problems += sizes.problems
            problems += builder.foreign_calls(SIZES_LEVEL)
            problems += self._stack_problems(plain.image, bounds, replies)
            return DeviceResult(
                core=self._core.title,
                compiler=self._tools.version,
                emulator=plain.emulator.version,
                optimize=OPTIMIZE,
                texts=len(asked),
                traced=len(closely),
                values=values,
                difference=difference,
                accuracy=self._accuracy(replies, labels) if whole and labels is not None else None,
                counts=self._core.counter.counts,
                instructions=_count(self._plan, plain, replies[:given]) if whole and given else None,
                stated=self._report["bytes"],
                stack=max(reply.stack for reply in replies) if whole else None,
                bounds=bounds,
                sizes=sizes,
                code=image_sizes(plain.image, prefix, report, {}).code,
                problems=tuple(problems),
                arena_kept=not arena_problems(replies, self._report["bytes"]["arena"]),
            )

    def _compare(
        self, program: DeviceProgram, asked: Sequence[Question], indices: Sequence[int]
    ) -> tuple[Difference | None, int]:
        """(first difference, values compared), every operator's outputs among them."""
        values = 0
        replies = program.ask([asked[index] for index in indices])
        for index, reply in zip(indices, replies, strict=True):
            difference, count = self._one(index, asked[index], reply, traced=True)
            values += count
            if difference is not None:
                return difference, values
        return None, values

    def _compare_all(
        self, program: DeviceProgram, asked: Sequence[Question]
    ) -> tuple[Difference | None, int, list[Reply]]:
        """(first difference, values compared, replies up to it) of the program as users build it."""
        values, replies = 0, []
        for index, reply in enumerate(program.ask(asked, BATCH)):
            difference, count = self._one(index, asked[index], reply, traced=False)
            values += count
            replies.append(reply)
            if difference is not None:
                return difference, values, replies
        return None, values, replies

    def _compare_builds(
        self,
        plain: DeviceProgram,
        small: Image,
        asked: Sequence[Question],
        indices: Sequence[int],
        replies: Sequence[Reply],
    ) -> tuple[Difference | None, int]:
        """(first difference, values compared) of the smallest build, and of ids alone, with these replies."""
        values = 0
        smallest = DeviceProgram(small, counting=False).ask([asked[index] for index in indices])
        by_ids = plain.ask([Question(ids=replies[index].ids) for index in indices])
        for index, other, alone in zip(indices, smallest, by_ids, strict=True):
            for reply, which, ids in ((other, SIZES_LEVEL, False), (alone, BY_IDS, True)):
                difference, count = agree(index, replies[index], reply, which, ids=ids)
                values += count
                if difference is not None:
                    return difference, values
        return None, values

    def _one(
        self, index: int, question: Question, reply: Reply, *, traced: bool
    ) -> tuple[Difference | None, int]:
        classify = self._export.task == "classify"
        return compare(self._plan, self._tokenizer, index, question, reply, classify=classify, traced=traced)

    def _bounds(self, images: dict[str, Image]) -> tuple[StackBound, ...]:
        """What the call graph of each image says, by level of optimisation."""
        found = (image_stack(image, self._export.prefix, level) for level, image in images.items())
        return tuple(bound for bound in found if bound is not None)

    def _stack_problems(
        self, image: Image, bounds: Sequence[StackBound], replies: Sequence[Reply]
    ) -> Iterator[str]:
        """What call graphs have against the header, and painted stack against the call graph."""
        for bound in bounds:
            yield from contradictions(bound, self._report["bytes"]["stack"])
        painted = max((reply.stack for reply in replies), default=0)
        computed = answer_stack(image) if bounds else None
        if computed is not None and painted > computed:
            yield f"a call used {painted} bytes of stack, the call graph allows {computed}"

    def _accuracy(self, replies: Sequence[Reply], labels: Sequence[str]) -> float | None:
        names = self._folder.labels
        if not set(labels) <= set(names):
            return None
        right = sum(names[reply.result] == label for reply, label in zip(replies, labels, strict=False))
        return right / len(labels)


def _count(plan: Plan, program: DeviceProgram, replies: Sequence[Reply]) -> Instructions:
    calls = [program.instructions(reply.ticks[1]) for reply in replies]
    tokens = [sum(index < plan.vocab_size for index in reply.ids) for reply in replies]
    longest = calls.index(max(calls))
    opening = replies[0].opening
    return Instructions(
        tokens=sum(tokens) / len(replies),
        encode=sum(program.instructions(reply.ticks[0]) for reply in replies) / len(replies),
        call=sum(calls) / len(calls),
        most=calls[longest],
        most_tokens=tokens[longest],
        opening=None if opening is None else program.instructions(opening),
    )
