"""The cores that a model can be verified on: their board in the emulator, their flags, their memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embbert.errors import UsageError

FLASH_BYTES = RAM_BYTES = 2 << 20


@dataclass(frozen=True)
class Counter:
    """A timer of the board that counts instructions when the emulator's clock is tied to them.

    Attributes:
        kind: what must be done to start it (see harness/device.c); `fuel` is no timer but what a runtime of
            WebAssembly burns: one for nearly every operator of the module.
        address: where its value is read.
        shift: the emulator lets 2^shift nanoseconds pass per instruction.
        megahertz: its rate.
    """

    kind: Literal["timer", "system", "mtime", "fuel"]
    address: int
    shift: int
    megahertz: int

    @property
    def ticks_per_instruction(self) -> float:
        """At least 1, so that no instruction is lost."""
        return (1 << self.shift) * self.megahertz / 1000

    @property
    def counts(self) -> str:
        """What it counts, in words."""
        return "fuel" if self.kind == "fuel" else "instructions"


@dataclass(frozen=True)
class Core:
    """A core.

    Attributes:
        name: as the command line knows it.
        title: as its maker writes it.
        board: QEMU's machine; empty if it has none.
        gcc: flags of GCC; empty if it knows no such core.
        zig: flags of zig.
        counter: of the board.
        unicorn: name of unicorn's CPU model; None if it has none that runs the whole instruction set.
        flash: address of the constants and the code.
        ram: address of everything else.
        vectors: address of the vector table if the core wants it elsewhere than at the start of flash.
        integers: more flags of GCC, by which floats go through functions where it would use instructions.
    """

    name: str
    title: str
    board: str
    gcc: tuple[str, ...]
    zig: tuple[str, ...]
    counter: Counter
    unicorn: str | None
    flash: int = 0
    ram: int = 0x2000_0000
    vectors: int | None = None
    integers: tuple[str, ...] = ()

    @property
    def riscv(self) -> bool:
        """Not an Arm core."""
        return self.name.startswith("rv")

    @property
    def wasm(self) -> bool:
        """No core but a virtual one, which runs modules and not images."""
        return self.name.startswith("wasm")

    @property
    def qemu(self) -> str:
        """The program that emulates it."""
        return "qemu-system-riscv32" if self.riscv else "qemu-system-arm"

    def tell(self) -> list[str]:
        """Compiler flags by which the harness knows the board."""
        return [f"-DCOUNTER_{self.counter.kind.upper()}", f"-DCOUNTER_READ={self.counter.address:#x}u"]


TIMER = Counter("timer", 0x4000_0004, shift=6, megahertz=25)
# GCC 12's scheduler before register allocation spills the registers of unrolled multiply-accumulate loops.
CALM = "-fno-schedule-insns"


def _cortex(name: str, board: str, *, unicorn: str | None, dsp: bool = True, **more: object) -> Core:
    number = name.removeprefix("cortex-m")
    # The extension is an option of the M33 (with which GCC builds for it), and part of M4 and M7.
    option = "+dsp" if dsp and number == "33" else ""
    return Core(
        name,
        f"Cortex-M{number}",
        board,
        ("-mthumb", f"-mcpu={name}", *((CALM,) if dsp else ())),
        ("-target", "thumb-freestanding-eabi", f"-mcpu=cortex_m{number}{option}"),
        unicorn=unicorn,
        **{"counter": TIMER, **more},  # type: ignore[arg-type]
    )


CORES = {
    core.name: core
    for core in (
        _cortex("cortex-m3", "mps2-an385", unicorn="UC_CPU_ARM_CORTEX_M3", dsp=False),
        _cortex("cortex-m4", "mps2-an386", unicorn="UC_CPU_ARM_CORTEX_M4"),
        _cortex("cortex-m7", "mps2-an500", unicorn="UC_CPU_ARM_CORTEX_M7"),
        # The board starts in the Secure state, whose flash, RAM and timer have addresses of their own.
        _cortex(
            "cortex-m33",
            "mps2-an505",
            unicorn="UC_CPU_ARM_CORTEX_M33",
            counter=Counter("timer", 0x5000_0004, shift=6, megahertz=20),
            flash=0x1000_0000,
            ram=0x3800_0000,
        ),
        # The vector unit needs a calling convention that knows its registers. The memory at 0, where the core
        # starts, has 512 kB: too few for every model.
        Core(
            "cortex-m55",
            "Cortex-M55",
            "mps3-an547",
            ("-mthumb", "-mcpu=cortex-m55", "-mfloat-abi=hard", CALM),
            ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m55+mve"),
            Counter("system", 0x5810_0008, shift=5, megahertz=32),
            unicorn=None,
            flash=0x0100_0000,
            ram=0x2100_0000,
            vectors=0,
            integers=("-mcpu=cortex-m55+nomve.fp+nofp",),
        ),
        Core(
            "rv32imac",
            "RV32IMAC",
            "virt",
            ("-march=rv32imac", "-mabi=ilp32", "-mcmodel=medany"),
            ("-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+a+c", "-mcmodel=medany"),
            Counter("mtime", 0x0200_BFF8, shift=7, megahertz=10),
            unicorn="UC_CPU_RISCV32_BASE32",
            flash=0x8000_0000,
            ram=0x8020_0000,
        ),
        Core(
            "wasm32",
            "WebAssembly",
            "",
            (),
            ("-target", "wasm32-freestanding", "-mcpu=generic+simd128"),
            Counter("fuel", 0, shift=0, megahertz=1000),
            unicorn=None,
        ),
    )
}
"""By name."""


def find_core(name: str) -> Core:
    """The core of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in CORES:
        raise UsageError(f"cannot verify on {name!r}; there are: host, {', '.join(CORES)}")
    return CORES[name]
