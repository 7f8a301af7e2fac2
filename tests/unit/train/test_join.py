"""N-grams added to a fine-tuned model: the share, the sum, the bytes, and what is saved."""

import dataclasses

import numpy as np
import pytest

import factory
import folders
import linears
from embbert.config import TrainConfig
from embbert.data import Examples
from embbert.errors import ModelError, UsageError
from embbert.quant.build import quantize
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import predict
from embbert.quant.spec import LOGIT_ONE
from embbert.store import load_model
from embbert.train import join as module
from embbert.train.budget import folder_bytes
from embbert.train.evaluate import stored_logits
from embbert.train.join import SHARES, best_share, fold, join, ranked
from embbert.train.linear_fit import Setting
from embbert.train.metrics import measure
from embbert.train.ngram_model import Counted, Parted
from embbert.train.prepare import Request
from embbert.train.schedule import Rank

LABELS = ("lights", "music", "weather")
ROWS = tuple(f"{word} {thing} {n}" for word in LABELS for thing in ("on", "off", "now") for n in "abcdefgh")
TARGETS = tuple(row.split()[0] for row in ROWS)


def rows(texts=ROWS, targets=TARGETS, pairs=None, task="classify"):
    return Examples(texts, pairs, targets, tuple(range(1, len(texts) + 1)), "x.csv", task)


def plain(path, task="classify", **settings):
    """A model with random weights, of little use."""
    folder = folders.small_folder(path, task, **settings)
    folder.metrics["base"] = "none"
    return folder


def asked(tmp_path, folder, **changes):
    values = {"train": rows(), "test": None, "model": folder.config, "config": TrainConfig()}
    return Request(**{**values, "out": tmp_path / "joint", **changes})


def join_of(tmp_path, folder, budget, **changes):
    join(folder, asked(tmp_path, folder, overwrite=True, **changes), budget)
    return load_model(tmp_path / "joint")


def test_a_folder_of_both(tmp_path, capsys):
    alone = plain(tmp_path / "m")
    budget = folder_bytes(alone).total + 3000
    metrics = join(alone, asked(tmp_path, alone), budget)
    folder = load_model(tmp_path / "joint")
    config = folder.config
    assert dataclasses.replace(config, ngrams=0, max_ngrams=0) == alone.config
    assert (config.ngrams, config.max_ngrams) == (folder.tokenizer.ngrams.vocab_size, 64)
    assert folder.tokenizer.tokens.to_json() == alone.tokenizer.to_json()
    assert folder.tokenizer.ngrams.characters == alone.tokenizer.alphabet
    assert metrics["float"]["accuracy"] == metrics["int8"]["accuracy"] == 1.0
    assert metrics["base"] == "none"
    both = metrics["both"]
    assert both["alone"]["embbert"] == {name: alone.metrics[name] for name in ("float", "int8")}
    assert both["alone"]["ngrams"]["float"]["accuracy"] == 1.0
    assert both["share"] > 0
    assert [each["share"] for each in both["shares"]] == list(SHARES)
    assert metrics["validation"].keys() == {"accuracy", "loss"}
    assert metrics["validation"] == {
        name: value
        for each in both["shares"]
        if each["share"] == both["share"]
        for name, value in each.items()
        if name != "share"
    }
    assert f"chosen {both['share']:.1f}" in capsys.readouterr().err
    # What was measured is what is stored.
    held = Parted.of(rows(), 0.1, 0).validation
    ids = folder.tokenizer.encode_batch(held.texts, max_length=config.max_length)
    integers = predict(load_plan(folder), ids) / LOGIT_ONE
    floats = stored_logits(config, folder.weights(), ids)
    assert np.abs(integers - floats).max() < 0.1 * np.abs(floats).max()
    targets = Parted.of(rows(), 0.1, 0).held_targets
    assert measure("classify", targets, integers) == folder.metrics["int8"]
    assert measure("classify", targets, floats) == folder.metrics["float"]


@pytest.mark.parametrize("more", [450, 600, 601, 602])
def test_the_bytes_of_the_export_are_within_the_budget_and_use_it_up(tmp_path, more):
    from embbert.emit.c99 import contents

    alone = plain(tmp_path / "m")
    budget = folder_bytes(alone).total + more
    metrics = join(alone, asked(tmp_path, alone), budget)
    folder = load_model(tmp_path / "joint")
    stated = contents(folder, load_plan(folder), "model")[1]["bytes"]
    found = {name: stated[name] for name in ("constants", "tokenizer", "arena", "stack")}
    assert metrics["bytes"] == {**found, "total": sum(found.values())}
    # One n-gram more is 3 weights and 2 bytes of table; a power of two more doubles the buckets.
    assert budget - 64 < metrics["bytes"]["total"] <= budget


def test_the_arena_holds_what_is_known_not_all_there_is(tmp_path):
    texts = tuple(f"{row} {' '.join(f'q{n}z{m}' for n in range(9))}" for m, row in enumerate(ROWS))
    alone = plain(tmp_path / "m")
    train = rows(texts)
    most = Counted.of(Parted.of(train, 0.1, 0), characters=alone.tokenizer.alphabet).max_length
    folder = join_of(tmp_path, alone, folder_bytes(alone).total + 2 * most + 400, train=train)
    ids = folder.tokenizer.ngrams.encode_batch(texts, max_length=most)
    assert 2 * max(map(len, ids)) <= folder.config.max_ngrams < most


