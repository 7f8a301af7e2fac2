"""Compilers are found, and their object files read."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.errors import CheckFailed, ToolMissingError
from embbert.verify.elf import _parse, _parse_image, is_elf, read_image, read_object
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
    with contextlib.suppress(struct.error, IndexError, ValueError):
        _parse_image(data)


def small_image():
    """A header, a segment of eight bytes at 0x10000000 and one function in it."""
    names = b"\0.code\0.symtab\0.strtab\0run\0"
    segment = struct.pack("<8I", 1, 84, 0x2000_0000, 0x1000_0000, 8, 8, 5, 4)
    code, symbols = bytes(range(8)), struct.pack("<IIIBBH", 0, 0, 0, 0, 0, 0)
    symbols += struct.pack("<IIIBBH", names.index(b"run"), 0x1000_0001, 6, 2, 0, 1)
    at = 84 + len(code)
    headers = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (names.index(b".code"), 1, 6, 0x1000_0000, 84, 8, 0, 0, 4, 0),
        (names.index(b".symtab"), 2, 0, 0, at, len(symbols), 3, 0, 4, 16),
        (names.index(b".strtab"), 3, 0, 0, at + len(symbols), len(names), 0, 0, 1, 0),
    ]
    table = at + len(symbols) + len(names)
    start = b"\x7fELF\x01\x01" + bytes(18) + struct.pack("<III", 0x1000_0001, 52, table)
    start += struct.pack("<IHHHHHH", 0, 52, 32, 1, 40, len(headers), 3)
    sections = b"".join(struct.pack("<10I", *header) for header in headers)
    return start + segment + code + symbols + names + sections


def test_an_image_is_read(tmp_path):
    path = tmp_path / "image.elf"
    path.write_bytes(small_image())
    image = read_image(path)
    assert image.entry == 0x1000_0001
    assert image.segments == ((0x1000_0000, bytes(range(8))),)
    assert image.sections == {".code": 8}
    assert [(one.name, one.size, one.section, one.function) for one in image.symbols] == [
        ("run", 6, ".code", True)
    ]
    assert image.function_at(0x1000_0004) == "run"
    assert image.function_at(0x1000_0006) is None
    path.write_bytes(small_image()[:-30])
    with pytest.raises(CheckFailed, match="not an image that can be read"):
        read_image(path)


def test_a_missing_compiler_names_the_line_that_installs_one(monkeypatch):
    both = r"no-such-cc was not found: run {2}apt-get install gcc libc6-dev {2}and choose gcc, or name a"
    with pytest.raises(ToolMissingError, match=both):
        find_compiler("no-such-cc")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissingError, match=r"clang was not found: run {2}apt-get install clang"):
        find_compiler("clang")
    with pytest.raises(ToolMissingError, match="a C compiler was not found"):
        find_compiler()


def test_found_compilers_say_what_they_are():
    assert find_compiler().command in CANDIDATES
    assert find_compiler("cc").version


def test_a_compiler_that_makes_nothing_is_no_compiler(tmp_path):
    with pytest.raises(CheckFailed, match=r"true reported no error but made no file a\.o"):
        find_compiler("true").compile([tmp_path / "a.c"], tmp_path / "a.o", ["-c"])


def test_folders_that_are_no_export_are_refused(tmp_path):
    with pytest.raises(CheckFailed, match="is not an export"):
        read_export(tmp_path)
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(CheckFailed, match="is not an export"):
        read_export(tmp_path)
