"""TF-IDF and hashed n-grams keep their budgets, and answer classes, pairs and values."""

import json
import sys
from itertools import pairwise

import numpy as np
import pytest

from embbert.bench import tfidf as peer
from embbert.bench.interface import Bytes
from embbert.bench.peers import split
from embbert.bench.tfidf import STRENGTHS, TFIDF, Hashed, TfIdf
from embbert.data import Examples
from embbert.errors import MissingExtraError

NAMES = ("alarm", "light", "music")
BUDGET = 3000
SMALL = (TfIdf("t", "T.", BUDGET), Hashed("h", "H.", BUDGET))


def texts(count, seed, classes):
    """[count] texts of which the first word says the class, and the classes."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, classes, count)
    noise = [" ".join(f"w{word}" for word in row) for row in rng.integers(0, 60, (count, 4))]
    return [f"{NAMES[number]} {words}" for number, words in zip(numbers, noise, strict=True)], numbers


def classify(count=200, seed=0, *, classes=3):
    found, numbers = texts(count, seed, classes)
    targets = tuple(NAMES[number] for number in numbers)
    return Examples(tuple(found), None, targets, tuple(range(count)), "x", "classify")


def truth(rows):
    return np.array([NAMES.index(name) for name in rows.targets])


def fit(system, data, metric="accuracy", seed=0):
    pytest.importorskip("sklearn")
    return system.fit(data, metric=metric, seed=seed, folder=None)


@pytest.mark.parametrize("system", SMALL, ids=lambda system: system.name)
@pytest.mark.parametrize("classes", [2, 3])
def test_it_answers_within_the_budget(system, classes):
    fitted = fit(system, classify(classes=classes))
    test = classify(60, seed=1, classes=classes)
    assert np.mean(fitted.answers("float", test) == truth(test)) > 0.9
    vectors = 1 if classes == 2 else 3
    assert fitted.chosen.model.regression.coef_.shape[0] == vectors
    assert fitted.chosen.model.regression.coef_.dtype == np.float32
    assert BUDGET - 4 * vectors - 24 < fitted.size("float").constants <= BUDGET


def test_bytes_of_tfidf_are_those_of_its_features():
    """Text and its end, inverse document frequency, weights; and a bias for each vector."""
    data = classify()
    features = {gram for row in split(data, 0).train for gram in [*row, *map(" ".join, pairwise(row))]}
    fitted = fit(TfIdf("t", "T.", None), data)
    expected = sum(len(gram) + 1 + 4 + 3 * 4 for gram in features) + 3 * 4
    assert fitted.size("float") == Bytes(expected, tokenizer=0)
    assert fitted.settings["features"] == len(features)


def test_what_weighs_least_is_pruned():
    data = classify(classes=2)
    kept = fit(SMALL[0], data).chosen.model.features([["alarm"], ["light"], ["nothing"]])
    assert kept.getnnz(axis=1).tolist() == [1, 1, 0]
    full = fit(TfIdf("t", "T.", 10**9), data)
    assert full.settings["features"] > kept.shape[1] > 100


def test_the_most_frequent_features_without_a_budget(monkeypatch):
    monkeypatch.setattr(peer, "FEATURES", 3)
    fitted = fit(TfIdf("t", "T.", None), classify())
    assert fitted.chosen.model.features([["alarm"], ["light"], ["music"]]).getnnz(axis=1).tolist() == [1] * 3
    assert fitted.settings["budget"] is None


@pytest.mark.parametrize("system", SMALL, ids=lambda system: system.name)
def test_the_same_rows_and_seed_make_the_same(system):
    first, second = fit(system, classify()), fit(system, classify())
    assert first.settings == second.settings
    assert np.array_equal(first.chosen.model.regression.coef_, second.chosen.model.regression.coef_)
    other = fit(system, classify(), seed=1)  # other validation rows
    assert not np.array_equal(first.chosen.model.regression.coef_, other.chosen.model.regression.coef_)


@pytest.mark.parametrize("system", SMALL, ids=lambda system: system.name)
def test_settings_say_how_to_make_it_again(system):
    fitted = fit(system, classify(), metric="mcc", seed=3)
    settings = json.loads(json.dumps(fitted.settings))
    assert settings["strengths"] == list(STRENGTHS)
    assert len(settings["validation_of_each"]) == len(STRENGTHS)
    assert settings["strength"] == STRENGTHS[int(np.argmax(settings["validation_of_each"]))]
    assert fitted.validation["mcc"] == max(settings["validation_of_each"])
    assert fitted.curve == ()
    assert (settings["budget"], settings["seed"], settings["second_text"]) == (BUDGET, 3, ">")
    assert settings["features"] == fitted.chosen.model.regression.coef_.shape[1]


@pytest.mark.parametrize("system", SMALL, ids=lambda system: system.name)
def test_a_metric_of_all_classes_weighs_them_the_same(system):
    """Noise alone: what follows is the shares of the classes."""
    noise, rare = texts(200, 0, 3)[0], [n % 10 == 0 for n in range(200)]
    data = Examples(
        tuple(text.split(" ", 1)[1] for text in noise),
        None,
        tuple("rare" if here else "common" for here in rare),
        tuple(range(200)),
        "x",
        "classify",
    )
    even, shares = fit(system, data, "mcc"), fit(system, data, "accuracy")
    assert (even.settings["class_weight"], shares.settings["class_weight"]) == ("balanced", None)
    unknown = Examples(("q",), None, None, (0,), "x", "classify")
    odds = [
        fitted.chosen.model.regression.predict_proba(fitted.chosen.model.features([["q"]]))[0, 1]
        for fitted in (even, shares)
    ]
    assert odds[0] > 2.0 * odds[1]
    assert shares.answers("float", unknown).tolist() == [0]


@pytest.mark.parametrize("system", SMALL, ids=lambda system: system.name)
def test_the_second_text_counts_for_itself(system):
    """The class is whether the word stands in the first text or in the second."""
    noise, _ = texts(200, 0, 3)
    first = [n % 2 == 0 for n in range(200)]
    data = Examples(
        tuple("bell " * here + text for here, text in zip(first, noise, strict=True)),
        tuple("bell " * (not here) + text for here, text in zip(first, noise, strict=True)),
        tuple("first" if here else "second" for here in first),
        tuple(range(200)),
        "x",
        "classify",
    )
    assert fit(system, data).validation["accuracy"] > 0.9


@pytest.mark.parametrize("system", SMALL, ids=lambda system: system.name)
def test_values(system):
    found, numbers = texts(200, 0, 3)
    data = Examples(tuple(found), None, tuple(2.0 * numbers), tuple(range(200)), "x", "regress")
    fitted = fit(system, data, "spearman")
    answers = fitted.answers("float", data)
    # What is chosen by ranks may be shrunk, so distances to the values say nothing.
    assert np.corrcoef(answers, numbers)[0, 1] > 0.85
    assert fitted.validation["pearson"] > 0.8
    assert fitted.size("float").constants <= BUDGET


def test_work_is_one_product_for_each_feature_and_vector():
    data = classify()
    fitted = fit(TfIdf("t", "T.", None), data)
    known, unknown = "alarm w1 w1", "zzz"  # alarm, w1 and perhaps pairs of them; nothing
    rows = Examples((known, unknown), None, None, (0, 1), "x", "classify")
    features = fitted.chosen.model.features([known.split(), [unknown]]).nnz
    assert features >= 2
    work = fitted.work("float", rows)
    assert (work.tokens, work.macs) == (2.0, round(features / 2 * 3))


def test_the_features():
    assert list(peer._grams(["a", "b", ">c"])) == ["a", "b", ">c", "a b", "b >c"]
    assert list(peer._grams([])) == []
    found = list(peer._all_grams(["ab", ">cd"]))
    assert found[:3] == ["ab", ">cd", "ab >cd"]
    assert found[3:] == ["# ab", "#ab ", "# ab ", "># cd", ">#cd ", "># cd "]


@pytest.mark.parametrize("system", SMALL, ids=lambda system: system.name)
def test_without_the_package_the_message_says_what_to_install(system, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises(MissingExtraError, match=r'pip install "embbert\[train\]"'):
        system.fit(classify(), metric="accuracy", seed=0, folder=None)


def test_systems():
    assert {system.name: system.budget for system in TFIDF} == {
        "tfidf-781k": 781_056,
        "tfidf-2m": 2_000_000,
        "tfidf-20000": None,
        "hashed-781k": 781_056,
        "hashed-2m": 2_000_000,
    }
    assert [after / before for before, after in pairwise(STRENGTHS)] == [4] * (len(STRENGTHS) - 1)
    assert STRENGTHS[0] < 1 / 16
    assert STRENGTHS[-1] > 256
