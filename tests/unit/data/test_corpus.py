"""Corpora: what becomes a document, in which order, and what is refused before anything is read."""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embbert.data import corpus_presets, open_corpus
from embbert.data.corpus_files import read_documents
from embbert.errors import DataError, MissingExtraError, UsageError


def documents(*sources: str, **options) -> list[str]:
    return list(open_corpus(sources, **options).documents())


def refusal(*sources: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        documents(*sources, **options)
    return str(caught.value)


def parquet(path, **columns) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return str(path)


# --- text files


def test_a_small_text_file_is_one_document(put):
    text = "One.\n\nTwo, über alles.\r\n"
    assert documents(put("a.txt", text), put("b.MD", "\ufeff# Title")) == [text, "# Title"]


def test_blank_documents_are_left_out(put):
    assert documents(put("a.txt", " \n\n"), put("b.txt", ""), put("c.txt", "x")) == ["x"]


@pytest.mark.parametrize("blank", ["\n\n", "\r\n\r\n"])
def test_a_large_file_is_cut_at_blank_lines(put, blank):
    paragraph = "A sentence of some length, é.\n" * 1000  # 31 kB
    path = put("large.txt", (paragraph.replace("\n", blank[: len(blank) // 2]) + blank) * 40)
    pieces = documents(path)
    assert len(pieces) == 14  # three paragraphs fit into 100 kB
    assert all(piece.endswith(blank) and piece.count(blank) == 3 for piece in pieces[:-1])
    assert "".join(pieces).encode() == Path(path).read_bytes()


@pytest.mark.parametrize(
    ("unit", "end"),
    [("A line of text.\n", ".\n"), ("word ", "word "), ("é", "é"), ("語", "語"), ("ab😀", "")],
)
def test_without_blank_lines_it_is_cut_at_line_ends_spaces_or_characters(put, unit, end):
    text = unit * (1_100_000 // len(unit.encode()))
    pieces = documents(put("large.txt", text))
    assert "".join(pieces) == text
    assert all(99_900 < len(piece.encode()) <= 100_000 for piece in pieces[:-1])
    assert all(piece.endswith(end) for piece in pieces)


def test_a_file_is_never_in_memory_as_a_whole(tmp_path):
    path = tmp_path / "large.txt"
    path.write_bytes(b"Some words in a line.\n" * 1_000_000)
    tracemalloc.start()
    assert sum(map(len, read_documents(path, "text"))) == 22_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20


@pytest.mark.parametrize("before", [0, 3, 1_200_000])
def test_bytes_that_are_no_text_are_named_with_line_and_offset(put, before):
    good = b"0123456\n" * (before // 8) + b"ok\n" * (before == 3)
    line, offset = good.count(b"\n") + 2, len(good) + 4
    path = put("a.txt", good + b"xy\nz\xffabc\n")
    fault = f"the text is not UTF-8: byte 0xFF at byte offset {offset}"
    assert refusal(path).startswith(f"{path}, row {line}: {fault}\n")
    path = put("a.txt", good + b"xy\nz\0abc\n")
    fault = f"a NUL byte stands at byte offset {offset}: this is a binary file, or UTF-16"
    assert refusal(path).startswith(f"{path}, row {line}: {fault}\n")
    with_mark = put("b.txt", b"\xef\xbb\xbfab\xff")
    assert refusal(with_mark).startswith(
        f"{with_mark}, row 1: the text is not UTF-8: byte 0xFF at byte offset 5"
    )


# --- JSONL and Parquet


def test_lines_of_jsonl_are_documents(put):
    content = '{"text": "a\\n\\nb"}\n\n{"text": null}\n{"text": " "}\r\n{"body": "x", "text": "c"}'
    assert documents(put("a.jsonl", content)) == ["a\n\nb", "c"]
    assert documents(put("b.jsonl", '{"body": "x"}'), column="body") == ["x"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"text": 3}', "column 'text' holds 3, not text"),
        ('{"texts": "a", "id": 1}', "there is no column 'text' (did you mean 'texts'?); it has texts, id"),
        ("{}", "there is no column 'text'; it has none"),
        ('["a"]', "this line holds ['a'], not an object"),
        ("{'text': 1}", "this line is not valid JSON: Expecting property name"),
        ("[" * 100_000, "this line is not valid JSON: it is nested too deeply"),
        ('{"text": "a", "text": "b"}', "the key 'text' occurs twice"),
        (r'{"text": "a\ud800"}', "column 'text' holds half a character (a lone surrogate, character 2)"),
        (b'{"text": "\xe9"}', "the text is not UTF-8: byte 0xE9 at byte offset 24"),
    ],
)
def test_malformed_lines_are_refused(put, line, fault):
    line = line if isinstance(line, bytes) else line.encode()
    path = put("a.jsonl", b'{"text": "a"}\n' + line + b"\n")
    assert refusal(path).startswith(f"{path}, row 2: {fault}")


def test_rows_of_parquet_are_documents(tmp_path):
    texts = [f"row {n}" for n in range(1000)]
    path = parquet(
        tmp_path / "a.parquet", text=[*texts, None, " "], body=pa.array(["b"] * 1002, pa.large_string())
    )
    assert documents(path) == texts
    assert documents(path, column="body") == ["b"] * 1002
    coded = parquet(tmp_path / "b.parquet", text=pa.array(["x", "y", "x"]).dictionary_encode())
    assert documents(coded) == ["x", "y", "x"]


def test_parquet_that_cannot_be_read_is_refused_before_anything_is_read(put, tmp_path):
    wrong = parquet(tmp_path / "wrong.parquet", text=[1, 2], texts=["a", "b"])
    assert f"{wrong}: column 'text' holds int64, not text" in opening(wrong)
    assert f"{wrong}: there is no column 'test' (did you mean 'text'?); it has text, texts" in opening(
        wrong, "test"
    )
    many = parquet(tmp_path / "many.parquet", **{f"c{number}": [1] for number in range(500)})
    assert opening(many).partition("\n")[0].endswith(", c19 and 480 more")
    named = tmp_path / "named.parquet"
    pq.write_table(pa.table({"text": ["a"], "caf_": ["x"]}), named, store_schema=False)
    named.write_bytes(named.read_bytes().replace(b"caf_", b"caf\xe9"))
    assert opening(str(named)).startswith(f"{named}: is not a Parquet file, or a damaged one: 'utf-8' codec")
    damaged = put("damaged.parquet", b"PAR1 not really")
    assert opening(damaged).startswith(f"{damaged}: is not a Parquet file, or a damaged one: ")


def opening(source: str, column: str = "text") -> str:
    with pytest.raises(DataError) as caught:
        open_corpus([source], column=column)
    assert caught.value.remedy
    return str(caught.value)


def test_damage_further_on_names_the_row(tmp_path):
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    path = parquet(tmp_path / "a.parquet", text=pa.chunked_array([["x"] * 300, bad]))
    assert refusal(path).startswith(f"{path}, row 302: is not a Parquet file, or a damaged one: ")


def test_without_pyarrow_the_install_line_is_named(tmp_path, monkeypatch):
    path = parquet(tmp_path / "a.parquet", text=["x"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'reading Parquet needs .* "embbert\[train\]"'):
        open_corpus([path])


# --- sources


def test_linked_folders_are_read_once_and_loops_end(tmp_path):
    for name in ("text/b.txt", "other/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "text" / "one").symlink_to(tmp_path / "other")
    (tmp_path / "text" / "two").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "loop").symlink_to(tmp_path / "text")
    assert documents(str(tmp_path / "text")) == ["text/b.txt", "other/a.txt"]


def test_models_in_a_folder_are_no_text(tmp_path):
    for name in ("a.txt", "model/README.md", "model/model.safetensors", "model/inside/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert documents(str(tmp_path)) == ["a.txt"]


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    assert "is no regular file, and the text is read more than once" in refusal(str(tmp_path / "a.txt"))


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string(), pa.null()])
def test_text_in_any_kind_of_column_is_read(tmp_path, kind):
    values = [None, None] if kind == pa.null() else ["a", None]
    expected = [] if kind == pa.null() else ["a"]
    assert documents(parquet(tmp_path / "a.parquet", text=pa.array(values, kind))) == expected


def test_a_folder_is_read_by_relative_path_and_without_hidden_files(tmp_path):
    for name in ("b.txt", "a/z.md", "a/b/c.jsonl", ".hidden.txt", "a/.git/x.txt", "a-b.txt", "notes.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"text": name}) if name.endswith("jsonl") else name)
    assert documents(str(tmp_path)) == ["a/b/c.jsonl", "a/z.md", "a-b.txt", "b.txt"]


def test_sources_are_read_in_the_order_given(put):
    paths = [put("b.txt", "1"), put("a.txt", "2")]
    corpus = open_corpus(paths)
    assert corpus.sources == tuple(paths)
    assert list(corpus.documents()) == list(corpus.documents()) == ["1", "2"]
    assert corpus.describe() == [{"source": path, "files": 1, "bytes": 1} for path in paths]


def test_what_is_not_there_is_refused(put, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put("text.txt", "x")
    (tmp_path / "empty").mkdir()
    assert "there is no such file (did you mean 'text.txt'?)" in opening("test.txt")
    assert "there is no such file or preset (did you mean 'bookcorpus'?)" in refusal("bookcorpsu")
    assert "there is no such file" in refusal("somewhere")
    assert "cannot tell the format from the ending '.pdf'; .txt, .md," in opening(put("a.pdf", "x"))
    assert "empty: the folder has no text in it; files that end in .txt, " in refusal("empty")
    for sources, words in (([], "name the text"), (["-"], "cannot be standard input")):
        with pytest.raises(UsageError, match=words):
            open_corpus(sources)


def test_an_unreadable_file_is_refused(put, monkeypatch):
    path = put("a.txt", "x")
    corpus = open_corpus([path])

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    assert opening(path) == f"{path}: cannot be read: Permission denied\n  Check its permissions."
    for read in (corpus.fingerprint, lambda: list(corpus.documents())):
        with pytest.raises(DataError, match="cannot be read: Permission denied"):
            read()


def test_a_folder_that_cannot_be_listed_is_refused(put, tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    (tmp_path / ".hidden").mkdir()
    put("a.txt", "x")
    listed = os.scandir

    closed: list[str] = []

    def denied(path):
        if Path(path).name in (*closed, ".hidden"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert documents(str(tmp_path)) == ["x"]
    for place in (tmp_path / "inner", tmp_path):
        closed.append(place.name)
        told = f"{place}: cannot be read: Permission denied\n  Check its permissions."
        assert opening(str(tmp_path)) == told


def test_a_source_that_cannot_be_looked_at_is_refused():
    name = "a" * 300
    assert opening(name) == f"{name}: cannot be read: File name too long\n  Check its permissions."


# --- fingerprints


def test_the_fingerprint_is_that_of_contents_and_order(put, tmp_path):
    (tmp_path / "sub").mkdir()
    a, b, same = put("a.txt", "1"), put("b.txt", "2"), put("sub/c.md", "1")
    prints = [
        open_corpus(sources).fingerprint()
        for sources in ([a], [same], [b], [a, b], [b, a], [same, b], [a, a])
    ]
    assert prints[0] == prints[1]
    assert prints[3] == prints[5]
    assert len(set(prints)) == 5
    assert len(prints[0]) == 64


def test_the_fingerprint_tells_formats_and_columns_apart(put):
    content = '{"text": "a", "body": "a"}'
    prints = {
        open_corpus([put(name, content)], column=column).fingerprint()
        for name, column in (("a.txt", "text"), ("a.jsonl", "text"), ("a.jsonl", "body"))
    }
    assert len(prints) == 3
    first, second = (open_corpus([put("a.txt", "1")], column=column) for column in ("text", "body"))
    assert first.fingerprint() == second.fingerprint()  # plain text has no columns


# --- the hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in for `datasets`: `rows` are streamed (exceptions raised), `calls` are what was asked."""
    module = ModuleType("datasets")
    module.calls, module.rows, module.bars = [], [], True

    def stream():
        for row in module.rows:
            if isinstance(row, Exception):
                raise row
            yield row

    def load_dataset(*names: str, **options):
        module.calls.append((*names, options))
        return stream()

    module.load_dataset = load_dataset
    module.disable_progress_bars = lambda: setattr(module, "bars", False)
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.delenv("EMBBERT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return module


def test_hub_rows_are_streamed(hub):
    corpus = open_corpus(["me/prose/part"], split="validation", column="body")
    assert hub.calls == []
    hub.rows = [{"body": "a"}, {"body": None}, {"body": ""}, {"body": "b"}]
    assert list(corpus.documents()) == ["a", "b"]
    options = {"split": "validation", "revision": None, "streaming": True}
    assert hub.calls == [("me/prose", "part", options)]
    assert not hub.bars
    assert corpus.describe() == [
        {"source": "me/prose/part", "hub": "me/prose/part", "split": "validation", "revision": None}
    ]


def test_a_preset_knows_its_columns_and_joins_its_rows(hub):
    hub.rows = [{"text": f"line {n}"} for n in range(1100)]
    corpus = open_corpus(["bookcorpus"], column="other", split="other")
    joined = list(corpus.documents())
    assert [text.count("\n") + 1 for text in joined] == [512, 512, 76]
    assert "\n".join(joined).split("\n") == [f"line {n}" for n in range(1100)]
    options = {"split": "train", "revision": "refs/convert/parquet", "streaming": True}
    assert hub.calls == [("bookcorpus/bookcorpus", options)]
    assert corpus.sources == corpus_presets() == ("bookcorpus",)


def test_the_mirror_goes_first(hub, monkeypatch, tmp_path):
    mirror = tmp_path / "mirror"
    parquet(mirror / "me/one/train.parquet", text=["a"])
    parquet(mirror / "me/many/train-00001-of-00002.parquet", text=["c"])
    parquet(mirror / "me/many/train-00000-of-00002.parquet", text=["b"])
    parquet(mirror / "me/many/part/test.parquet", text=["d"])
    parquet(mirror / "bookcorpus/bookcorpus/train.parquet", text=[str(n) for n in range(600)])
    monkeypatch.setenv("EMBBERT_DATA", str(mirror))
    assert documents("me/one", "me/many") == ["a", "b", "c"]
    assert documents("me/many/part", split="test") == ["d"]
    parquet(mirror / "dair-ai/emotion/split/train-00000-of-00001.parquet", text=["f"])
    assert documents("dair-ai/emotion") == ["f"]
    assert [text.count("\n") for text in documents("bookcorpus")] == [511, 87]
    assert hub.calls == []
    hub.rows = [{"text": "e"}]
    assert documents("me/many", split="test") == ["e"]
    monkeypatch.setenv("EMBBERT_DATA", str(mirror / "gone"))
    with pytest.raises(UsageError, match="which is no folder: correct it or unset it"):
        open_corpus(["me/one"])


def test_whatever_the_hub_raises_becomes_a_message(hub, monkeypatch):
    hub.rows = [ConnectionError("no route\nmore")]
    assert refusal("me/prose") == (
        "me/prose:train: is neither here nor under EMBBERT_DATA (not set), "
        "and the hub did not give it: no route\n"
        "  Check the name and the network, or put me/prose/train.parquet into a folder "
        "that the environment variable EMBBERT_DATA names."
    )
    hub.rows = [{"text": "a"}, ConnectionError()]
    assert refusal("me/prose").startswith(
        "me/prose:train, row 2: the hub stopped after 1 rows: ConnectionError\n"
    )
    hub.rows = [{"text": "a"}, {"body": "b"}]
    assert refusal("me/prose").startswith("me/prose:train, row 2: there is no column 'text'; it has body\n")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r'me/prose:train is not here; .* "embbert\[train\]"'):
        documents("me/prose")


def test_the_fingerprint_of_the_hub_needs_no_hub(hub):
    sources = [
        ("me/a", "train"),
        ("me/b", "train"),
        ("me/a/part", "train"),
        ("me/a", "test"),
        ("bookcorpus", "x"),
    ]
    prints = {open_corpus([source], split=split).fingerprint() for source, split in sources}
    assert len(prints) == 5
    assert hub.calls == []


def test_a_folder_here_goes_before_the_hub(hub, tmp_path):
    (tmp_path / "me" / "prose").mkdir(parents=True)
    (tmp_path / "me" / "prose" / "a.txt").write_text("here")
    assert documents("me/prose") == ["here"]


@settings(max_examples=50)
@given(content=st.binary(max_size=60), ending=st.sampled_from([".txt", ".jsonl", ".parquet"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, ending):
    path = tmp_path_factory.mktemp("any") / f"a{ending}"
    path.write_bytes(content)
    try:
        found = documents(str(path))
    except DataError:
        return
    assert all(text.strip() for text in found)
    assert ending != ".parquet"
