from __future__ import annotations

import hashlib
from collections import Counter
from math import floor

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from embbert.data import Examples, split_validation
from embbert.errors import DataError, UsageError

fractions = st.floats(0.01, 0.9)
seeds = st.integers(0, 2**64)


def classified(labels: list[str], texts: list[str] | None = None, pairs: list[str] | None = None) -> Examples:
    texts = texts or [f"text {index}" for index in range(len(labels))]
    rows = tuple(range(2, 2 + len(labels)))
    return Examples(tuple(texts), pairs and tuple(pairs), tuple(labels), rows, "a.csv", "classify")


def scored(scores: list[float], texts: list[str] | None = None) -> Examples:
    texts = texts or [f"text {index}" for index in range(len(scores))]
    rows = tuple(range(2, 2 + len(scores)))
    return Examples(tuple(texts), None, tuple(scores), rows, "a.csv", "regress")


def parts(examples: Examples, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    train, validation = split_validation(examples, fraction, seed)
    assert all(type(index) is int for index in train + validation)
    assert (train, validation) == (sorted(train), sorted(validation))
    assert sorted(train + validation) == list(range(len(examples)))
    assert train
    assert validation
    return train, validation


@given(st.lists(st.sampled_from("aaab"), min_size=2, max_size=60), fractions, seeds)
def test_different_texts_split_by_class_in_proportion(labels, fraction, seed):
    sizes = Counter(labels)
    assume(max(sizes.values()) > 1)
    examples = classified(labels)
    train, validation = parts(examples, fraction, seed)
    assert split_validation(examples, fraction, seed) == (train, validation)
    for label, size in sizes.items():
        held = sum(labels[index] == label for index in validation)
        if size == 1:
            assert held == 0
        else:
            assert 1 <= held <= size - 1
            # Largest remainder gives the floor or one more; the limits of one row may bend that.
            assert held in (floor(size * fraction), floor(size * fraction) + 1, 1, size - 1)


@given(st.lists(st.integers(20, 60), min_size=1, max_size=6), st.floats(0.1, 0.5), seeds)
def test_the_number_of_validation_rows_is_the_rounded_fraction(sizes, fraction, seed):
    labels = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    _, validation = parts(classified(labels), fraction, seed)
    assert len(validation) == floor(fraction * len(labels) + 0.5)


repeats = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=60)


@given(repeats, fractions, seeds)
@example([(0, True), (0, True), (0, True), (1, True)], 0.01, 0)
def test_rows_of_one_text_stay_together_and_every_class_of_two_texts_is_on_both_sides(rows, fraction, seed):
    texts = [f"text {number}" for number, _ in rows]
    pairs = ["second" if second else "other" for _, second in rows]
    labels = ["even" if number % 2 == 0 else "odd" for number, _ in rows]
    keys = list(zip(texts, pairs, strict=True))
    different = {
        label: len({key for key, own in zip(keys, labels, strict=True) if own == label}) for label in labels
    }
    assume(max(different.values()) > 1)
    train, validation = parts(classified(labels, texts, pairs), fraction, seed)
    assert not {keys[index] for index in train} & {keys[index] for index in validation}
    for label, number in different.items():
        if number > 1:
            assert label in {labels[index] for index in validation}
            assert label in {labels[index] for index in train}
        else:
            assert label not in {labels[index] for index in validation}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("xyz")), min_size=1, max_size=40), fractions, seeds
)
@example([(0, "y"), (0, "x"), (1, "y")], 0.5, 1)
@example([(0, "y"), (0, "x"), (1, "y"), (1, "z")], 0.5, 1)
def test_contradicting_labels_of_one_text_stay_together_too(rows, fraction, seed):
    texts = [f"text {number}" for number, _ in rows]
    labels = [label for _, label in rows]
    examples = classified(labels, texts)
    try:
        train, validation = parts(examples, fraction, seed)
    except DataError:
        first = dict(reversed(list(zip(texts, labels, strict=True))))
        seen = Counter(first.values())
        for text in first:
            own, others = (
                {one for t, one in zip(texts, labels, strict=True) if (t == text) is same}
                for same in (True, False)
            )
            assert seen[first[text]] == 1 or not own <= others
    else:
        assert {labels[index] for index in train} == set(labels)
        assert not {texts[index] for index in train} & {texts[index] for index in validation}


