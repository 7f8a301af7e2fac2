"""Repeated test rows are found, at three levels of likeness."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embbert.bench import duplicates
from embbert.bench.duplicates import Duplicates, count_duplicates
from embbert.data import Examples

pytest.importorskip("scipy")

TEN = "one two three four five six seven eight nine ten"


def rows(*texts, pairs=None):
    return Examples(tuple(texts), pairs, None, tuple(range(len(texts))), "x", "classify")


@pytest.mark.parametrize(
    ("text", "exact", "normalized", "near"),
    [
        (TEN, 1, 1, 1),
        (TEN.upper().replace(" ", "  ") + "!", 0, 1, 1),
        ("Ｏne " + TEN[4:], 0, 1, 1),  # a full-width letter
        (TEN + " eleven", 0, 0, 1),  # 8 of 9 trigrams
        (TEN + " eleven twelve", 0, 0, 1),  # 8 of 10: just enough
        (TEN + " eleven twelve thirteen", 0, 0, 0),  # 8 of 11
        ("ten nine eight seven six five four three two one", 0, 0, 0),
        ("one two", 0, 0, 0),
    ],
)
def test_levels(text, exact, normalized, near):
    found = count_duplicates(rows("something else entirely", TEN), rows(text))
    assert found == Duplicates(1, exact, normalized, near)


def test_short_and_wordless_texts():
    found = count_duplicates(rows("ok", "!!!", "a b"), rows("OK.", "???", "!!!", "b a", "a b"))
    assert found == Duplicates(5, 2, 3, 3)


def test_both_texts_of_a_pair_count():
    known = rows("the cat sat", "x y z", pairs=("on the mat", "u v w"))
    asked = rows(
        "the cat sat",
        "The cat sat.",
        "the cat sat",
        "on the mat",
        pairs=("on the mat", "on the mat", "u v w", "the cat sat"),
    )
    assert count_duplicates(known, asked) == Duplicates(4, 1, 2, 2)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "A", "b."]), min_size=1, max_size=9).map(" ".join)


def trigrams(text):
    words = text.lower().replace(".", "").split()
    return {tuple(words[n : n + 3]) for n in range(max(1, len(words) - 2))}


def brute(train, test):
    return sum(
        any(5 * len(trigrams(a) & trigrams(b)) >= 4 * len(trigrams(a) | trigrams(b)) for b in train)
        for a in test
    )


@settings(max_examples=60)
@given(st.lists(WORDS, min_size=1, max_size=8), st.lists(WORDS, min_size=1, max_size=8))
def test_near_is_what_comparing_all_pairs_finds(train, test):
    assert count_duplicates(rows(*train), rows(*test)).near == brute(train, test)


def test_long_texts_are_compared_in_parts(monkeypatch):
    texts = [" ".join(f"w{n}x{k}" for k in range(30)) for n in range(7)]
    monkeypatch.setattr(duplicates, "_CHUNK", 2)
    test = [text.replace("x29", "changed") for text in texts[2:]] + ["nothing like it here"]
    assert count_duplicates(rows(*texts), rows(*test)) == Duplicates(6, 0, 0, 5)
