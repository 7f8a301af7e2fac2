"""Roughly how long a text takes on a board and what it costs: estimates by formula, always called that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from embbert.footprint import macs

if TYPE_CHECKING:
    from embbert.boards.known import Board
    from embbert.config import ModelConfig

ASSUMED_SUPPLY_V = 3.3
"""Where the source of a current does not name its voltage."""


@dataclass(frozen=True)
class Kernels:
    """How much work a multiply-accumulate is.

    Attributes:
        name: of the kernel set that the compiler selects.
        instructions_per_mac: of a whole inference.
        cycles_per_instruction: assumed; the emulators that count instructions know no cycles.
        basis: where the numbers come from.
    """

    name: str
    instructions_per_mac: float
    cycles_per_instruction: float
    basis: str


SCALAR = Kernels("plain C", 2.6, 1.0, "counted on Cortex-M3, GCC -O2, embbert, 64 tokens")
DSP = Kernels("DSP", 1.61, 1.0, "counted on Cortex-M4, GCC -O2, embbert, 64 tokens")
MVE = Kernels("MVE", 0.47, 1.0, "counted on Cortex-M55, clang -O2, embbert, 64 tokens")
RISCV = Kernels("plain C", 3.5, 1.0, "counted on RV32IMAC, GCC -O2, embbert, 64 tokens")
CORES = {
    "cortex-m0plus": SCALAR,
    "cortex-m3": SCALAR,
    "cortex-m4": DSP,
    "cortex-m7": DSP,
    "cortex-m33": DSP,
    "cortex-m55": MVE,
    "cortex-m85": MVE,
    "rv32": RISCV,
    "xtensa-lx7": SCALAR,
}
"""The kernel set of each core. `docs/kernels.md` has the counts."""

UNCOUNTED = ("linear",)
"""Architectures whose instructions do not follow from the ratio: they hash more than they multiply."""


@dataclass(frozen=True)
class Estimate:
    """What one text costs, by formula.

    Attributes:
        tokens: of the text, special ones included.
        macs: multiply-accumulates.
        seconds: macs · instructions per mac · cycles per instruction / clock.
        joules: supply · current · seconds; None if the current is not known.
    """

    tokens: int
    macs: int
    seconds: float
    joules: float | None


def estimate(board: Board, config: ModelConfig, classes: int, tokens: int) -> Estimate:
    """Time and energy of one text of so many tokens: an estimate, never a measurement."""
    kernels = CORES[board.core]
    work = macs(config, classes, tokens, ngrams=0)
    cycles = work * kernels.instructions_per_mac * kernels.cycles_per_instruction
    seconds = cycles / (cast("float", board.clock_mhz.value) * 1e6)
    current = board.current_ma.value
    joules = None if current is None else supply(board) * current / 1e3 * seconds
    return Estimate(tokens, work, seconds, joules)


def supply(board: Board) -> float:
    """Volts, assumed where the source names none."""
    return ASSUMED_SUPPLY_V if board.supply_v.value is None else board.supply_v.value
