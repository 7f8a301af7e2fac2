"""Whatever JSON holds becomes the dataclass or names the field."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.bench.typed import parse
from embbert.errors import DataError


@dataclass(frozen=True)
class Inner:
    count: int
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"]
    inner: Inner
    many: tuple[Inner, ...]
    table: dict[str, float]
    sides: tuple[str, str] | None = None
    flag: bool = False
    rest: Any = None


GOOD = {
    "name": "x",
    "kind": "a",
    "inner": {"count": 1},
    "many": [{"count": 2, "share": 1}],
    "table": {"k": 3},
}
inners = st.builds(Inner, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
outers = st.builds(
    Outer,
    st.text(),
    st.sampled_from(["a", "b"]),
    inners,
    st.lists(inners).map(tuple),
    st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    st.none() | st.tuples(st.text(), st.text()),
    st.booleans(),
)


def test_defaults_fill_in_and_whole_numbers_are_numbers():
    found = parse(Outer, GOOD, "f")
    assert found == Outer("x", "a", Inner(1, 0.5), (Inner(2, 1.0),), {"k": 3.0})
    assert isinstance(found.many[0].share, float)


@given(outers)
def test_what_is_written_is_read(value):
    assert parse(Outer, json.loads(json.dumps(asdict(value))), "f") == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "f: name must be a text, not 1"),
        ({"kind": "c"}, "f: kind must be one of a, b, not 'c'"),
        ({"inner": []}, "f: inner must be an object, not []"),
        ({"inner": {}}, "f: inner.count is missing"),
        ({"inner": {"count": True}}, "f: inner.count must be a whole number, not True"),
        ({"inner": {"count": 1.0}}, "f: inner.count must be a whole number, not 1.0"),
        ({"inner": {"count": 1, "shar": 2}}, "f: inner.shar is not known (did you mean 'share'?)"),
        ({"many": {}}, "f: many must be a list, not {}"),
        ({"many": [{"count": 1}, {"count": "1"}]}, "f: many[1].count must be a whole number, not '1'"),
        ({"table": {"k": None}}, "f: table.k must be a finite number, not None"),
        ({"table": {"k": float("inf")}}, "f: table.k must be a finite number, not inf"),
        ({"sides": ["a"]}, "f: sides must have 2 entries, not 1"),
        ({"flag": 1}, "f: flag must be true or false, not 1"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}\n  do this$"):
        parse(Outer, GOOD | change, "f", remedy="do this")


def test_a_file_that_is_no_object():
    with pytest.raises(DataError, match="f: the file must be an object, not 3"):
        parse(Outer, 3, "f")