def test_a_large_group_does_not_blow_the_fraction_up():
    texts = ["again"] * 50 + [f"text {index}" for index in range(50)]
    for seed in range(20):
        _, validation = parts(classified(["x"] * 100, texts), 0.1, seed)
        assert len(validation) == 10


@given(st.lists(st.floats(-9, 9), min_size=40, max_size=200), st.floats(0.1, 0.5), seeds)
def test_scores_are_split_along_their_quantiles(scores, fraction, seed):
    train, validation = parts(scored(scores), fraction, seed)
    n = len(scores)
    assert len(validation) == floor(fraction * n + 0.5)
    # Each tenth of the sorted scores holds its share, to one row: no value above it can hold more.
    bins = min(10, floor(fraction * n + 0.5))
    ranked = sorted(range(n), key=lambda index: scores[index])
    for number in range(bins):
        tenth = ranked[n * number // bins : n * (number + 1) // bins]
        held = len(set(tenth) & set(validation))
        assert abs(held - len(tenth) * fraction) <= 1
    assert len(train) == n - len(validation)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=9), fractions, seeds)
def test_few_scores_still_split(scores, fraction, seed):
    parts(scored(scores), fraction, seed)


def test_a_small_fraction_of_few_scores_is_one_row():
    _, validation = parts(scored([float(score) for score in range(12)]), 0.01, 0)
    assert len(validation) == 1


def test_unlabelled_rows_split():
    examples = Examples(tuple(map(str, range(30))), None, None, tuple(range(30)), "a.csv", "classify")
    _, validation = parts(examples, 0.2, 3)
    assert len(validation) == 6


def test_the_split_is_this_one_for_ever():
    labels = [str(index % 7) for index in range(1000)]
    _, validation = split_validation(classified(labels), 0.1, 42)
    digest = hashlib.sha256(",".join(map(str, validation)).encode()).hexdigest()
    assert (len(validation), validation[:5], digest[:16]) == (100, [2, 28, 37, 38, 43], "d3e79188420b73ed")


def test_seeds_differ():
    examples = classified(["x"] * 100)
    assert len({tuple(split_validation(examples, 0.1, seed)[1]) for seed in range(20)}) == 20


@pytest.mark.parametrize(
    "examples", [classified(["x", "y"]), classified(["x", "x"], ["a", "a"]), scored([1.0])]
)
def test_what_cannot_be_split_is_refused(examples):
    with pytest.raises(DataError, match=r"a\.csv: no validation rows can be held out.*\n  Add rows with"):
        split_validation(examples, 0.1, 0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(UsageError, match="the validation fraction must be between 0 and 1"):
        split_validation(classified(["x", "x"]), fraction, 0)


def test_a_negative_seed_is_refused():
    with pytest.raises(UsageError, match="the seed must not be negative, not -1"):
        split_validation(classified(["x", "x"]), 0.5, -1)


@given(st.integers(0, 200))
def test_no_class_is_held_out_whole(seed):
    # Every text of "c" was first seen with another label.
    texts = tuple(f"text {number}" for number in range(12))
    rows = Examples(
        (*texts, *texts[3:6]),
        None,
        (*("a",) * 6, *("b",) * 6, *("c",) * 3),
        tuple(range(1, 16)),
        "x.csv",
        "classify",
    )
    training, validation = split_validation(rows, 0.25, seed)
    assert sorted(training + validation) == list(range(15))
    assert {rows.targets[index] for index in training} == {"a", "b", "c"}
    assert validation
    assert not {rows.texts[index] for index in training} & {rows.texts[index] for index in validation}


def test_labels_that_are_numbers_of_rows_are_told_from_too_few_texts():
    names = tuple("abcdefgh")
    with pytest.raises(
        DataError, match=r"held out: each row has a label of its own\n  Add rows .*--label COL"
    ):
        split_validation(Examples(names, None, names, tuple(range(2, 10)), "s.csv", "classify"), 0.1, 0)
    with pytest.raises(DataError, match="second text to spare"):
        split_validation(
            Examples(("a", "a", "b"), None, ("x", "x", "y"), (2, 3, 4), "s.csv", "classify"), 0.1, 0
        )
