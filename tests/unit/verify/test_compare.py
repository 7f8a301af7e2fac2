"""The first difference is found, wherever it is, and told with row, index and both values."""

import numpy as np
import pytest

import factory
from embbert.quant.reference import run
from embbert.verify.compare import Difference, broken_promises, compare
from embbert.verify.program import HEADER, Question, Reply

CONFIG = factory.small_config()
PLAN = factory.random_plan(CONFIG)
IDS = (2, 7, 8, 9, 10)


def honest_reply():
    trace = {}
    logits = run(PLAN, IDS, lambda name, rows: trace.update({name: rows.copy()}))
    return Reply(status=0, trace=trace, logits=logits)


def verdict(reply):
    return compare(PLAN, None, 3, Question(ids=IDS), reply)


def test_equal_replies_have_no_difference_and_are_counted():
    reply = honest_reply()
    difference, count = verdict(reply)
    assert difference is None
    assert count == 1 + sum(rows.size for rows in reply.trace.values()) + 3


@pytest.mark.parametrize(("name", "row", "index"), [("embed.embed", 4, 11), ("layer0.conv", 2, 0)])
def test_one_wrong_value_is_named(name, row, index):
    reply = honest_reply()
    right = int(reply.trace[name][row, index])
    reply.trace[name][row, index] = right ^ 1
    difference, _ = verdict(reply)
    assert difference == Difference(3, name, row, index, right, right ^ 1)
    assert str(difference) == (
        f"text 3: {name} differs first at row {row}, index {index}: expected {right}, got {right ^ 1}"
    )


def test_the_earliest_operator_wins():
    reply = honest_reply()
    reply.trace["layer1.query"][0, 0] ^= 1
    reply.trace["layer0.out"][3, 5] ^= 1
    reply.trace["layer0.out"][1, 7] ^= 1
    difference, _ = verdict(reply)
    assert (difference.where, difference.row, difference.index) == ("layer0.out", 1, 7)


def test_missing_rows_and_operators_are_differences():
    reply = honest_reply()
    reply.trace["layer0.query"] = reply.trace["layer0.query"][:4]
    difference, _ = verdict(reply)
    assert (difference.where, difference.row, difference.actual) == ("layer0.query", 4, None)
    del reply.trace["layer0.query"]
    assert verdict(reply)[0].where == "layer0.query"


def test_failures_and_wrong_logits_are_differences():
    reply = honest_reply()
    reply.logits = reply.logits + np.array([0, 0, 1], dtype=np.int32)
    assert verdict(reply)[0].where == "logits"
    reply.status = 8
    assert (verdict(reply)[0].where, verdict(reply)[0].actual) == ("status", 8)


REPORT = {
    "prefix": "net",
    "bytes": {"arena": 80, "stack": 500, "blob": 40},
    "max_length": 16,
    "vocab_size": 70,
    "labels": ["off", "on"],
}


def promises(**changes):
    """What is broken in the reply of a good build, changed."""
    header = dict(zip(HEADER, (80, 500, 16, 70, 40), strict=True))
    told = {"status": 0, "refused": True, "guarded": True, "labels": ("off", "on", None), "header": header}
    return broken_promises([Reply(**(told | changes)), Reply(status=0, refused=True, guarded=True)], REPORT)


def test_names_are_those_of_the_report_whatever_is_answered():
    assert promises() == []
    assert promises(labels=("off", "no", None)) == ["class 1 is called 'no', not 'on'"]
    assert promises(labels=("off", None, None)) == ["class 1 has no name, not 'on'"]
    assert promises(labels=("off", "on", "")) == ["class 2 is called '', but is no class"]
    assert promises(labels=("off", None)) == ["class 1 has no name, not 'on'"]
    assert promises(labels=None) == ["class 0 has no name, not 'off'", "class 1 has no name, not 'on'"]


@pytest.mark.parametrize("name", HEADER)
def test_the_header_says_what_the_report_says(name):
    right = dict(zip(HEADER, (80, 500, 16, 70, 40), strict=True))
    (problem,) = promises(header=right | {name: 7})
    assert problem == f"the header's NET_{name} is 7, the report says {right[name]}"
    assert len(promises(header=None)) == len(HEADER)
