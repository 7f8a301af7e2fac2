"""Words, validation rows and the choice that all peers share."""

import numpy as np
import pytest

from embbert.bench.peers import Split, choose, row_words, split, words
from embbert.data import Examples, split_validation


def rows(texts, targets, *, pairs=None, task="classify"):
    return Examples(tuple(texts), pairs, tuple(targets), tuple(range(len(texts))), "x", task)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's a Café!", ["it", "'", "s", "a", "cafe", "!"]),
        ("a_b >c  3.5\n\0", ["a", "_", "b", ">", "c", "3", ".", "5"]),
        ("__label__1 </s>", [*"__", "label", *"__", "1", "<", "/", "s", ">"]),
        ("\ud800ok", ["ok"]),
        (" \t", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_words_of_the_second_text_are_others():
    found = row_words(rows(["a b"], ["x"], pairs=("b > c",)))
    assert found == [["a", "b", ">b", ">>", ">c"]]
    assert row_words(rows(["a b"], ["x"])) == [["a", "b"]]


def test_a_tenth_is_held_out_as_every_system_does():
    data = rows([f"t{n}" for n in range(40)], ["9", "10"] * 20)
    kept, held = split_validation(data, 0.1, 3)
    found = split(data, 3)
    assert found.classes == 2
    assert found.train == [["t" + str(index)] for index in kept]
    assert found.held == [["t" + str(index)] for index in held]
    assert found.train_targets.tolist() == [index % 2 for index in kept]
    assert found.held_targets.tolist() == [index % 2 for index in held]


def test_values_stay_values():
    data = rows([f"t{n}" for n in range(40)], [n / 2 for n in range(40)], task="regress")
    found = split(data, 0)
    assert found.classes == 0
    assert sorted([*found.train_targets, *found.held_targets]) == [n / 2 for n in range(40)]


def test_the_first_of_the_best_is_chosen_by_the_metric():
    data = Split([], [["a"]] * 4, np.array([]), np.array([0, 1, 1, 1]), 2)
    answers = {"most": [1, 1, 1, 1], "none": [1, 0, 0, 0], "some": [0, 0, 1, 1], "same": [0, 1, 0, 1]}
    chosen = choose(answers, str.upper, lambda model: np.array(answers[model.lower()]), data, "mcc")
    assert (chosen.setting, chosen.model) == ("some", "SOME")
    assert chosen.validation["mcc"] == chosen.tried[2] == chosen.tried[3] > 0
    assert chosen.tried[:2] == [0.0, -1.0]
    by_accuracy = choose(answers, str, lambda model: np.array(answers[model]), data, "accuracy")
    assert by_accuracy.setting == "most"


def test_values_are_judged_by_correlation():
    data = Split([], [["a"]] * 3, np.array([]), np.array([1.0, 2.0, 4.0]), 0)
    answers = {"down": [3, 2, 1], "up": [1, 2, 9]}
    chosen = choose(answers, str, lambda model: np.array(answers[model]), data, "spearman")
    assert (chosen.setting, chosen.tried) == ("up", [pytest.approx(-1.0), pytest.approx(1.0)])
