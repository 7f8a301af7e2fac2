"""Unicorn runs an image in this process: memory, the board's counter and semihosting are played here."""

from __future__ import annotations

import ctypes
import sys
from importlib import resources
from typing import TYPE_CHECKING, Any

import unicorn
from unicorn import arm_const, riscv_const
from unicorn import unicorn_const as const

from embbert.errors import CheckFailed
from embbert.verify.device.cores import FLASH_BYTES, RAM_BYTES
from embbert.verify.device.fault import describe
from embbert.verify.device.semihosting import Semihosting
from embbert.verify.toolchain import run_compiler

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.verify.device.image import Image

BREAKPOINT = 7
EBREAK = bytes.fromhex("73001000")
PAGE = 0x1000
SYSTEM = (0xE000_0000, 0x10_0000)


class _Counter(ctypes.Structure):
    """`counter` of counter.c."""

    _fields_ = [
        ("instructions", ctypes.c_uint64),
        ("flash", ctypes.c_char_p),
        ("origin", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("known", ctypes.c_void_p),
        ("riscv", ctypes.c_uint32),
    ]


class UnicornCore:
    """The emulator of one image.

    Args:
        image: what it runs; its compiler, zig, also makes the function that counts.
        counting: count instructions, several times slower.
    """

    ticks_per_instruction = 1.0
    version = f"unicorn {unicorn.__version__}"

    def __init__(self, image: Image, *, counting: bool = True) -> None:
        self._image, self._core = image, image.core
        self._counter = _Counter(
            flash=self._flash(), origin=self._core.flash, bytes=FLASH_BYTES, riscv=self._core.riscv
        )
        self._known = (ctypes.c_uint32 * (FLASH_BYTES // 2))()
        self._counter.known = ctypes.addressof(self._known)
        self._hook = _count_function(image.path.parent) if counting else None

    def run(self, requests: bytes) -> bytes:
        """What the harness answers to these requests.

        Raises:
            CheckFailed: the program faulted, or ended otherwise than it should.
        """
        core = self._start()
        self._host = Semihosting(requests, core.mem_read, core.mem_write)
        at: int | None = self._image.linked.entry
        while at is not None:
            at = self._emulate(core, at)
        code, said = self._host.code, self._host.said
        if code != 0:
            raise CheckFailed(describe(self._image, -1 if code is None else code, said))
        return bytes(self._host.replies)

    def _emulate(self, core: Any, start: int) -> int | None:  # noqa: ANN401
        """Run from an address; where to go on, or None at the end."""
        try:
            core.emu_start(start, 0xFFFF_FFFE)
        except unicorn.UcError as error:
            at = int(core.reg_read(self._register("PC")))
            # On RISC-V a breakpoint is an error to unicorn, not an interrupt.
            if self._core.riscv and bytes(core.mem_read(at, 4)) == EBREAK:
                self._answer(core)
                return at + 4 if self._host.code is None else None
            self._host.said = f"fault at 0x{at:08x}\n{error}"
        return None

    def _start(self) -> Any:  # noqa: ANN401 - unicorn's own type varies by version
        """A core with the image in its flash."""
        if self._core.riscv:
            core = unicorn.Uc(const.UC_ARCH_RISCV, const.UC_MODE_RISCV32)
            core.ctl_set_cpu_model(getattr(riscv_const, self._core.unicorn or ""))
        else:
            core = unicorn.Uc(const.UC_ARCH_ARM, const.UC_MODE_THUMB | const.UC_MODE_MCLASS)
            core.ctl_set_cpu_model(getattr(arm_const, self._core.unicorn or ""))
            core.mem_map(*SYSTEM)
        core.mem_map(self._core.flash, FLASH_BYTES, const.UC_PROT_READ | const.UC_PROT_EXEC)
        core.mem_map(self._core.ram, RAM_BYTES, const.UC_PROT_READ | const.UC_PROT_WRITE)
        page = self._core.counter.address & ~(PAGE - 1)
        core.mmio_map(page, PAGE, self._read_counter, None, self._ignore, None)
        for address, data in self._image.linked.segments:
            core.mem_write(address, data)
        core.hook_add(const.UC_HOOK_INTR, self._interrupt)
        if self._hook is not None:
            _add_hook(core, self._hook, self._counter)
        return core

    def _flash(self) -> bytes:
        flash = bytearray(FLASH_BYTES)
        for address, data in self._image.linked.segments:
            at = address - self._core.flash
            flash[at : at + len(data)] = data
        return bytes(flash)

    def _register(self, name: str) -> int:
        family = (riscv_const, "RISCV") if self._core.riscv else (arm_const, "ARM")
        return int(getattr(family[0], f"UC_{family[1]}_REG_{name}"))

    def _read_counter(self, _core: Any, offset: int, _size: int, _data: Any) -> int:  # noqa: ANN401
        if offset != self._core.counter.address % PAGE:
            return 0
        ticks = int(self._counter.instructions) & 0xFFFF_FFFF
        return 0xFFFF_FFFF - ticks if self._core.counter.kind == "timer" else ticks

    def _ignore(self, _core: Any, _offset: int, _size: int, _value: int, _data: Any) -> None:  # noqa: ANN401
        """The counter needs no starting."""

    def _interrupt(self, core: Any, number: int, _data: Any) -> None:  # noqa: ANN401
        pc = self._register("PC")
        at = int(core.reg_read(pc))
        if number != BREAKPOINT:
            self._host.said = f"fault at 0x{at:08x}\nexception {number}"
            core.emu_stop()
            return
        self._answer(core)
        core.reg_write(pc, (at + 2) | 1)

    def _answer(self, core: Any) -> None:  # noqa: ANN401
        """A semihosting call: operation and result in one register, address of the arguments in the next."""
        first, second = ("A0", "A1") if self._core.riscv else ("R0", "R1")
        operation, arguments = (core.reg_read(self._register(name)) for name in (first, second))
        core.reg_write(self._register(first), self._host.answer(operation, arguments))
        if self._host.code is not None:
            core.emu_stop()


def _count_function(folder: Path) -> ctypes.CDLL:
    """counter.c, compiled for this machine."""
    library = folder / "counter.so"
    with resources.as_file(resources.files("embbert.verify.device") / "counter.c") as source:
        command = [sys.executable, "-m", "ziglang", "cc", "-O2", "-shared", str(source)]
        run_compiler(command, library, "zig", folder)
    return ctypes.CDLL(str(library))


def _add_hook(core: Any, library: ctypes.CDLL, counter: _Counter) -> None:  # noqa: ANN401
    """Let unicorn call C at every block; its Python interface takes Python functions only, much slower."""
    from unicorn.unicorn_py3.unicorn import uclib  # noqa: PLC0415 - private, so as close as can be

    handle = ctypes.c_size_t()
    function = ctypes.cast(library.embbert_count_block, ctypes.c_void_p)
    state = ctypes.cast(ctypes.pointer(counter), ctypes.c_void_p)
    error = uclib.uc_hook_add(core._uch, ctypes.byref(handle), const.UC_HOOK_BLOCK, function, state, 1, 0)
    if error != const.UC_ERR_OK:
        raise unicorn.UcError(error)
