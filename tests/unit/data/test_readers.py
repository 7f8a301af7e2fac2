from __future__ import annotations

import io
import subprocess
import sys

import pytest

from embbert.data import Columns, label_names
from embbert.data.readers import read_examples
from embbert.errors import DataError


@pytest.fixture
def pipe(monkeypatch):
    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))

    return put


def test_a_dash_is_csv_on_standard_input(pipe):
    pipe("text,label\ncafé,x\n".encode())
    examples = read_examples("-")
    assert (examples.texts, examples.targets, examples.source) == (("café",), ("x",), "stdin")


def test_standard_input_is_refused_by_its_name(pipe):
    pipe(b"text,label\na\n")
    with pytest.raises(DataError, match="stdin, row 2: this row has 1 field"):
        read_examples("-")


def test_home_is_the_set_that_comes_with_the_package():
    train, test = read_examples("home"), read_examples("home", split="test")
    assert (train.source, test.source) == ("home:train", "home:test")
    assert label_names(train) == label_names(test)
    assert not set(train.texts) & set(test.texts)


def test_home_has_two_splits():
    with pytest.raises(
        DataError, match="home: the home set has no validation split\n  It has train and test"
    ):
        read_examples("home", split="validation")


def test_a_file_called_home_has_to_be_a_path(put, tmp_path, monkeypatch):
    put("home", "text,label\na,x\n")
    monkeypatch.chdir(tmp_path)
    assert read_examples("home").source == "home:train"
    with pytest.raises(DataError, match=r"\./home: cannot tell the format from the ending ''"):
        read_examples("./home")


@pytest.mark.parametrize("name", ["a.CSV", "b.Tsv", "c.JSONL"])
def test_endings_are_read_in_any_case(read, name):
    content = {"a": "text,label\na,x\n", "b": "text\tlabel\na\tx\n", "c": '{"text": "a", "label": "x"}'}
    assert read(name, content[name[0]]).texts == ("a",)


def test_a_path_of_two_names_is_no_hub_id(put, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    put("data/a.csv", "text,label\na,x\n")
    monkeypatch.chdir(tmp_path)
    assert read_examples("data/a.csv").texts == ("a",)
    with pytest.raises(DataError, match=r"data/b\.csv: there is no such file \(did you mean 'a\.csv'\?\)"):
        read_examples("data/b.csv")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("a.json", "jq -c '.[]' FILE"),
        ("a.xlsx", "Save it as CSV in UTF-8."),
        ("a.txt", "Name its columns in the first line"),
        ("a.csv.gz", "Unpack it first."),
        ("a.dat", "pipe CSV in and give - instead"),
        ("a", "pipe CSV in and give - instead"),
    ],
)
def test_other_formats_are_refused(refused, name, remedy):
    message = refused(name, "text,label\na,x\n")
    assert message.startswith("cannot tell the format from the ending '")
    assert ".csv, .tsv, .jsonl, .parquet are read" in message
    assert remedy in message


@pytest.mark.parametrize("name", ["a.json", "reviews", "../a/b", "a/b/c/d", "./a/b", "/a/b"])
def test_what_is_not_there_and_no_hub_id_is_a_missing_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r": there is no such file|: there is no folder"):
        read_examples(name)


def test_a_path_that_cannot_be_looked_at_is_no_hub_id(monkeypatch):
    def denied(self, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.stat", denied)
    with pytest.raises(DataError, match=r"^me/mine: cannot be read: Permission denied"):
        read_examples("me/mine")


def test_the_split_of_a_file_is_the_file(read):
    assert read("a.csv", "text,label\na,x\n", split="test").texts == ("a",)


def test_texts_are_read_without_labels(read):
    examples = read("a.csv", "text\na\nb\n", labelled=False)
    assert (examples.texts, examples.targets) == (("a", "b"), None)
    assert read("b.csv", "text,label\na,\n", labelled=False).targets is None


def test_regression_is_read(read):
    examples = read("a.csv", "text,rating\na,1\nb,-2.5\n", task="regress")
    assert (examples.targets, examples.task) == ((1.0, -2.5), "regress")


@pytest.mark.parametrize(
    ("content", "task", "row", "fault"),
    [
        ("text,label\na,x\n ,y\n", "classify", 3, "column 'text' holds an empty text"),
        ("text,label\na,x\nb,\n", "classify", 3, "column 'label' has no label"),
        ("text,label\na,1\nb,nan\n", "regress", 3, "the target in column 'label' is NaN"),
        ("text,label\na,1\nb,x\n", "regress", 3, "column 'label' holds 'x', not a number"),
        ("sentence1,sentence2,label\na,b,x\nc,,y\n", "classify", 3, "column 'sentence2' holds an empty text"),
    ],
)
def test_unusable_rows_are_refused_with_line_column_and_remedy(refused, content, task, row, fault):
    assert refused("a.csv", content, task=task, row=row).startswith(fault)


def test_a_missing_column_is_refused(refused):
    message = refused("a.csv", "text,label\na,x\n", Columns(text="texts"))
    assert message.startswith(
        "no column is called 'texts' (did you mean 'text'?); columns: 'text', 'label'\n"
    )


def test_reading_loads_nothing_heavy(put):
    path = put("a.csv", "text,label\na,x\n")
    code = (
        "import sys; from embbert.data import read_examples; read_examples(sys.argv[1]);"
        "print(sorted({'torch', 'pyarrow', 'datasets', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
