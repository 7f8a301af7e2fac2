"""Ctrl-C that lets the step under way end, so that what is saved then is whole."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@dataclass
class Interruption:
    """Whether somebody asked to stop."""

    asked: bool = False


@contextmanager
def whole_steps() -> Iterator[Interruption]:
    """Within it the first Ctrl-C only sets `asked`; a second one interrupts at once.

    Nothing is ever asked in any other thread than the main one, which alone gets signals, and where Ctrl-C
    means something else already: it is ignored by what runs in a shell's background.
    """
    interruption = Interruption()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interruption
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interruption.asked:
            signal.default_int_handler(number, frame)
        interruption.asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)
