"""An emulator that fails is told from a model that does."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from embbert.errors import CheckFailed
from embbert.verify.device.cores import CORES
from embbert.verify.device.image import Image
from embbert.verify.device.program import DeviceProgram
from embbert.verify.elf import LinkedProgram
from embbert.verify.program import Question


def program(monkeypatch, tmp_path, script):
    """An image on an emulator that does what the script says."""
    emulator = tmp_path / "qemu-system-arm"
    emulator.write_text(f"#!/bin/sh\n{script}\n")
    emulator.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(tmp_path)  # where it is asked for its version, and does what the script says too
    tools = SimpleNamespace(emulator="qemu")
    linked = LinkedProgram(0, (), {}, ())
    return DeviceProgram(Image(Path("image.elf"), CORES["cortex-m4"], tools, linked))


@pytest.mark.parametrize("script", ["exit 0", ": > replies"])
def test_an_emulator_without_replies_is_noticed(monkeypatch, tmp_path, script):
    with pytest.raises(CheckFailed, match="the program ended after 0 of 2 texts"):
        list(program(monkeypatch, tmp_path, script).ask([Question("a"), Question("b")]))


def test_an_emulator_with_too_few_replies_is_noticed(monkeypatch, tmp_path):
    replies = program(monkeypatch, tmp_path, r"printf 'E\0\0\0\0' > replies").ask([Question("a")] * 3)
    assert next(replies).status == 0
    with pytest.raises(CheckFailed, match="the program ended after 1 of 3 texts"):
        next(replies)
