"""Compilers are found, and their object files read."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.errors import CheckFailed, ToolMissingError
from embbert.verify.elf import _parse, is_elf, read_object
from embbert.verify.host import read_export
from embbert.verify.toolchain import CANDIDATES, find_compiler

SOURCE = """
int outside(int x);
static const short table[10] = {1, 2};
static int counter;
int initialised = 3;
int inside(int x) { return outside(x) + table[x] + counter++ + initialised; }
"""


@pytest.fixture
def compiled(tmp_path):
    (tmp_path / "a.c").write_text(SOURCE)
    find_compiler().compile([tmp_path / "a.c"], tmp_path / "a.o", ["-c", "-O1", "-fno-pie"])
    return tmp_path / "a.o"


def test_sections_and_symbols_are_read(compiled):
    found = read_object(compiled)
    assert is_elf(compiled)
    assert found.undefined == {"outside"}
    assert found.objects["table"] == 20
    assert found.objects["initialised"] == 4
    assert found.sections[".data"] == 4
    assert found.sections[".bss"] == 4
    assert found.sections[".text"] > 0


def test_damaged_objects_are_refused_without_a_traceback(compiled):
    data = compiled.read_bytes()
    compiled.write_bytes(data[:100])
    with pytest.raises(CheckFailed, match="not an object file that can be read"):
        read_object(compiled)
    compiled.write_bytes(b"text")
    assert not is_elf(compiled)


@given(st.binary(min_size=6, max_size=200))
def test_any_bytes_fail_in_a_known_way(data):
    with contextlib.suppress(struct.error, IndexError, ValueError):
        _parse(data)


def test_a_missing_compiler_names_the_line_that_installs_one(monkeypatch):
    with pytest.raises(ToolMissingError, match=r"no-such-cc was not found: run {2}apt-get install gcc"):
        find_compiler("no-such-cc")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissingError, match="a C compiler was not found"):
        find_compiler()


def test_found_compilers_say_what_they_are():
    assert find_compiler().command in CANDIDATES
    assert find_compiler("cc").version


def test_folders_that_are_no_export_are_refused(tmp_path):
    with pytest.raises(CheckFailed, match="is not an export"):
        read_export(tmp_path)
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(CheckFailed, match="is not an export"):
        read_export(tmp_path)
