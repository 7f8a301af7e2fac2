from __future__ import annotations

import codecs
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.data.decode import decode
from embbert.data.readers import read_examples
from embbert.errors import DataError


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_latin1_is_refused_with_line_and_offset(refused, end):
    content = b"text,label" + end + b"ok,x" + end + b"caf\xe9,y" + end
    message = refused("a.csv", content, row=3)
    assert f"the text is not UTF-8: byte 0xE9 at byte offset {content.index(0xE9)}" in message
    assert re.search(r"iconv -f cp1252 -t utf-8 (/.*/)a\.csv > \1utf8-a\.csv$", message)


def test_the_offset_counts_the_byte_order_mark(refused):
    assert "byte offset 5" in refused("a.jsonl", codecs.BOM_UTF8 + b"ab\xff", row=1)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-16", "UTF-16"), ("utf-32", "UTF-32")],
)
def test_other_unicode_encodings_are_named(refused, encoding, name):
    message = refused("a.csv", "text,label\na,x\n".encode(encoding))
    assert f"the file is {name}, not UTF-8" in message
    assert re.search(rf"iconv -f {encoding} -t utf-8 /.*/a\.csv > ", message)


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE])
def test_both_byte_orders_are_named(mark):
    with pytest.raises(DataError, match="the file is UTF-16, not UTF-8"):
        decode(mark + b"\0a", "x")


def test_a_nul_byte_is_refused(refused):
    message = refused("a.csv", "text,label\na,x\nb\0,y\n", row=3)
    assert "a NUL byte stands at byte offset 16" in message
    assert "iconv -f utf-16 -t utf-8" in message


@given(st.binary(max_size=40))
def test_any_bytes_are_text_or_refused_where_python_refuses_them(data):
    try:
        expected = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = data.index(data[error.start :], error.start)
        with pytest.raises(DataError) as caught:
            decode(data, "x")
        if b"\0" not in data and not data.startswith(
            (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)
        ):
            assert f"byte offset {start}" in str(caught.value)
    else:
        if b"\0" in data:
            with pytest.raises(DataError, match="NUL"):
                decode(data, "x")
        else:
            assert decode(data, "x") == expected


def test_the_line_that_converts_runs_as_it_stands(tmp_path):
    folder = tmp_path / "my data; $HOME"
    folder.mkdir()
    path = folder / "it's a.csv"
    path.write_bytes(b"text,label\ncaf\xe9 isn\x92t \x80 5,x\n")
    with pytest.raises(DataError) as caught:
        read_examples(str(path))
    line = caught.value.remedy.removeprefix("If it is Windows-1252 or Latin-1:  ")
    subprocess.run(line, shell=True, check=True, cwd=tmp_path)
    assert read_examples(str(folder / "utf8-it's a.csv")).texts == ("café isn’t € 5",)


def test_standard_input_is_converted_into_a_file():
    with pytest.raises(
        DataError, match="stdin, row 2: the text is not UTF-8: byte 0xE9 at byte offset 2"
    ) as caught:
        decode(b"a\n\xe9\n", "stdin")
    assert (
        caught.value.remedy == "If it is Windows-1252 or Latin-1:  iconv -f cp1252 -t utf-8 FILE > utf8-FILE"
    )


def test_a_missing_file_names_the_nearest(put, tmp_path):
    put("reviews.csv", "text,label\na,x\n")
    with pytest.raises(
        DataError, match=r"review\.csv: there is no such file \(did you mean 'reviews\.csv'\?\)"
    ):
        read_examples(str(tmp_path / "review.csv"))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=f"there is no folder {tmp_path}/no\n  Check the path"):
        read_examples(str(tmp_path / "no" / "a.csv"))


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match=r"a\.csv: is a folder, not a file\n  Name a file inside it"):
        read_examples(str(tmp_path / "a.csv"))


def test_an_unreadable_file_is_refused(put, monkeypatch):
    def fail(self):
        raise PermissionError(13, "Permission denied")

    path = put("a.csv", "text,label\na,x\n")
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(
        DataError, match=r"a\.csv: cannot be read: Permission denied\n  Check its permissions"
    ):
        read_examples(path)


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        read_examples(str(tmp_path / ("a" * 300 + ".csv")))
