"""The host's side of semihosting, as harness/device.c uses it, for emulators that run in this process."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN, WRITE_TEXT, WRITE, READ, EXIT = 1, 4, 5, 6, 0x20
REQUESTS, REPLIES = 1, 2


class Semihosting:
    """What a program reads and writes during one run.

    Args:
        requests: what it will read.
        read: (address, bytes) → contents of its memory.
        write: (address, contents) into its memory.

    Attributes:
        replies: what it has written.
        said: what it, or its emulator, has told about a fault.
        code: that it stopped with; None while it runs.
    """

    def __init__(
        self,
        requests: bytes,
        read: Callable[[int, int], bytes | bytearray],
        write: Callable[[int, bytes], object],
    ) -> None:
        self._requests, self._read, self._write = requests, read, write
        self.replies, self.said = bytearray(), ""
        self.code: int | None = None

    def answer(self, operation: int, arguments: int) -> int:
        """The result of an operation, whose arguments lie at an address."""
        if operation == WRITE_TEXT:
            self.said += bytes(self._read(arguments, 80)).split(b"\0")[0].decode("latin-1")
            return 0
        one, two, three = struct.unpack("<III", self._read(arguments, 12))
        if operation == OPEN:
            return REQUESTS if bytes(self._read(one, three)) == b"requests" else REPLIES
        if operation == WRITE:
            self.replies += self._read(two, three)
            return 0
        if operation == READ:
            piece, self._requests = self._requests[:three], self._requests[three:]
            self._write(two, piece)
            return int(three - len(piece))
        self.code = int(two) if operation == EXIT else -1
        return 0
