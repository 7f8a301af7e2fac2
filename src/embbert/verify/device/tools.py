"""Which cross compiler and which emulator: Debian's GCC with QEMU, or pip's zig with unicorn or wasmtime."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embbert.errors import MissingExtraError, ToolMissingError, UsageError
from embbert.verify.toolchain import run_compiler, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embbert.verify.device.cores import Core

TOOLS = ("gcc", "zig")
EXTRA = "emulate"
ZIG = (sys.executable, "-m", "ziglang")
GCC = {False: "arm-none-eabi-gcc", True: "riscv64-unknown-elf-gcc"}
INSTALL = {
    "arm-none-eabi-gcc": "apt-get install gcc-arm-none-eabi",
    "riscv64-unknown-elf-gcc": "apt-get install gcc-riscv64-unknown-elf",
    "qemu-system-arm": "apt-get install qemu-system-arm",
    "qemu-system-riscv32": "apt-get install qemu-system-misc",
}
"""Program → the line that installs it."""


@dataclass(frozen=True)
class Tools:
    """What builds an image and what runs it.

    Attributes:
        compiler: `gcc` or `zig`.
        emulator: `qemu`, `unicorn` or `wasmtime`.
        command: of the compiler, with the core's flags.
        version: of the compiler.
    """

    compiler: Literal["gcc", "zig"]
    emulator: Literal["qemu", "unicorn", "wasmtime"]
    command: tuple[str, ...]
    version: str

    @property
    def _name(self) -> str:
        return self.command[0] if self.compiler == "gcc" else "zig"

    def compile(self, source: Path, out: Path, flags: Sequence[str]) -> None:
        """One object file.

        Raises:
            CheckFailed: the compiler refused.
        """
        run_compiler([*self.command, "-c", *flags, str(source)], out, self._name, out.parent)

    def link(self, objects: Sequence[Path], script: Path, out: Path) -> None:
        """An image.

        Raises:
            CheckFailed: the linker refused, for example because a memory is too small.
        """
        # Without standard libraries zig would also leave out its own helpers, such as the 64-bit division.
        start = ["-nostdlib"] if self.compiler == "gcc" else ["-Wl,-e,reset"]
        end = ["-lgcc"] if self.compiler == "gcc" else []
        flags = ["-Wl,--gc-sections", "-T", str(script), *map(str, objects), *end]
        run_compiler([*self.command, *start, *flags], out, self._name, out.parent)

    def link_module(self, objects: Sequence[Path], flags: Sequence[str], out: Path) -> None:
        """A module of WebAssembly.

        Raises:
            CheckFailed: the linker refused.
        """
        # `zig cc` passes few flags on to this linker, so it is called by its own name.
        command = [*ZIG, "wasm-ld", *flags, *map(str, objects)]
        run_compiler(command, out, self._name, out.parent)


def find_tools(core: Core, name: str | None = None) -> Tools:
    """The tool set of that name, or the first that is installed.

    Raises:
        UsageError: there is no such set.
        ToolMissingError, MissingExtraError: it is not installed; the message says how to.
    """
    if core.wasm and name is None:
        name = "zig"
    if name is None:
        if missing_program(core) is None:
            name = "gcc"
        elif _has("ziglang") and (shutil.which(core.qemu) or (_has("unicorn") and core.unicorn)):
            name = "zig"
        else:
            absent = [tool for tool in (GCC[core.riscv], core.qemu) if not shutil.which(tool)]
            packages = " ".join(INSTALL[tool].split()[-1] for tool in absent)
            other = f'\n  or, without root, run  pip install "embbert[{EXTRA}]"' if core.unicorn else ""
            raise ToolMissingError(" and ".join(absent), f"apt-get install {packages}{other}")
    if name == "gcc":
        if core.wasm:
            raise UsageError(f"GCC makes no {core.title}: run without --tools, or with --tools zig")
        absent_tool = missing_program(core)
        if absent_tool is not None:
            raise ToolMissingError(absent_tool, INSTALL[absent_tool])
        program = GCC[core.riscv]
        return Tools("gcc", "qemu", (program, *core.gcc), version_of((program,)))
    if name != "zig":
        raise UsageError(f"there are no tools {name!r}; there are: {', '.join(TOOLS)}")
    emulator: Literal["qemu", "unicorn", "wasmtime"] = "wasmtime" if core.wasm else "unicorn"
    if not _has("ziglang") or not _has(emulator):
        raise MissingExtraError(f"running on {core.title} with zig and {emulator}", EXTRA)
    if core.unicorn is None and not core.wasm:
        if not shutil.which(core.qemu):
            raise ToolMissingError(f"unicorn has no {core.title}; {core.qemu}", INSTALL[core.qemu])
        emulator = "qemu"
    return Tools("zig", emulator, (*ZIG, "cc", *core.zig), "zig " + version_of((*ZIG, "version"), ()))


def missing_program(core: Core) -> str | None:
    """The first program that GCC and QEMU for this core lack; None if all is there."""
    return next((tool for tool in (GCC[core.riscv], core.qemu) if not shutil.which(tool)), None)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
