"""fastText stays within its budget, repeats itself, and answers classes, pairs and values."""

import json
import sys
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest

from embbert.bench import fasttext as peer
from embbert.bench.fasttext import FASTTEXT, LEVELS, RECIPES, FastText, Recipe
from embbert.data import Examples
from embbert.errors import CheckFailed, MissingExtraError

QUICK = (
    Recipe(lr=0.5, epoch=5, wordNgrams=2, minn=0, maxn=0, bucket=1000),
    Recipe(lr=1e-6, epoch=1, wordNgrams=1, minn=0, maxn=0),
)
BUDGET = 22_000
NAMES = ("alarm", "light", "music")


def texts(count, seed):
    """[count] texts of which the first word says the class, and their classes."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, len(NAMES), count)
    noise = [" ".join(f"w{word}" for word in row) for row in rng.integers(0, 400, (count, 4))]
    return [f"{NAMES[number]} {words}" for number, words in zip(classes, noise, strict=True)], classes


def classify(count=300, seed=0):
    found, classes = texts(count, seed)
    return Examples(
        tuple(found), None, tuple(NAMES[n] for n in classes), tuple(range(count)), "x", "classify"
    )


def fit(folder, data, metric="accuracy", *, recipes=QUICK[:1], seed=0):
    folder.mkdir()
    return FastText("f", "F.", BUDGET, recipes).fit(data, metric=metric, seed=seed, folder=folder)


@pytest.fixture
def installed():
    pytest.importorskip("fasttext")


def test_a_file_within_the_budget_that_answers(installed, tmp_path):
    fitted = fit(tmp_path / "a", classify())
    test = classify(60, seed=1)
    truth = np.array([NAMES.index(name) for name in test.targets])
    assert np.mean(fitted.answers("float", test) == truth) > 0.9
    size = fitted.size("float")
    assert BUDGET - 1500 < size.constants <= BUDGET  # it uses what it may
    assert size.constants == (tmp_path / "a" / "f" / "0.ftz").stat().st_size
    assert (size.arena, size.stack, size.tokenizer) == (None, None, 0)
    assert fitted.work("float", test) is None


def test_rows_in_order_of_their_classes_are_mixed(installed, tmp_path):
    data = classify()
    order = sorted(range(len(data)), key=lambda row: data.targets[row])
    fitted = fit(tmp_path / "a", data.take(order))
    lines = (tmp_path / "a" / "f" / "train.txt").read_text().splitlines()
    labels = [line.split()[0] for line in lines]
    assert sum(one != other for one, other in pairwise(labels)) > len(labels) / 3
    test = classify(60, seed=1)
    truth = np.array([NAMES.index(name) for name in test.targets])
    assert np.mean(fitted.answers("float", test) == truth) > 0.9


def test_the_file_alone_answers_the_same(installed, tmp_path):
    import fasttext

    test = classify(20, seed=1)
    fitted = fit(tmp_path / "a", classify())
    loaded = fasttext.load_model(str(tmp_path / "a" / "f" / "0.ftz"))
    assert loaded.is_quantized()
    labels = [loaded.f.predict(f"{text}\n", 1, 0.0, "strict")[0][1] for text in test.texts]
    assert [f"__label__{answer}" for answer in fitted.answers("float", test)] == labels


def test_one_seed_makes_one_file_and_another_another(installed, tmp_path):
    data = classify()
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(tmp_path / name, data, seed=seed)
        files.append((tmp_path / name / "f" / "0.ftz").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_settings_say_how_to_make_it_again(installed, tmp_path):
    fitted = fit(tmp_path / "a", classify(), recipes=QUICK, seed=3)
    assert fitted.curve == ()
    settings = json.loads(json.dumps(fitted.settings))
    assert settings["recipe"] == asdict(QUICK[0])
    assert settings["recipes"] == [asdict(recipe) for recipe in QUICK]
    assert settings["validation_of_each"] == fitted.chosen.tried
    assert fitted.validation["accuracy"] == max(fitted.chosen.tried) > min(fitted.chosen.tried)
    assert (settings["budget"], settings["seed"], settings["second_text"]) == (BUDGET, 3, ">")
    assert settings["rows_kept"] >= 256


def test_the_second_text_counts_for_itself(installed, tmp_path):
    """The class is whether the word stands in the first text or in the second."""
    count = 300
    noise, _ = texts(count, 0)
    first = [n % 2 == 0 for n in range(count)]
    data = Examples(
        tuple("bell " * here + text for here, text in zip(first, noise, strict=True)),
        tuple("bell " * (not here) + text for here, text in zip(first, noise, strict=True)),
        tuple("first" if here else "second" for here in first),
        tuple(range(count)),
        "x",
        "classify",
    )
    assert fit(tmp_path / "a", data).validation["accuracy"] > 0.9


def test_values_are_means_of_levels(installed, tmp_path):
    found, classes = texts(300, 0)
    data = Examples(tuple(found), None, tuple(2.0 * classes), tuple(range(300)), "x", "regress")
    fitted = fit(tmp_path / "a", data, "spearman")
    answers = fitted.answers("float", data)
    assert answers.dtype == np.float64
    assert 0.0 <= answers.min() < answers.max() <= 4.0
    assert len(np.unique(answers.round(6))) > LEVELS
    assert fitted.validation["pearson"] > 0.9
    assert fitted.chosen.model.levels.tolist() == pytest.approx([0.0, 0.8, 1.6, 2.4, 3.2, 4.0])


def test_what_is_too_small_to_quantise_stays_whole(installed, tmp_path):
    data = classify(40)
    fitted = fit(tmp_path / "a", data, recipes=(Recipe(0.5, 5, 1, 0, 0),))
    assert not fitted.chosen.model.program.is_quantized()
    assert fitted.size("float").constants <= BUDGET


def test_a_file_over_the_budget_is_no_result(installed, tmp_path, monkeypatch):
    monkeypatch.setattr(peer, "_affordable", lambda program, budget: 1000)
    with pytest.raises(CheckFailed, match=r"bytes where 22,000 were asked for"):
        fit(tmp_path / "a", classify())


def test_without_the_package_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(MissingExtraError, match=r'pip install "embbert\[peers\]"'):
        fit(tmp_path / "a", classify())


def test_systems_and_recipes():
    assert {system.name: system.budget for system in FASTTEXT} == {
        "fasttext-781k": 781_056,
        "fasttext-2m": 2_000_000,
    }
    assert 4 <= len(set(RECIPES)) == len(RECIPES) <= 6
    assert {recipe.wordNgrams for recipe in RECIPES} == {1, 2}
    assert any(recipe.maxn for recipe in RECIPES)
