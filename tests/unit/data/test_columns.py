from __future__ import annotations

import pytest

from embbert.data import Columns
from embbert.data.columns import LABEL_NAMES, PAIR_NAMES, SCORE_NAMES, TEXT_NAMES, Choice, choose_columns
from embbert.data.table import Table
from embbert.errors import DataError, UsageError

BY_NAME = Columns()


def table(*names: str, values: dict[str, list[str]] | None = None) -> Table:
    columns = values or {name: ["1"] for name in names}
    rows = range(2, 2 + len(columns[names[0]]))
    return Table("a.csv", names, rows, columns.__getitem__)


def choose(*names: str, asked: Columns = BY_NAME, task="classify", labelled=True) -> Choice:
    return choose_columns(table(*names), asked, task, labelled=labelled)


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_every_customary_text_name_is_found(name):
    assert choose("id", name.title(), "x", "label") == Choice(name.title(), None, "label")


@pytest.mark.parametrize("name", LABEL_NAMES)
def test_every_customary_label_name_is_found(name):
    assert choose("id", "text", name.upper()) == Choice("text", None, name.upper())


@pytest.mark.parametrize("name", SCORE_NAMES)
def test_every_customary_score_name_is_found(name):
    assert choose("id", "text", name, task="regress") == Choice("text", None, name)


@pytest.mark.parametrize(("first", "second"), PAIR_NAMES)
def test_every_customary_pair_is_found(first, second):
    assert choose(second, "label", first, "idx") == Choice(first, second, "label")


def test_text_and_label_win_over_other_customary_names():
    assert choose("review", "text", "sentiment", "label") == Choice("text", None, "label")
    assert choose("premise", "hypothesis", "text", "label") == Choice("text", None, "label")


def test_the_column_that_is_left_over_is_the_other_one():
    assert choose("tweet", "kind") == Choice("tweet", None, "kind")
    assert choose("words", "intent") == Choice("words", None, "intent")
    assert choose("sentence1", "intent") == Choice("sentence1", None, "intent")
    assert choose("", "words", "intent") == Choice("words", None, "intent")
    assert choose("a", "b", asked=Columns(text="b")) == Choice("b", None, "a")
    assert choose("a", "b", asked=Columns(label="b")) == Choice("a", None, "b")
    assert choose("a", "b", "c", asked=Columns(pair=("c", "a"))) == Choice("c", "a", "b")


def test_a_column_asked_for_is_taken_whatever_its_name():
    asked = Columns(text="label", label="text")
    assert choose("text", "label", asked=asked) == Choice("label", None, "text")


def test_names_asked_for_match_exactly():
    with pytest.raises(DataError, match=r"no column is called 'Text' \(did you mean 'text'\?\)"):
        choose("text", "label", asked=Columns(text="Text"))


def test_no_label_column_is_needed_without_labels():
    assert choose("text", labelled=False) == Choice("text", None, None)
    assert choose("anything", labelled=False) == Choice("anything", None, None)
    assert choose("text", "label", labelled=False) == Choice("text", None, None)
    assert choose("text", asked=Columns(label="label"), labelled=False) == Choice("text", None, None)


@pytest.mark.parametrize(("texts", "labels"), [("a", "b"), ("b", "a")])
def test_of_two_nameless_columns_the_one_that_repeats_is_the_label(texts, labels):
    values = {texts: ["one", "two", "three", "four"], labels: ["x", "y", "x", "x"]}
    found = choose_columns(table("a", "b", values=values), Columns(), "classify", labelled=True)
    assert found == Choice(texts, None, labels)


def test_two_columns_that_repeat_alike_are_refused():
    values = {"a": ["one", "two", "three", "three"], "b": ["x", "y", "x", "y"]}
    with pytest.raises(
        DataError, match=r"cannot tell which column holds the text; columns: 'a', 'b'\n.*--text COL"
    ):
        choose_columns(table("a", "b", values=values), Columns(), "classify", labelled=True)


def test_of_three_nameless_columns_none_is_taken():
    values = {"a": ["one", "two", "three", "four"], "b": ["x", "y", "x", "x"], "c": ["1", "2", "3", "4"]}
    with pytest.raises(DataError, match="cannot tell which column holds the text"):
        choose_columns(table("a", "b", "c", values=values), Columns(), "classify", labelled=True)


