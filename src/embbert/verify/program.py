"""An exported model compiled with the harness around it, and what it answers."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from embbert.errors import CheckFailed
from embbert.text.pipeline import replace_surrogates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.verify.toolchain import Compiler

BATCH = 64
NO_NAME = 0xFFFF_FFFF
HEADER = ("ARENA_BYTES", "STACK_BYTES", "MAX_LENGTH", "VOCAB_SIZE", "BLOB_BYTES")
"""Macros of the header that a build with checks tells, without their prefix; 0 for one that is not there."""

TIMEOUT = 3600


@dataclass(frozen=True)
class Question:
    """One input: a text, a pair of texts, or token ids.

    Attributes:
        text: text, or bytes that need not be UTF-8; None if there are ids.
        pair: second text of a pair.
        ids: token ids.
    """

    text: str | bytes | None = None
    pair: str | bytes | None = None
    ids: tuple[int, ...] | None = None

    def request(self) -> bytes:
        """As the harness reads it."""
        if self.ids is not None:
            parts, kind = [np.array(self.ids, dtype=np.uint16).tobytes()], b"i"
        elif self.pair is not None:
            parts, kind = [_bytes(self.text), _bytes(self.pair)], b"p"
        else:
            parts, kind = [_bytes(self.text)], b"t"
        return kind + b"".join(struct.pack("=I", len(part)) + part for part in parts)


@dataclass
class Reply:
    """What the compiled model answered to one question.

    Attributes:
        status: an `embbert_status`; 0 is success.
        ids: token ids that it made of the text.
        trace: by operator, the rows that it wrote [rows visited, cols]; only from a traced build.
        logits: [classes] int32.
        result: class index, or the regression's value.
        stack: bytes of stack that the call used; only from a stack build.
        ticks: of the device's counter, for encoding the text and for the whole call; only on a device.
        operator_ticks: by operator; only from a device's profiled build.
        refused: an arena one byte too small was refused; only from a build with checks, as the next three.
        guarded: the bytes around the arena are untouched.
        labels: of the numbers from 0 to that of classes, None for one without a name; only in the first reply
            of a run, as the next two, and only if classes have names.
        header: values of HEADER.
        self_test: status of the boot self-test.
        opening: ticks for checking a file of weights; only there, and only with such a file.
    """

    status: int = -1
    ids: tuple[int, ...] = ()
    trace: dict[str, NDArray[np.signedinteger]] = field(default_factory=dict)
    logits: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    result: int = 0
    stack: int = 0
    ticks: tuple[int, int] = (0, 0)
    operator_ticks: dict[str, int] = field(default_factory=dict)
    refused: bool = False
    guarded: bool = False
    labels: tuple[str | None, ...] | None = None
    header: dict[str, int] | None = None
    self_test: int | None = None
    opening: int | None = None


@dataclass(frozen=True)
class Export:
    """Where an export lies and which of the harness's switches fit it.

    Attributes:
        path: the folder.
        prefix: of its names.
        task: `classify` or `regress`.
        pair: it reads pairs.
        text_front: it has a tokenizer.
        ngrams: it has n-grams beside tokens.
        labels: names of its classes.
    """

    path: Path
    prefix: str
    task: str
    pair: bool
    text_front: bool = True
    ngrams: bool = False
    labels: tuple[str, ...] = ()

    def sources(self) -> list[Path]:
        """Its C files, in order of name."""
        return sorted(self.path.glob("*.c"))

    def defines(self) -> list[str]:
        """Compiler flags that tell the harness about it."""
        flags = [f"-DHARNESS_PREFIX={self.prefix}", f"-DHARNESS_UPPER={self.prefix.upper()}"]
        flags += ["-include", f"{self.path / self.prefix}.h"]
        weights = self.path / f"{self.prefix}_weights.bin"
        flags += [f'-DHARNESS_BLOB="{weights}"'] if weights.is_file() else []
        flags += ["-DHARNESS_REGRESS"] if self.task == "regress" else []
        flags += ["-DHARNESS_NGRAMS"] if self.ngrams else []
        flags += ["-DHARNESS_LABELS"] if self.labels else []
        flags += ["-DHARNESS_SELF_TEST"] if (self.path / f"{self.prefix}_self_test.c").is_file() else []
        flags += ["-DHARNESS_PAIR"] if self.pair and self.text_front else []
        return flags if self.text_front else [*flags, "-DHARNESS_IDS_ONLY"]


class Program:
    """A compiled harness. Each call runs it anew.

    Args:
        export: the C to compile.
        compiler: with what.
        folder: where the executable goes.
        flags: optimisation and sanitizer flags.
        trace: report every operator.
        stack: measure the stack.
        checks: run the self-test, name classes, watch the bytes around the arena, try one that is too small.
        guards: lay bytes around the arena, but do not watch them.

    Raises:
        CheckFailed: the C does not compile.
    """

    def __init__(
        self,
        export: Export,
        compiler: Compiler,
        folder: Path,
        flags: Sequence[str],
        *,
        trace: bool = False,
        stack: bool = False,
        checks: bool = False,
        guards: bool = False,
    ) -> None:
        choices = {
            "EMBBERT_TRACE": trace,
            "HARNESS_STACK": stack,
            "HARNESS_CHECKS": checks,
            "HARNESS_GUARDS": guards,
        }
        switches = [name for name, wanted in choices.items() if wanted]
        self.path = folder / "-".join(["harness", *switches]).lower()
        everything = [*flags, "-std=c99", *export.defines(), *(f"-D{switch}" for switch in switches)]
        with resources.as_file(resources.files("embbert.verify") / "harness") as harness:
            own = [harness / "harness.c", harness / "host.c"]
            compiler.compile([*own, *export.sources()], self.path, everything)

    def ask(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """One reply per question, in order.

        Raises:
            CheckFailed: the program crashed; the message holds what a sanitizer said.
        """
        for start in range(0, len(questions), BATCH):
            batch = questions[start : start + BATCH]
            try:
                done = subprocess.run(
                    [str(self.path)],
                    input=b"".join(question.request() for question in batch),
                    capture_output=True,
                    check=False,
                    timeout=TIMEOUT,
                )
            except OSError as error:
                raise CheckFailed(f"what the compiler made does not run here: {error.strerror}") from error
            except subprocess.TimeoutExpired as error:
                raise CheckFailed(f"the compiled model gave no answer within {TIMEOUT} s") from error
            if done.returncode != 0:
                said = done.stderr.decode(errors="replace").strip()
                raise CheckFailed(f"the compiled model stopped with exit code {done.returncode}:\n{said}")
            yield from answers(done.stdout, start, start + len(batch), len(questions))


def logits(replies: Iterable[Reply]) -> NDArray[np.int32]:
    """Logits [questions, classes] of replies that must all be successes.

    Raises:
        CheckFailed: one is not.
    """
    rows = []
    for index, reply in enumerate(replies):
        if reply.status != 0:
            raise CheckFailed(f"text {index}: the compiled model returned status {reply.status}")
        rows.append(reply.logits)
    return np.array(rows, dtype=np.int32)


def _bytes(text: str | bytes | None) -> bytes:
    if isinstance(text, bytes):
        return text
    return replace_surrogates(text or "").encode()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            raise CheckFailed("the compiled model's output is cut off")
        self.at += count
        return piece

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little" if np.little_endian else "big")

    def name(self) -> str | None:
        length = self.number()
        return None if length == NO_NAME else self.take(length).decode(errors="replace")


def answers(data: bytes, first: int, end: int, total: int) -> Iterator[Reply]:
    """The replies of a run that was asked the questions from `first` to before `end`, of `total`.

    Raises:
        CheckFailed: there are fewer or more, or the stream is cut off or damaged.
    """
    at = first
    for reply in replies(data):
        if at == end:
            raise CheckFailed(f"the program answers more than the {end - first} texts that it was given")
        yield reply
        at += 1
    if at < end:
        raise CheckFailed(f"the program ended after {at} of {total} texts")


def replies(data: bytes) -> Iterator[Reply]:
    """The replies in a stream of records.

    Raises:
        CheckFailed: the stream is cut off or damaged.
    """
    reader = _Reader(data)
    reply = Reply()
    parts: dict[str, list[NDArray[np.signedinteger]]] = {}
    while reader.at < len(data):
        tag = reader.take(1)
        if tag == b"I":
            count = reader.number()
            reply.ids = tuple(np.frombuffer(reader.take(2 * count), dtype=np.uint16).tolist())
        elif tag == b"T":
            name = reader.take(reader.number()).decode()
            _, rows, cols, size = (reader.number() for _ in range(4))
            values = np.frombuffer(reader.take(rows * cols * size), dtype=f"i{size}")
            parts.setdefault(name, []).append(values.reshape(rows, cols))
        elif tag == b"L":
            reply.logits = np.frombuffer(reader.take(4 * reader.number()), dtype=np.int32)
        elif tag == b"R":
            reply.result = int(np.uint32(reader.number()).astype(np.int32))
        elif tag == b"S":
            reply.stack = reader.number()
        elif tag == b"C":
            reply.ticks = reader.number(), reader.number()
        elif tag == b"K":
            name = reader.take(reader.number()).decode()
            reply.operator_ticks[name] = reader.number()
        elif tag == b"A":
            reply.refused, reply.guarded = reader.number() == 1, reader.number() == 1
        elif tag == b"N":
            reply.labels = tuple(reader.name() for _ in range(reader.number()))
        elif tag == b"H":
            reply.header = {name: reader.number() for name in HEADER}
        elif tag == b"F":
            reply.self_test = reader.number()
        elif tag == b"O":
            reply.opening = reader.number()
        elif tag == b"E":
            reply.status = reader.number()
            reply.trace = {name: np.concatenate(rows) for name, rows in parts.items()}
            yield reply
            reply, parts = Reply(), {}
        else:
            raise CheckFailed(f"the compiled model's output is damaged at byte {reader.at}")
