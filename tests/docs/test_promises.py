"""Every promise has tests and planted faults, and every one that the page names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def names_in(path):
    """Names of the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"}


def missing(text):
    """Named tests that are nowhere."""
    return [
        f"{path}::{name}"
        for path, name in NAMED.findall(text)
        if not (ROOT / path).is_file() or name not in names_in(path)
    ]


def test_there_are_fourteen_promises_with_all_columns():
    assert [row[0] for row in ROWS] == [str(number) for number in range(1, 15)]
    assert {len(row) for row in ROWS} == {5}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_promise_has_tests_and_planted_faults_that_exist(row):
    _, promise, how, tests, faults = row
    assert promise.startswith("**")
    assert len(how) > 30
    for column in (tests, faults):
        assert NAMED.search(column)
        assert missing(column) == []
        # Nothing that looks like a test escapes the pattern.
        assert column.count("::") == len(NAMED.findall(column))


def test_a_test_that_is_not_there_is_missed():
    here = "tests/docs/test_promises.py"
    assert missing(f"`{here}::test_a_test_that_is_not_there_is_missed`") == []
    assert missing(f"`{here}::test_nothing`") == [f"{here}::test_nothing"]
    assert missing("`tests/docs/test_absent.py::test_nothing`") == ["tests/docs/test_absent.py::test_nothing"]
    assert missing(f"`{here}::names_in`") == [f"{here}::names_in"]
