"""Cores and tool sets are found, and what is missing is named with the line that installs it."""

import importlib.util
import shutil

import pytest

from embbert.errors import MissingExtraError, ToolMissingError, UsageError
from embbert.verify.device import tools
from embbert.verify.device.cores import CORES, find_core
from embbert.verify.device.linker import linker_script


@pytest.fixture
def installed(monkeypatch):
    """Let exactly these programs and modules be there."""

    def only(*names):
        monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in names else None)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in names else None)
        monkeypatch.setattr(tools, "version_of", lambda command, arguments=(): " ".join(command))

    return only


def test_unknown_cores_and_tools_name_what_exists():
    with pytest.raises(UsageError, match="cannot verify on 'mars'; there are: host, cortex-m3, cortex-m4"):
        find_core("mars")
    with pytest.raises(UsageError, match="there are: gcc, zig"):
        tools.find_tools(CORES["cortex-m4"], "tcc")


def test_the_first_tool_set_that_is_complete_is_taken(installed):
    installed("arm-none-eabi-gcc", "qemu-system-arm", "ziglang", "unicorn")
    found = tools.find_tools(CORES["cortex-m4"])
    assert (found.compiler, found.emulator) == ("gcc", "qemu")
    assert {"-mthumb", "-mcpu=cortex-m4", "-fno-schedule-insns"} <= set(found.command)
    installed("arm-none-eabi-gcc", "ziglang", "unicorn")
    found = tools.find_tools(CORES["cortex-m4"])
    assert (found.compiler, found.emulator) == ("zig", "unicorn")
    assert "-mcpu=cortex_m4" in found.command


def test_nothing_installed_names_both_ways(installed):
    installed()
    with pytest.raises(ToolMissingError) as caught:
        tools.find_tools(CORES["cortex-m3"])
    assert str(caught.value) == (
        "arm-none-eabi-gcc and qemu-system-arm was not found: run  "
        "apt-get install gcc-arm-none-eabi qemu-system-arm\n"
        '  or, without root, run  pip install "embbert[emulate]"'
    )


@pytest.mark.parametrize(
    ("core", "there", "line"),
    [
        ("cortex-m4", (), "arm-none-eabi-gcc was not found: run  apt-get install gcc-arm-none-eabi"),
        ("cortex-m4", ("arm-none-eabi-gcc",), "run  apt-get install qemu-system-arm"),
        ("rv32imac", ("riscv64-unknown-elf-gcc",), "run  apt-get install qemu-system-misc"),
    ],
)
def test_a_missing_program_is_named(installed, core, there, line):
    installed(*there)
    with pytest.raises(ToolMissingError) as caught:
        tools.find_tools(CORES[core], "gcc")
    assert line in str(caught.value)


def test_a_missing_package_is_named(installed):
    installed("ziglang")
    with pytest.raises(MissingExtraError, match=r'run {2}pip install "embbert\[emulate\]"'):
        tools.find_tools(CORES["cortex-m4"], "zig")


def test_vectors_need_qemu_since_unicorn_has_none(installed):
    installed("ziglang", "unicorn")
    with pytest.raises(ToolMissingError, match="unicorn has no Cortex-M55; qemu-system-arm was not found"):
        tools.find_tools(CORES["cortex-m55"], "zig")
    installed("ziglang", "unicorn", "qemu-system-arm")
    found = tools.find_tools(CORES["cortex-m55"])
    assert (found.compiler, found.emulator) == ("zig", "qemu")
    assert "-mcpu=cortex_m55+mve" in found.command


def test_webassembly_takes_zig_and_wasmtime(installed):
    installed("arm-none-eabi-gcc", "qemu-system-arm", "ziglang", "wasmtime")
    for name in (None, "zig"):
        found = tools.find_tools(CORES["wasm32"], name)
        assert (found.compiler, found.emulator) == ("zig", "wasmtime")
        assert "wasm32-freestanding" in found.command
    with pytest.raises(
        UsageError, match="GCC makes no WebAssembly: run without --tools, or with --tools zig"
    ):
        tools.find_tools(CORES["wasm32"], "gcc")
    with pytest.raises(UsageError, match="there are: gcc, zig"):
        tools.find_tools(CORES["wasm32"], "tcc")


@pytest.mark.parametrize("there", [(), ("ziglang", "unicorn"), ("wasmtime", "unicorn")])
def test_webassembly_names_the_packages_that_it_lacks(installed, there):
    installed(*there)
    with pytest.raises(MissingExtraError) as caught:
        tools.find_tools(CORES["wasm32"])
    assert str(caught.value) == (
        "running on WebAssembly with zig and wasmtime needs more packages: run  "
        'pip install "embbert[emulate]"'
    )


def test_counters_lose_no_instruction():
    assert all(core.counter.ticks_per_instruction >= 1 for core in CORES.values())
    assert {core.name for core in CORES.values() if core.counter.counts == "fuel"} == {"wasm32"}


def test_the_linker_script_keeps_harness_and_model_apart():
    script = linker_script(CORES["cortex-m55"], "door", ["/door.o"], 1 << 20, 1 << 19)
    assert "FLASH (rx) : ORIGIN = 0x1000000, LENGTH = 0x100000" in script
    assert "VECTORS (rx) : ORIGIN = 0x0" in script
    assert "*door_weights.o(.rodata* .srodata*)" in script
    assert "KEEP(*/door.o(.text* .rodata* .srodata*))" in script
    assert "VECTORS (rx)" not in linker_script(CORES["cortex-m4"], "door", [], 1 << 20, 1 << 19)
