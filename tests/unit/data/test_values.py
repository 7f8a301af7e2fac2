from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.data.table import Table
from embbert.data.values import labels_of, scores_of, texts_of
from embbert.errors import DataError


def column(*values: object, hidden_label: int | None = None, whole: bool = False) -> Table:
    return Table("a", ("c",), range(5, 5 + len(values)), lambda name: values, whole, hidden_label)


def fault(convert, table: Table) -> tuple[int | None, str, str | None]:
    with pytest.raises(DataError) as caught:
        convert(table, "c")
    return caught.value.row, str(caught.value), caught.value.remedy


def test_texts_are_kept_exactly():
    texts = (" a\t", "b\n", "\u00a0c", "🙂", "\x00d", "e\u0301")
    assert texts_of(column(*texts), "c") == texts


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u00a0\u2003"])
def test_blank_texts_are_refused(blank):
    row, message, remedy = fault(texts_of, column("a", blank))
    assert (row, remedy) == (6, "Write the text, or delete the row.")
    assert "a, row 6: column 'c' holds an empty text" in message


def test_labels_become_names():
    assert labels_of(column("x", " y ", 3, -4, True, False), "c") == ("x", "y", "3", "-4", "true", "false")


def test_whole_floats_are_integers_only_where_the_source_writes_integers_so():
    assert labels_of(column(0.0, 2.0, -1.0, whole=True), "c") == ("0", "2", "-1")
    assert fault(labels_of, column("x", 2.0))[0] == 6
    row, message, remedy = fault(labels_of, column(0.0, 2.5, whole=True))
    assert (row, "holds 2.5, and a class is a word or a whole number" in message) == (6, True)
    assert remedy.startswith("Give --regress")


@pytest.mark.parametrize("value", ["4.5", "3.0", "1e3", "-.5"])
def test_decimal_strings_are_kept_for_whoever_knows_the_other_classes(value):
    assert labels_of(column("1", value, "v2"), "c") == ("1", value, "v2")
    assert labels_of(column("1", value, "2"), "c") == ("1", value, "2")


@pytest.mark.parametrize("missing", ["", "  ", None, float("nan")])
def test_missing_labels_are_refused(missing):
    row, message, remedy = fault(labels_of, column("x", missing, whole=True))
    assert (row, "column 'c' has no label" in message) == (6, True)
    assert remedy == "Write the label, or delete the row."


def test_other_kinds_are_no_labels():
    assert "holds a list (['x']), not a label" in fault(labels_of, column(["x"]))[1]
    assert "holds a bytes (b'x'), not a label" in fault(labels_of, column(b"x"))[1]
    assert "holds inf, and a class" in fault(labels_of, column(float("inf"), whole=True))[1]


def test_hidden_labels_are_refused_where_minus_one_hides():
    assert labels_of(column(-1, 0, 1), "c") == ("-1", "0", "1")
    row, message, remedy = fault(labels_of, column(0, -1, hidden_label=-1))
    assert (row, "label -1 means that the label of this row is not published" in message) == (6, True)
    assert remedy == "Choose a split whose labels are published."
    assert "is not published" in fault(scores_of, column(0.0, -1.0, hidden_label=-1))[1]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_scores_survive_being_spelled(value):
    assert scores_of(column(value, repr(value), f" {value!r} "), "c") == (value,) * 3


@pytest.mark.parametrize("value", ["nan", "NaN", float("nan"), "-nan"])
def test_nan_targets_are_refused(value):
    row, message, remedy = fault(scores_of, column(1.0, value))
    assert (row, "a, row 6: the target in column 'c' is NaN" in message) == (6, True)
    assert remedy == "Write a finite number, or delete the row."


@pytest.mark.parametrize("value", ["inf", "-Infinity", float("inf"), "1e999", 10**400])
def test_infinite_targets_are_refused(value):
    assert "is infinite" in fault(scores_of, column(value))[1]


@pytest.mark.parametrize("value", ["good", "1,5", "1_0", "٣", "0x1", True, [1]])
def test_what_is_no_number_is_refused(value):
    row, message, remedy = fault(scores_of, column(1, value))
    assert (row, f"holds {value!r}, not a number" in message) == (6, True)
    assert "3.5" in remedy


@pytest.mark.parametrize("value", ["", " ", None])
def test_missing_targets_are_refused(value):
    assert "column 'c' has no target" in fault(scores_of, column(value))[1]


def test_long_values_are_cut_in_messages():
    message = fault(scores_of, column("word " * 1000))[1]
    assert len(message) < 250
    assert "…" in message


@pytest.mark.parametrize(
    ("label", "what"), [("a\0b", "a NUL character"), ("ä" * 501, "more than 1,000 bytes")]
)
def test_labels_that_no_program_can_hold_are_refused(label, what):
    row, message, remedy = fault(labels_of, column("x", label))
    assert (row, f"holds a label with {what}" in message) == (6, True)
    assert "short name" in remedy
    assert labels_of(column("x", "ä" * 500), "c") == ("x", "ä" * 500)


def test_decimals_are_numbers():
    assert scores_of(column(Decimal("2.50"), Decimal(-3)), "c") == (2.5, -3.0)
    assert labels_of(column(Decimal("2.00"), Decimal(10**37), Decimal("1E+2")), "c") == (
        "2",
        str(10**37),
        "100",
    )
    row, message, remedy = fault(labels_of, column(Decimal(1), Decimal("2.5")))
    assert (row, "holds 2.5, and a class is a word or a whole number" in message) == (6, True)
    assert remedy.startswith("Give --regress")
    assert "has no label" in fault(labels_of, column(Decimal("NaN")))[1]
    assert "and a class" in fault(labels_of, column(Decimal("Infinity")))[1]