def test_without_bytes_for_any_the_model_stays_as_it_is(tmp_path, capsys):
    alone = plain(tmp_path / "m")
    metrics = join(alone, asked(tmp_path, alone), folder_bytes(alone).total + 50)
    assert metrics["both"]["share"] == 0.0
    assert metrics["float"] == alone.metrics["float"]
    assert not (tmp_path / "joint").exists()
    assert "leave none for n-grams" in capsys.readouterr().err


def test_with_too_few_ngrams_the_model_stays_as_it_is(tmp_path, capsys):
    alone = plain(tmp_path / "m")
    unknown = tuple("αβγδζηθκλμνξ")  # one n-gram to this alphabet, whatever they are
    train = rows(unknown, LABELS * 4)
    metrics = join(alone, asked(tmp_path, alone, train=train), folder_bytes(alone).total + 3000)
    assert metrics == {**alone.metrics, "both": {"share": 0.0, "budget": metrics["both"]["budget"]}}
    assert not (tmp_path / "joint").exists()
    assert "6 are the fewest; none are added" in capsys.readouterr().err


def test_with_no_ngram_at_all_the_model_stays_as_it_is(tmp_path, capsys):
    """As of texts of signs that are dropped."""
    alone = plain(tmp_path / "m")
    train = rows(tuple("\u200b" * count for count in range(1, 13)), LABELS * 4)
    metrics = join(alone, asked(tmp_path, alone, train=train), folder_bytes(alone).total + 3000)
    assert metrics["both"]["share"] == 0.0
    assert "have 0 n-grams to learn from; 6 are the fewest; none are added" in capsys.readouterr().err


def test_ngrams_that_are_of_no_use_are_left_out(tmp_path, monkeypatch):
    alone = plain(tmp_path / "m")
    monkeypatch.setattr(module, "best_share", lambda *_: 0.0)
    metrics = join(alone, asked(tmp_path, alone), folder_bytes(alone).total + 3000)
    assert metrics["both"]["share"] == 0.0
    assert metrics["validation"]["accuracy"] == metrics["both"]["shares"][0]["accuracy"]
    assert metrics["int8"] == alone.metrics["int8"]
    assert not (tmp_path / "joint").exists()


def test_test_rows_are_measured_and_choose_nothing(tmp_path):
    alone = plain(tmp_path / "m")
    budget = folder_bytes(alone).total + 3000
    without = join(alone, asked(tmp_path, alone), budget)
    wrong = rows(ROWS, tuple(LABELS[(LABELS.index(target) + 1) % 3] for target in TARGETS))
    metrics = join(alone, asked(tmp_path, alone, test=wrong, overwrite=True), budget)
    assert metrics["both"]["shares"] == without["both"]["shares"]
    assert metrics["float"]["accuracy"] == metrics["int8"]["accuracy"] == 0.0
    assert metrics["both"]["alone"]["ngrams"]["float"]["accuracy"] == 0.0


def test_pairs_and_values(tmp_path):
    values = tuple(100.0 + 10 * LABELS.index(target) for target in TARGETS)
    texts = tuple("same words" for _ in ROWS)
    alone = plain(tmp_path / "m", "regress", pair=True)
    train = rows(texts, values, ROWS, "regress")
    metrics = join(alone, asked(tmp_path, alone, train=train), folder_bytes(alone).total + 3000)
    folder = load_model(tmp_path / "joint")
    assert (folder.pair, folder.task, folder.labels) == (True, "regress", ())
    assert metrics["int8"]["spearman"] > 0.8
    assert metrics["both"]["share"] == 0.8  # whatever is learned of values around 100 beats values around 0
    assert all(ngram.second for ngram in folder.tokenizer.ngrams.ngrams if "music" in ngram.text)


def test_rare_classes_can_count_more(tmp_path):
    alone, train = plain(tmp_path / "m"), rows().take([*range(24), *range(24, 30), *range(48, 60)])
    budget = folder_bytes(alone).total + 3000
    logits = []
    for weighed in (False, True):
        config = TrainConfig(class_weights=weighed)
        folder = join_of(tmp_path, alone, budget, train=train, config=config)
        ids = folder.tokenizer.encode_batch(ROWS, max_length=folder.config.max_length)
        logits.append(stored_logits(folder.config, folder.weights(), ids).mean(axis=0))
    plain_odds, weighed_odds = (each[1] - each[[0, 2]].mean() for each in logits)
    assert weighed_odds > plain_odds + 0.1  # the rare class is music


