"""Messages and exit codes."""

import pytest

from embbert import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CheckFailed("x"), 1),
        (errors.UsageError("x"), 2),
        (errors.MissingExtraError("training", "train"), 2),
        (errors.ToolMissingError("gcc", "apt-get install gcc"), 2),
        (errors.DataError("x"), 3),
        (errors.TooFewNgramsError("x"), 3),
        (errors.ModelError("x"), 3),
    ],
)
def test_every_error_is_ours_and_has_its_exit_code(error, code):
    assert isinstance(error, errors.EmbbertError)
    assert error.exit_code == code


def test_no_class_of_the_tree_is_untested():
    def family(kind):
        return {kind}.union(*(family(child) for child in kind.__subclasses__()))

    assert {kind.__name__ for kind in family(errors.EmbbertError)} == {
        "EmbbertError",
        "CheckFailed",
        "UsageError",
        "MissingExtraError",
        "ToolMissingError",
        "DataError",
        "TooFewNgramsError",
        "ModelError",
    }


def test_data_error_says_where_and_what_to_do():
    assert str(errors.DataError("no text")) == "no text"
    assert str(errors.DataError("no text", source="a.csv")) == "a.csv: no text"
    error = errors.DataError("no text", source="a.csv", row=7, remedy="Fill it in.")
    assert str(error) == "a.csv, row 7: no text\n  Fill it in."
    assert (error.source, error.row, error.remedy) == ("a.csv", 7, "Fill it in.")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no route\nmore"), "no route"),
        (ValueError("\n \nno route"), "no route"),
        (ValueError(""), "ValueError"),
        (ConnectionError(), "ConnectionError"),
        (OSError(2, "No such file", "a"), "[Errno 2] No such file: 'a'"),
    ],
)
def test_a_reason_is_one_line(error, line):
    assert errors.reason(error) == line


def test_missing_things_come_with_the_line_that_installs_them():
    assert 'pip install "embbert[train]"' in str(errors.MissingExtraError("training", "train"))
    assert "apt-get install gcc" in str(errors.ToolMissingError("gcc", "apt-get install gcc"))
