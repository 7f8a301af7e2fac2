"""Wasmtime runs a module in this process, as this machine's code; semihosting is a function that it imports.

Not through WASI: its standard input and output would replace two functions of harness/device.c, which is
needed for stack, guards and counting all the same, and would put a C library among the model's bytes.
"""

from __future__ import annotations

import ctypes
from importlib import metadata
from typing import TYPE_CHECKING

import wasmtime

from embbert.errors import CheckFailed
from embbert.verify.device.fault import describe
from embbert.verify.device.semihosting import Semihosting

if TYPE_CHECKING:
    from embbert.verify.device.image import Image

FUEL = 1 << 62
"""More than any run burns."""


NOWHERE = (1 << 64) - 1
"""Offset of a place that is not known."""


class _Stopped(Exception):  # noqa: N818 - no error: how a module is left
    """The program has said that it is done."""


class WasmCore:
    """The runtime of one module.

    Args:
        image: what it runs.
        counting: count the fuel that is burnt.
    """

    ticks_per_instruction = 1.0
    version = f"wasmtime {metadata.version('wasmtime')}"

    def __init__(self, image: Image, *, counting: bool = True) -> None:
        self._image, self._counting = image, counting
        config = wasmtime.Config()
        config.consume_fuel = counting
        self._engine = wasmtime.Engine(config)
        self._module = wasmtime.Module.from_file(self._engine, str(image.path))

    def run(self, requests: bytes) -> bytes:
        """What the harness answers to these requests.

        Raises:
            CheckFailed: the program trapped, or ended otherwise than it should.
        """
        store = wasmtime.Store(self._engine)
        if self._counting:
            store.set_fuel(FUEL)

        def read(address: int, size: int) -> bytes:
            return bytes(memory.read(store, address, address + size))

        def write(address: int, data: bytes) -> None:
            memory.write(store, data, address)

        def semihosting(operation: int, arguments: int) -> int:
            result = host.answer(operation, arguments)
            if host.code is not None:
                raise _Stopped
            return result

        def fuel() -> int:
            return ctypes.c_int32(FUEL - store.get_fuel()).value if self._counting else 0

        host = Semihosting(requests, read, write)
        word = wasmtime.ValType.i32()
        linker = wasmtime.Linker(self._engine)
        linker.define_func("host", "semihosting", wasmtime.FuncType([word, word], [word]), semihosting)
        linker.define_func("host", "fuel", wasmtime.FuncType([], [word]), fuel)
        exports = linker.instantiate(store, self._module).exports(store)
        memory, start = exports["memory"], exports["start"]
        try:
            start(store)
        except _Stopped:
            pass
        except wasmtime.Trap as trap:
            # Where a stack runs over, only the caller's place is known.
            places = (frame.module_offset for frame in trap.frames)
            place = next((place for place in places if place != NOWHERE), 0)
            host.said = f"fault at 0x{place:08x}\n{trap.message}"
        if host.code != 0:
            raise CheckFailed(describe(self._image, -1 if host.code is None else host.code, host.said))
        return bytes(host.replies)
