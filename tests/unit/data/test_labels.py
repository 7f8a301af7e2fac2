from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.data import Examples, encode_targets, label_names
from embbert.errors import DataError


def labelled(*targets: str) -> Examples:
    rows = tuple(range(2, 2 + len(targets)))
    return Examples(tuple("t" for _ in targets), None, targets, rows, "a.csv", "classify")


def test_names_are_sorted_by_code_point():
    assert label_names(labelled("b", "a", "B", "é", "a")) == ("B", "a", "b", "é")


def test_integers_are_sorted_by_value():
    assert label_names(labelled("10", "9", "-2", "2")) == ("-2", "2", "9", "10")
    assert label_names(labelled("1", "01", "+1", "0")) == ("0", "+1", "01", "1")
    assert label_names(labelled("10", "9", "x")) == ("10", "9", "x")


def test_digits_without_end_are_words():
    assert label_names(labelled("9" * 5000, "1")) == ("1", "9" * 5000)


def test_one_class_only_is_refused():
    with pytest.raises(
        DataError, match=r"a\.csv: all 3 rows have the label 'x': one class only\n  Give rows of at"
    ):
        label_names(labelled("x", "x", "x"))


@pytest.mark.parametrize("value", ["4.5", "3.0", "1e3", "-.5"])
def test_decimal_numbers_are_scores_unless_a_word_is_among_them(value):
    assert label_names(labelled("1", value, "v2")) == tuple(sorted(("1", value, "v2")))
    for rest in (("2", value), (value,)):
        with pytest.raises(DataError) as caught:
            label_names(labelled("1", value, *rest))
        assert str(caught.value).startswith(
            f"a.csv, row 3: the label {value!r} is no class: a class is a word or a whole number\n"
            "  Give --regress to predict scores"
        )


def test_rows_to_measure_on_may_have_the_decimal_classes_alone():
    names = label_names(labelled("1.0", "2.0", "beta"))
    assert encode_targets(labelled("2.0", "1.0"), names).tolist() == [1, 0]


@given(st.lists(st.sampled_from("abcde"), min_size=2).filter(lambda labels: len(set(labels)) > 1))
def test_numbers_are_positions_among_the_names(labels):
    examples = labelled(*labels)
    names = label_names(examples)
    numbers = encode_targets(examples, names)
    assert numbers.dtype == np.int64
    assert [names[number] for number in numbers] == labels


def test_a_label_that_training_lacks_is_refused_with_its_row_and_the_known_ones():
    with pytest.raises(DataError) as caught:
        encode_targets(labelled("light_on", "ligth_on"), ("light_off", "light_on"))
    assert str(caught.value) == (
        "a.csv, row 3: the model was not trained on the label 'ligth_on' (did you mean 'light_on'?); "
        "its labels: light_off, light_on\n"
        "  Correct the label, delete the row, or add such rows to the training data."
    )


def test_many_labels_are_cut():
    with pytest.raises(DataError, match="its labels: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more\n"):
        encode_targets(labelled("x"), [str(number) for number in range(12)])
    with pytest.raises(DataError, match="its labels: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\n"):
        encode_targets(labelled("x"), [str(number) for number in range(10)])


@pytest.mark.parametrize(("targets", "task"), [(None, "classify"), ((1.0, 2.0), "regress")])
def test_examples_without_class_labels_are_refused(targets, task):
    examples = Examples(("a", "b"), None, targets, (1, 2), "a.csv", task)
    for use in (label_names, lambda rows: encode_targets(rows, ("x",))):
        with pytest.raises(DataError, match="the examples carry no class labels"):
            use(examples)