def test_training_rows_from_all_over_calibrate(tmp_path, monkeypatch):
    alone, quantized = plain(tmp_path / "m"), []

    def record(config, weights, outputs, texts):
        quantized.append(texts)
        return quantize(config, weights, outputs, texts)

    monkeypatch.setattr(module, "quantize", record)
    monkeypatch.setattr("embbert.quant.calibrate.CALIBRATION_TEXTS", 20)
    folder = join_of(tmp_path, alone, folder_bytes(alone).total + 3000)
    texts = Parted.of(rows(), TrainConfig().validation_fraction, TrainConfig().seed).training.texts
    assert len(texts) > 40
    wanted = folder.tokenizer.encode_batch(texts, max_length=folder.config.max_length)
    assert quantized[-1] == wanted[:: -(-len(texts) // 20)]


def test_what_has_ngrams_already_or_only_those_is_refused(tmp_path):
    alone = plain(tmp_path / "m")
    joint = join_of(tmp_path, alone, folder_bytes(alone).total + 3000)
    linear = linears.linear_folder(tmp_path / "l")
    for folder in (joint, linear):
        with pytest.raises(ModelError, match="no model of tokens alone"):
            join(folder, asked(tmp_path, alone), 1 << 20)


def test_an_existing_folder_is_kept_unless_told(tmp_path):
    alone = plain(tmp_path / "m")
    budget = folder_bytes(alone).total + 3000
    join(alone, asked(tmp_path, alone), budget)
    with pytest.raises(UsageError, match="--overwrite"):
        join(alone, asked(tmp_path, alone), budget)


def test_folding_is_the_sum_of_logits():
    config = factory.small_config(ngrams=50, max_ngrams=16)
    weights = factory.random_weights(dataclasses.replace(config, ngrams=0, max_ngrams=0), 3)
    ngrams = {"head.weight": factory.noise((3, 50), 1), "head.bias": factory.noise((3,), 2)}
    ids = [[2, 9, 11], [2, 7, 37, 37, 40, 86], [2, 5, 50]]
    own = stored_logits(
        dataclasses.replace(config, ngrams=0, max_ngrams=0),
        weights,
        [row[:3] for row in ids[:1]] + [[2, 7], [2, 5]],
    )
    theirs = np.array(
        [
            ngrams["head.bias"] + ngrams["head.weight"][:, known].sum(axis=1) / np.sqrt(max(1, len(known)))
            for known in ([], [0, 0, 3, 49], [13])
        ]
    )
    found = stored_logits(config, fold(weights, ngrams, 0.3), ids)
    assert np.allclose(found, 0.7 * own + 0.3 * theirs, atol=1e-6)


def test_stored_logits_are_those_of_the_float_model(tmp_path):
    from embbert.quant.float_model import forward

    alone = plain(tmp_path / "m")
    folder = join_of(tmp_path, alone, folder_bytes(alone).total + 3000)
    ids = folder.tokenizer.encode_batch([*ROWS[:5], "???"], max_length=folder.config.max_length)
    assert min(map(len, ids)) < max(map(len, ids))
    found = stored_logits(folder.config, folder.weights(), ids)
    slow = [forward(folder.config, folder.weights(), row) for row in ids]
    assert np.allclose(found, slow, atol=1e-4)


def test_ranks_are_those_of_the_sums():
    targets = np.array([0, 1])
    own, theirs = np.array([[1.0, 0], [1, 0]]), np.array([[-3.0, 0], [-3, 0]])
    ranks = ranked("classify", targets, own, theirs, "accuracy")
    assert list(ranks) == list(SHARES)
    assert [rank.score for rank in ranks.values()] == [0.5] * 9
    # logits (1 - 4·share) and 0: the loss is least where they are equal
    assert max(ranks, key=lambda share: ranks[share].negative_loss) in (0.2, 0.3)
    values = ranked("regress", np.array([0.0, 4.0]), np.zeros((2, 1)), np.array([[0.0], [8.0]]), "pearson")
    assert values[0.5] == Rank(1.0, 0.0)
    assert values[0.0] == Rank(0.0, -8.0)


@pytest.mark.parametrize(
    ("ranks", "rows", "share"),
    [
        # told apart from the best: by score
        ({0.0: (0.5, -1.0), 0.1: (0.9, -2.0), 0.2: (0.8, -0.5)}, 10_000, 0.1),
        # not told apart: by loss
        ({0.0: (0.5, -1.0), 0.1: (0.9, -2.0), 0.2: (0.8, -0.5)}, 25, 0.2),
        # never worse than alone, however few rows
        ({0.0: (0.85, -1.0), 0.1: (0.9, -2.0), 0.2: (0.8, -0.5)}, 25, 0.0),
        # of equals the first
        ({0.0: (0.9, -1.0), 0.1: (0.9, -1.0)}, 100, 0.0),
        # the edge belongs to it
        ({0.0: (0.5, -3.0), 0.1: (0.75, -2.0), 0.2: (1.0, -2.5)}, 4, 0.1),
    ],
)
def test_the_share(ranks, rows, share):
    assert best_share({each: Rank(*rank) for each, rank in ranks.items()}, rows) == share


def test_the_setting_is_told(tmp_path):
    alone = plain(tmp_path / "m")
    both = join(alone, asked(tmp_path, alone), folder_bytes(alone).total + 3000)["both"]
    assert {field.name for field in dataclasses.fields(Setting)} <= both.keys()
