"""QEMU runs an image: a process per run, requests and replies in files beside it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from embbert.errors import CheckFailed
from embbert.verify.device.fault import describe
from embbert.verify.toolchain import version_of

if TYPE_CHECKING:
    from embbert.verify.device.image import Image

TIMEOUT = 3600


class Qemu:
    """The emulator of one image.

    Args:
        image: what it runs.
        counting: tie the clock of the board to the instructions, so that its counter counts them.
    """

    def __init__(self, image: Image, *, counting: bool = True) -> None:
        self._image = image
        counter = image.core.counter
        self.ticks_per_instruction = counter.ticks_per_instruction
        self.version = version_of((image.core.qemu,))
        bios = ["-bios", "none"] if image.core.riscv else []
        self._command = [
            *(image.core.qemu, "-M", image.core.board, *bios),
            *("-display", "none", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            *(["-icount", f"shift={counter.shift}"] if counting else []),
            *("-kernel", str(image.path)),
        ]

    def run(self, requests: bytes) -> bytes:
        """What the harness answers to these requests.

        Raises:
            CheckFailed: the program faulted, or ended otherwise than it should.
        """
        with tempfile.TemporaryDirectory(prefix="embbert-") as place:
            folder = Path(place)
            (folder / "requests").write_bytes(requests)
            try:
                done = subprocess.run(
                    self._command, cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT
                )
            except subprocess.TimeoutExpired as error:
                raise CheckFailed(f"{self._image.core.title}: no answer within {TIMEOUT} s") from error
            if done.returncode != 0:
                raise CheckFailed(describe(self._image, done.returncode, done.stderr))
            # A program that never ran opened no file; whoever asked then misses the replies.
            answers = folder / "replies"
            return answers.read_bytes() if answers.is_file() else b""
