"""Modules written by hand: what they read, write, burn, and how they end."""

from types import SimpleNamespace

import pytest

from embbert.errors import CheckFailed
from embbert.verify.device.cores import CORES
from embbert.verify.elf import LinkedProgram, Symbol

wasmtime = pytest.importorskip("wasmtime", reason='needs wasmtime: pip install "embbert[emulate]"')

from embbert.verify.device.wasm import WasmCore  # noqa: E402 - needs it

# At 0: arguments of a write of 4 bytes at 64; at 16: of the end with code 0; at 32: of the end with code 6.
MODULE = r"""
(module
  (import "host" "semihosting" (func $host (param i32 i32) (result i32)))
  (import "host" "fuel" (func $fuel (result i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 0) "\02\00\00\00\40\00\00\00\04\00\00\00")
  (data (i32.const 16) "\26\00\02\00\00\00\00\00\00\00\00\00")
  (data (i32.const 32) "\26\00\02\00\06\00\00\00\00\00\00\00")
  (data (i32.const 48) "\01\00\00\00\40\00\00\00\04\00\00\00")
  (func $bad BAD)
  (func (export "start") BODY)
)
"""
READ = "(drop (call $host (i32.const 6) (i32.const 48)))"
WRITE = "(drop (call $host (i32.const 5) (i32.const 0)))"
BURNT = "(i32.store (i32.const 64) (call $fuel))"
WORK = "(i32.store (i32.const 128) (i32.add (i32.load (i32.const 128)) (i32.const 1)))"
END = "(drop (call $host (i32.const 32) (i32.const 16)))"
FAIL = "(drop (call $host (i32.const 32) (i32.const 32)))"


@pytest.fixture
def core(tmp_path):
    def make(body, bad="", **settings):
        path = tmp_path / "module.wasm"
        path.write_bytes(wasmtime.wat2wasm(MODULE.replace("BODY", body).replace("BAD", bad)))
        everything = Symbol("bad", 0, path.stat().st_size, ".code", True)
        linked = LinkedProgram(0, (), {}, (everything,))
        return WasmCore(SimpleNamespace(path=path, core=CORES["wasm32"], linked=linked), **settings)

    return make


def test_requests_are_read_and_replies_written_until_the_end(core):
    echo = core(READ + WRITE + END + "(unreachable)")
    assert echo.run(b"abcdef") == b"abcd"
    assert echo.run(b"ghijkl") == b"ghij", "every run starts anew"
    assert echo.version == "wasmtime " + wasmtime_version()


def wasmtime_version():
    from importlib.metadata import version

    return version("wasmtime")


def burnt(core, work):
    two = core(BURNT + WRITE + WORK * work + BURNT + WRITE + END).run(b"")
    first, second = (int.from_bytes(two[at : at + 4], "little") for at in (0, 4))
    return second - first


def test_fuel_is_one_per_operator_time_after_time(core):
    """Constant, constant, load, constant, addition, store."""
    none = burnt(core, 0)
    assert burnt(core, 0) == none > 0
    assert burnt(core, 1) - none == 6
    assert burnt(core, 10) - none == 60


def test_fuel_is_not_counted_unasked(core):
    assert core(BURNT + WRITE + END, counting=False).run(b"") == bytes(4)


@pytest.mark.parametrize(
    "bad",
    [
        "(unreachable)",
        "(i32.store (i32.const -4) (i32.const 1))",
        "(drop (i32.load (i32.const 65533)))",
        "(drop (i32.div_u (i32.const 1) (i32.load (i32.const 256))))",
        "(call $bad)",
    ],
    ids=["unreachable", "store", "load", "division", "recursion"],
)
def test_a_trap_is_told_with_its_function(core, bad):
    with pytest.raises(CheckFailed, match=r"^the model on WebAssembly faulted at 0x[0-9a-f]{8}, in bad$"):
        core("(call $bad)" + END, bad).run(b"")


def test_an_end_with_a_code_is_told(core):
    with pytest.raises(CheckFailed, match="stopped: a request is larger than the memory of the harness"):
        core(FAIL).run(b"")


def test_no_end_at_all_is_told(core):
    with pytest.raises(CheckFailed, match="stopped with exit code -1"):
        core(WRITE).run(b"")
