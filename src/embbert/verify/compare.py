"""Replies of the compiled model against the reference, value by value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.quant.reference import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from embbert.quant.spec import Plan
    from embbert.text import AnyTokenizer
    from embbert.verify.program import Question, Reply


@dataclass(frozen=True)
class Verdict:
    """What a verification concludes, wherever it ran.

    Attributes:
        problems: every contradiction, as sentences; empty if all is well.
        arena_kept: calls stayed within the stated arena, and one byte less was refused.
    """

    problems: tuple[str, ...] = field(kw_only=True)
    arena_kept: bool = field(kw_only=True)

    @property
    def ok(self) -> bool:
        """Nothing contradicts the reference or the report."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {"ok": self.ok, **asdict(self)}


@dataclass(frozen=True)
class Difference:
    """The first value that differs.

    Attributes:
        question: index of the text.
        where: `tokens`, `<stage>.<operator>`, `logits`, `result` or `status`; of another build or another
            function than the one that is compared with the reference, followed by which.
        row: of the operator's output; 0 where there are no rows.
        index: within the row.
        expected: the reference's value; None if it has none there.
        actual: the compiled model's value; None if it has none there.
    """

    question: int
    where: str
    row: int
    index: int
    expected: int | None
    actual: int | None

    def __str__(self) -> str:
        return (
            f"text {self.question}: {self.where} differs first at row {self.row}, index {self.index}: "
            f"expected {self.expected}, got {self.actual}"
        )


def expected_ids(question: Question, tokenizer: AnyTokenizer | None, plan: Plan) -> list[int]:
    """Token ids of a question; bytes that are not UTF-8 count as U+FFFD, which tokenizers drop."""
    if question.ids is not None or tokenizer is None:
        return list(question.ids or ())
    text, pair = (
        part.decode("utf-8", errors="replace") if isinstance(part, bytes) else part
        for part in (question.text, question.pair)
    )
    return tokenizer.encode(text or "", pair, max_length=plan.max_length)


def compare(
    plan: Plan,
    tokenizer: AnyTokenizer | None,
    index: int,
    question: Question,
    reply: Reply,
    *,
    classify: bool = True,
    traced: bool = True,
) -> tuple[Difference | None, int]:
    """(first difference or None, values compared) of one reply, in order of execution."""
    ids = expected_ids(question, tokenizer, plan)
    pairs: list[tuple[str, NDArray[Any], NDArray[Any]]] = []
    if question.ids is None:
        pairs.append(("tokens", np.array([ids]), np.array([reply.ids])))
    pairs.append(("status", np.zeros((1, 1), dtype=np.int64), np.array([[reply.status]])))
    rows: list[tuple[str, NDArray[Any]]] = []
    expected = run(plan, ids, trace=lambda name, values: rows.append((name, values)))
    if traced:
        nothing = np.zeros((0, 0), dtype=np.int8)
        pairs += [(name, values, reply.trace.get(name, nothing)) for name, values in rows]
    pairs.append(("logits", expected[None], reply.logits[None]))
    if question.ids is None:
        result = int(expected.argmax()) if classify else int(expected[0])
        pairs.append(("result", np.array([[result]]), np.array([[reply.result]])))
    return _compared(index, pairs)


def agree(
    index: int, first: Reply, second: Reply, which: str, *, ids: bool = False
) -> tuple[Difference | None, int]:
    """(first difference or None, values compared) of two answers to one question.

    Args:
        index: of the question.
        first: an answer that equals the reference's.
        second: of another build, or from the token ids alone.
        which: says what the second is.
        ids: the second has no tokens and no result, for it was given the ids.
    """
    pairs = [] if ids else [("tokens", np.array([first.ids]), np.array([second.ids]))]
    pairs.append(("status", np.array([[first.status]]), np.array([[second.status]])))
    pairs.append(("logits", first.logits[None], second.logits[None]))
    if not ids:
        pairs.append(("result", np.array([[first.result]]), np.array([[second.result]])))
    return _compared(index, [(f"{where}, {which},", wanted, found) for where, wanted, found in pairs])


def arena_problems(replies: Sequence[Reply], arena_bytes: int) -> list[str]:
    """What a build with checks found wrong with the stated arena, as sentences."""
    problems = []
    if not all(reply.refused for reply in replies):
        problems.append(f"an arena of {arena_bytes - 1} bytes, one less than stated, is not refused")
    if not all(reply.guarded for reply in replies):
        problems.append(f"a call writes outside of its arena of {arena_bytes} bytes")
    return problems


def broken_promises(replies: Sequence[Reply], report: Mapping[str, Any]) -> list[str]:
    """What a build with checks found wrong with header, arena, stack, self-test and names, as sentences.

    Args:
        replies: of that build.
        report: of the export.
    """
    stated = report["bytes"]
    # What is told once is in the first reply.
    problems = [problem for reply in replies[:1] for problem in _wrong_header(reply, report)]
    problems += arena_problems(replies, stated["arena"])
    failed = {reply.self_test for reply in replies} - {None, 0}
    if failed:
        problems.append(f"the boot self-test returns status {failed.pop()}")
    stack = max((reply.stack for reply in replies), default=0)
    if stack > stated["stack"]:
        problems.append(f"a call used {stack} bytes of stack, the header states {stated['stack']}")
    return problems + [problem for reply in replies[:1] for problem in _wrong_names(reply, report["labels"])]


def _wrong_header(reply: Reply, report: Mapping[str, Any]) -> Iterator[str]:
    """Macros of the header against the report."""
    stated = {
        "ARENA_BYTES": report["bytes"]["arena"],
        "STACK_BYTES": report["bytes"]["stack"],
        "MAX_LENGTH": report["max_length"],
        "VOCAB_SIZE": report["vocab_size"],
        "BLOB_BYTES": report["bytes"].get("blob", 0),
    }
    for name, value in stated.items():
        told = (reply.header or {}).get(name)
        if told != value:
            yield f"the header's {report['prefix'].upper()}_{name} is {told}, the report says {value}"


def _wrong_names(reply: Reply, labels: Sequence[str]) -> Iterator[str]:
    """Names of the classes against the report; the number after the last one has none."""
    wanted = (*labels, None) if labels else ()
    for number, (name, label) in enumerate(zip_longest(reply.labels or (), wanted)):
        if name != label:
            called = "has no name" if name is None else f"is called {name!r}"
            yield f"class {number} {called}, " + (
                f"not {label!r}" if label is not None else "but is no class"
            )


def _compared(
    index: int, pairs: Sequence[tuple[str, NDArray[Any], NDArray[Any]]]
) -> tuple[Difference | None, int]:
    """(first difference or None, values compared) of arrays that should be the same."""
    count = 0
    for where, wanted, found in pairs:
        place = _first_difference(wanted, found)
        if place is not None:
            row, column = place
            difference = Difference(
                index, where, row, column, _value(wanted, row, column), _value(found, row, column)
            )
            return difference, count
        count += wanted.size
    return None, count


def _first_difference(expected: NDArray[Any], actual: NDArray[Any]) -> tuple[int, int] | None:
    rows = min(len(expected), len(actual))
    cols = min(expected.shape[1], actual.shape[1])
    wrong = np.argwhere(expected[:rows, :cols] != actual[:rows, :cols])
    if len(wrong):
        return int(wrong[0, 0]), int(wrong[0, 1])
    if expected.shape == actual.shape:
        return None
    return (0, cols) if expected.shape[1] != actual.shape[1] else (rows, 0)


def _value(values: NDArray[Any], row: int, column: int) -> int | None:
    return int(values[row, column]) if row < values.shape[0] and column < values.shape[1] else None