def test_a_file_without_a_header_is_refused():
    values = {"zero": ["one", "two", "three", "four"], "x": ["x", "y", "x", "x"]}
    with pytest.raises(
        DataError, match="the first line looks like data, not like column names: 'x'"
    ) as caught:
        choose_columns(table("zero", "x", values=values), Columns(), "classify", labelled=True)
    assert caught.value.remedy == "Put a line with the column names in front, for example: text,label"


@pytest.mark.parametrize(
    ("names", "asked", "fault", "option"),
    [
        (
            ("text", "label"),
            Columns(text="txt"),
            r"no column is called 'txt' \(did you mean 'text'\?\)",
            "--text",
        ),
        (
            ("text", "label"),
            Columns(label="zzz"),
            "no column is called 'zzz'; columns: 'text', 'label'",
            "--label",
        ),
        (("a", "b"), Columns(pair=("a", "c")), "no column is called 'c'", "--pair"),
        (("tweet", "review", "label"), Columns(), "cannot tell which column holds the text", "--text COL"),
        (("a", "b", "label"), Columns(), "cannot tell which column holds the text", "--pair COL COL"),
        (("text", "a", "b"), Columns(), "cannot tell which column holds the label", "--label COL"),
        (("text", "intent", "topic"), Columns(), "cannot tell which column holds the label", "--label COL"),
        (("text",), Columns(), "cannot tell which column holds the label", "--label COL"),
        (("sentence1", "sentence2"), Columns(), "cannot tell which column holds the label", "--label COL"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_columns_and_the_option(names, asked, fault, option):
    with pytest.raises(DataError, match=fault) as caught:
        choose(*names, asked=asked)
    assert option in caught.value.remedy
    assert all(repr(name) in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (Columns(text="a", pair=("a", "b")), "give either --text COL or --pair COL COL, not both"),
        (Columns(text="a", label="a"), "column 'a' is asked for twice"),
        (Columns(pair=("a", "a")), "column 'a' is asked for twice"),
        (Columns(pair=("a", "b"), label="b"), "column 'b' is asked for twice"),
    ],
)
def test_contradictions_are_usage_errors(asked, fault):
    with pytest.raises(UsageError, match=fault):
        choose("a", "b", "c", asked=asked)


def test_of_names_that_differ_in_case_the_one_in_small_letters_is_meant():
    for names in (("text", "Text", "label"), ("Text", "text", "TEXT", "label")):
        assert choose(*names) == Choice("text", None, "label")
    for names in (("text", "label", "Label"), ("text", "LABEL", "label")):
        assert choose(*names) == Choice("text", None, "label")
    assert choose("premise", "Premise", "hypothesis", "label") == Choice("premise", "hypothesis", "label")


@pytest.mark.parametrize(
    ("names", "option"),
    [
        (("Text", "TEXT", "label"), "--text COL"),
        (("Text", "TEXT"), "--text COL"),
        (("Tweet", "TWEET", "label"), "--text COL"),
        (("Text", "TEXT", "review", "label"), "--text COL"),
        (("Premise", "PREMISE", "hypothesis", "tweet", "label"), "--pair COL COL"),
        (("text", "Label", "LABEL"), "--label COL"),
        (("text", "Intent", "INTENT"), "--label COL"),
    ],
)
def test_names_that_differ_in_case_and_are_alike_otherwise_are_refused(names, option):
    values = {name: [str(row % (2 + index)) for row in range(12)] for index, name in enumerate(names)}
    values[names[0]] = [f"row {row}" for row in range(12)]
    with pytest.raises(DataError, match="cannot tell which column holds the") as caught:
        choose_columns(table(*names, values=values), BY_NAME, "classify", labelled=True)
    assert option in caught.value.remedy


def test_of_many_columns_some_are_listed():
    with pytest.raises(DataError, match=r"columns: 'a0', .*'a19' and 19,980 more\n") as caught:
        choose(*(f"a{number}" for number in range(20_000)))
    assert len(str(caught.value)) < 400
