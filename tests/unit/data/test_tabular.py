from __future__ import annotations

import sys
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embbert.data.readers import read_examples
from embbert.errors import DataError, MissingExtraError


@pytest.fixture
def parquet(tmp_path):
    def write(**columns) -> str:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table(columns), path)
        return str(path)

    return write


def refusal(path: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_examples(path, **options)
    assert caught.value.remedy
    return str(caught.value).removeprefix(path)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(["x", "y"]), ("x", "y")),
        (pa.array(["x", "y"], pa.large_string()), ("x", "y")),
        (pa.array(["x", "y"]).dictionary_encode(), ("x", "y")),
        (pa.array([0, -3], pa.int8()), ("0", "-3")),
        (pa.array([0, 2**64 - 1], pa.uint64()), ("0", "18446744073709551615")),
        (pa.array([True, False]), ("true", "false")),
        (pa.array([1.0, 3.0]), ("1", "3")),
        (pa.array([Decimal("-1.00"), Decimal(3)]), ("-1", "3")),
    ],
)
def test_labels_of_every_type_are_read(parquet, labels, names):
    examples = read_examples(parquet(text=[" a\n", "é"], label=labels, other=[[1], [2]]))
    assert (examples.texts, examples.targets, examples.rows) == ((" a\n", "é"), names, (1, 2))


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int64(), pa.decimal128(5, 2)])
def test_scores_of_every_type_are_read(parquet, kind):
    path = parquet(sentence1=["a", "b"], sentence2=["c", "d"], label=pa.array([4, 0], kind))
    examples = read_examples(path, task="regress")
    assert (examples.texts, examples.pairs, examples.targets) == (("a", "b"), ("c", "d"), (4.0, 0.0))


@pytest.mark.parametrize(
    ("texts", "labels", "task", "fault"),
    [
        (["a", None], ["x", "y"], "classify", ", row 2: column 'text' has no text"),
        (["a", " "], ["x", "y"], "classify", ", row 2: column 'text' holds an empty text"),
        ([1, 2], ["x", "y"], "classify", ", row 1: column 'text' holds a number (1), not text"),
        (["a", "b"], ["x", None], "classify", ", row 2: column 'label' has no label"),
        (["a", "b"], [1.0, None], "classify", ", row 2: column 'label' has no label"),
        (["a", "b"], [1.0, 2.5], "classify", ", row 2: column 'label' holds 2.5, and a class is"),
        (["a", "b"], [Decimal(1), Decimal("2.5")], "classify", ", row 2: column 'label' holds 2.5, and"),
        ([Decimal(1)], ["x"], "classify", ", row 1: column 'text' holds a number (1), not text"),
        (["a", "b"], [[1], [2]], "classify", ", row 1: column 'label' holds a list ([1]), not a label"),
        (["a", "b"], [1.0, float("nan")], "regress", ", row 2: the target in column 'label' is NaN"),
        (["a", "b"], [1.0, None], "regress", ", row 2: column 'label' has no target"),
        (["a", "b"], ["1", "good"], "regress", ", row 2: column 'label' holds 'good', not a number"),
        (pa.array([], pa.string()), pa.array([], pa.string()), "classify", ": there are no rows"),
    ],
)
def test_unusable_rows_are_refused(parquet, texts, labels, task, fault):
    assert refusal(parquet(text=texts, label=labels), task=task).startswith(fault)


def test_texts_that_are_not_utf8_are_refused_with_their_row(parquet):
    texts = pa.array([b"a", b"\xff"]).view(pa.string())
    message = refusal(parquet(text=texts, label=["x", "y"]))
    assert message.startswith(", row 2: column 'text' cannot be read: 'utf-8' codec can't decode byte 0xff")


def test_names_that_are_not_utf8_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "caf_": ["x"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"caf_", b"caf\xe9"))
    assert refusal(str(path)).startswith(
        ": is not a Parquet file, or a damaged one: 'utf-8' codec can't decode"
    )


def test_names_that_differ_in_case_are_told_apart(parquet):
    assert read_examples(parquet(text=["a"], Text=["b"], label=["x"])).texts == ("a",)


@pytest.mark.parametrize("content", [b"", b"text,label\na,x\n", b"PAR1" + b"\0" * 50 + b"PAR1"])
def test_what_is_not_parquet_is_refused(put, content):
    assert refusal(put("a.parquet", content)).startswith(": is not a Parquet file, or a damaged one: ")


def test_a_truncated_file_is_refused(parquet, put):
    path = parquet(text=["a"] * 100, label=["x"] * 100)
    with open(path, "rb") as file:  # noqa: PTH123
        content = file.read()
    for length in range(0, len(content), 37):
        assert "not a Parquet file, or a damaged one" in refusal(put("b.parquet", content[:length]))


def test_a_missing_file_is_refused(tmp_path):
    assert ": there is no such file\n  Check the path" in refusal(str(tmp_path / "a.parquet"))


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, names=["text", "text"]), path)
    assert "two columns are called 'text'" in refusal(str(path))


def test_folder_names_are_no_columns(tmp_path):
    folder = tmp_path / "label=x"
    folder.mkdir()
    pq.write_table(pa.table({"text": ["a"], "kind": ["y"]}), folder / "a.parquet")
    assert read_examples(str(folder / "a.parquet")).targets == ("y",)


def test_damage_without_a_message_has_a_name(put, monkeypatch):
    def fail(path):
        raise OSError

    monkeypatch.setattr(pq, "ParquetFile", fail)
    assert "not a Parquet file, or a damaged one: OSError\n" in refusal(put("a.parquet", b"x"))


def test_without_pyarrow_the_install_line_is_named(parquet, monkeypatch):
    path = parquet(text=["a"], label=["x"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError) as caught:
        read_examples(path)
    assert str(caught.value) == 'reading Parquet needs more packages: run  pip install "embbert[train]"'
