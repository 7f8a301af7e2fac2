from __future__ import annotations

from dataclasses import replace

import pytest

from embbert.data import Examples

PAIRS = Examples(("a", "b", "c"), ("d", "e", "f"), ("x", "y", "x"), (2, 3, 5), "a.csv", "classify")
SCORES = Examples(("a", "b", "c"), None, (0.5, 1.0, -2.0), (2, 3, 5), "a.csv", "regress")
BARE = Examples(("a", "b", "c"), None, None, (2, 3, 5), "a.csv", "classify")


def test_take_keeps_the_order_asked_for():
    taken = PAIRS.take([2, 0])
    assert taken == Examples(("c", "a"), ("f", "d"), ("x", "x"), (5, 2), "a.csv", "classify")
    assert SCORES.take([1]).targets == (1.0,)
    assert BARE.take([1]) == Examples(("b",), None, None, (3,), "a.csv", "classify")
    assert len(PAIRS.take([])) == 0


def test_the_fingerprint_is_of_the_contents_only():
    moved = replace(PAIRS, rows=(7, 8, 9), source="b.csv")
    assert moved.fingerprint() == PAIRS.fingerprint()
    assert len(PAIRS.fingerprint()) == 64


@pytest.mark.parametrize(
    "other",
    [
        replace(PAIRS, texts=("a", "b", "d")),
        replace(PAIRS, texts=("ab", "", "c")),
        replace(PAIRS, pairs=None),
        replace(PAIRS, targets=None),
        replace(PAIRS, targets=("x", "y", "y")),
        replace(PAIRS, pairs=("x", "y", "x"), targets=("d", "e", "f")),
        PAIRS.take([1, 0, 2]),
        PAIRS.take([0, 1]),
        SCORES,
        replace(SCORES, targets=(0.5, 1.0, -2.0000000000000004)),
        BARE,
        replace(BARE, task="regress"),
    ],
)
def test_any_other_contents_have_another_fingerprint(other):
    everything = (PAIRS, SCORES, BARE)
    assert sum(other.fingerprint() == one.fingerprint() for one in everything) == sum(
        other == one for one in everything
    )


def test_shared_rows_are_counted_by_text_and_second_text():
    one = Examples(("a", "b", "a", "c"), None, ("x", "y", "y", "x"), (2, 3, 4, 5), "one.csv", "classify")
    other = Examples(("a", "C", "b "), None, ("y", "x", "y"), (2, 3, 4), "other.csv", "classify")
    assert (one.shared_with(other), other.shared_with(one)) == (2, 1)
    pairs = Examples(("a", "b"), ("b", "a"), ("x", "y"), (2, 3), "pairs.csv", "classify")
    turned = Examples(("b", "b"), ("a", "b"), ("x", "y"), (2, 3), "turned.csv", "classify")
    assert (pairs.shared_with(turned), pairs.shared_with(pairs)) == (1, 2)
