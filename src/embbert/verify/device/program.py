"""An image and its emulator: questions in, replies out, as from a program on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from embbert.errors import UsageError
from embbert.verify.device.image import PART_BYTES
from embbert.verify.device.qemu import Qemu
from embbert.verify.program import answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embbert.verify.device.image import Image
    from embbert.verify.program import Question, Reply

BATCH = 16
"""Questions per run of a traced image: a long text has megabytes of rows."""


class Emulator(Protocol):
    """Runs an image."""

    ticks_per_instruction: float
    version: str

    def run(self, requests: bytes) -> bytes:
        """What the harness answers to these requests."""


class DeviceProgram:
    """An image on its emulated core.

    Args:
        image: what to run.
        counting: count instructions; without it unicorn and wasmtime are faster.
    """

    def __init__(self, image: Image, *, counting: bool = True) -> None:
        self.image = image
        if image.tools.emulator == "qemu":
            self.emulator: Emulator = Qemu(image)
        elif image.tools.emulator == "wasmtime":
            from embbert.verify.device.wasm import WasmCore  # noqa: PLC0415 - an extra

            self.emulator = WasmCore(image, counting=counting)
        else:
            from embbert.verify.device.unicorn import UnicornCore  # noqa: PLC0415 - an extra

            self.emulator = UnicornCore(image, counting=counting)

    def ask(self, questions: Sequence[Question], batch: int = BATCH) -> Iterator[Reply]:
        """One reply per question, in order.

        Raises:
            UsageError: a text is larger than the harness's memory.
            CheckFailed: the program faulted, or ended before all was answered.
        """
        for start in range(0, len(questions), batch):
            requests = [question.request() for question in questions[start : start + batch]]
            for index, request in enumerate(requests, start):
                if len(request) > PART_BYTES:
                    raise UsageError(
                        f"text {index} has more than {PART_BYTES:,} bytes, too many for the harness"
                    )
            said = self.emulator.run(b"".join(requests))
            yield from answers(said, start, start + len(requests), len(questions))

    def instructions(self, ticks: int) -> int:
        """Instructions that so many ticks of the board's counter stand for."""
        return round(ticks / self.emulator.ticks_per_instruction)
