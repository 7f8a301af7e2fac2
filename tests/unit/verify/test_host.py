"""What is refused before anything is compiled."""

import shutil
from types import SimpleNamespace

import pytest

import faults
import folders
from embbert.emit.c99 import export_c
from embbert.errors import CheckFailed, UsageError
from embbert.quant.plan_io import load_plan
from embbert.verify.device import check
from embbert.verify.device.check import DeviceCheck
from embbert.verify.host import check_export, read_export, wrong_files
from embbert.verify.program import Program
from embbert.verify.toolchain import Compiler


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(folder, plan, path of an export with its weights in a file) of a small classifier."""
    place = tmp_path_factory.mktemp("host")
    folder = folders.small_folder(place / "model")
    plan = load_plan(folder)
    export_c(folder, plan, place / "c", weights="blob")
    return folder, plan, place / "c"


@pytest.fixture
def export(whole, tmp_path):
    """A copy of the export, to be damaged."""
    return shutil.copytree(whole[2], tmp_path / "c")


def files(path):
    report, export = read_export(path)
    return wrong_files(export, report)


def test_nothing_to_compare_proves_nothing(whole, monkeypatch):
    folder, plan, path = whole
    with pytest.raises(UsageError, match="there is no text to compare the C with"):
        check_export(path, plan, folder.tokenizer, [])
    monkeypatch.setattr(check, "find_tools", lambda *_: SimpleNamespace())
    with pytest.raises(UsageError, match="there is no text to compare the C with"):
        DeviceCheck(folder, plan, path, "cortex-m4").check([], given=0)


@pytest.mark.parametrize("name", ["model_self_test.c", "embbert_math.h", "README.md", "model_weights.bin"])
def test_a_missing_file_is_named(export, name):
    (export / name).unlink()
    with pytest.raises(CheckFailed, match=f"lacks {name}, which its report lists"):
        files(export)


def test_files_that_are_not_those_of_the_report_are_named(export):
    assert files(export) == []
    text = (export / "model.h").read_bytes()
    (export / "model.h").write_bytes(text.replace(b"\n", b"\r\n"))
    assert files(export) == []
    (export / "model.h").write_bytes(text + b"\n")
    (export / "more.c").write_text("")
    assert files(export) == [
        "more.c is compiled, but the report does not list it",
        "model.h is not the file that the report lists: its sha256 differs",
    ]
    faults.sign(export / "model.h")
    faults.sign(export / "more.c")
    assert files(export) == []


def test_a_program_that_cannot_run_here_is_no_traceback(export, tmp_path):
    """As a cross compiler makes it."""
    cross = tmp_path / "cross"
    script = '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nprintf "\\177ELF none" > "$2"; chmod +x "$2"\n'
    cross.write_text(script)
    cross.chmod(0o755)
    program = Program(read_export(export)[1], Compiler(str(cross), "cross"), tmp_path, [])
    with pytest.raises(CheckFailed, match="what the compiler made does not run here"):
        list(program.ask([SimpleNamespace(request=lambda: b"")]))
