"""The system of EmbBERT and n-grams: its budget is kept, its bytes are the export's, its C answers."""

import dataclasses

import numpy as np
import pytest

import folders
from embbert.bench.both import BOTH, Both, BothModel
from embbert.bench.finetuned import Finetuned, TrainedModel
from embbert.bench.systems import SYSTEMS
from embbert.config import TrainConfig
from embbert.data import Examples
from embbert.footprint import macs, paper
from embbert.store import load_model
from embbert.train import both as training
from embbert.train.budget import ngram_bytes

ROWS = tuple(
    f"{word} the {thing} {n}"
    for word in ("open", "close")
    for thing in ("door", "gate", "box")
    for n in ("now", "here", "please")
)
LABELS = tuple(row.split()[0] for row in ROWS)
BUDGET = 64 << 10


def rows(targets=LABELS, task="classify"):
    return Examples(ROWS, None, targets, tuple(range(1, len(ROWS) + 1)), "x.csv", task)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    place = tmp_path_factory.mktemp("both")
    base = folders.small_base(place / "base")
    return Both("both-64k", "A test.", str(base.path), BUDGET).fit(
        rows(), metric="accuracy", seed=3, folder=place / "work"
    )


def test_systems_are_registered():
    assert [(system.name, system.budget, system.base) for system in BOTH] == [
        ("both-512k", 524_288, "embbert-base")
    ]
    assert all(SYSTEMS[system.name] is system for system in BOTH)
    assert all(system.precisions == ("float", "int8") for system in BOTH)


def test_the_request_is_that_of_the_command(tmp_path, monkeypatch):
    asked = []

    def train(request):
        asked.append(request)
        folders.small_folder(request.embbert.out)

    monkeypatch.setattr(training, "train_both", train)
    (system,) = BOTH
    for metric, score in (("mcc", "mcc"), ("f1", "auto")):
        system.fit(rows(), metric=metric, seed=7, folder=tmp_path / metric)
        request = asked.pop()
        assert (request.budget, request.shorten) == (524_288, True)
        assert request.embbert.config == TrainConfig(seed=7, score=score)
        assert (request.embbert.base.name, request.embbert.test) == ("embbert-base", None)
        assert request.embbert.model == request.embbert.base.fitted()
        assert request.embbert.out == tmp_path / metric / system.name
        assert request.shared == tmp_path / metric / system.base


def test_the_budget_holds_everything_but_the_code(fitted):
    size, stated = fitted.size("int8"), fitted.folder.metrics["bytes"]
    assert size.total - size.code == stated["total"] <= BUDGET
    grams = ngram_bytes(fitted.shape.ngrams)
    assert size.constants == stated["constants"] + grams
    assert size.tokenizer == stated["tokenizer"] - grams
    floating, counted = fitted.size("float"), paper(fitted.shape)
    weights = 4 * 2 * (fitted.shape.ngrams + fitted.shape.hidden_size + 1)
    assert floating.constants == counted.weights + weights + grams
    assert floating.arena == counted.activations + 2 * fitted.shape.max_ngrams
    assert floating.tokenizer == size.tokenizer


def test_answers_in_both_precisions(fitted):
    unlabelled = rows(targets=None)
    floats, integers = (fitted.answers(precision, unlabelled) for precision in ("float", "int8"))
    assert np.mean(floats == integers) > 0.9
    assert np.mean([("close", "open")[number] for number in integers] == np.array(LABELS)) > 0.9
    assert fitted.settings["rows_compared_with_specification"] == len(ROWS)


def test_settings_say_how_it_was_made(fitted):
    settings = fitted.settings
    assert settings["architecture"] == "embbert"
    assert settings["protocol"]["seed"] == 3
    assert settings["both"]["budget"] == BUDGET
    assert settings["both"]["share"] > 0
    assert settings["model"]["ngrams"] == fitted.shape.ngrams > 0
    assert len(fitted.curve) == fitted.settings["protocol"]["epochs_run"]


def test_work_counts_tokens_and_ngrams(fitted):
    work = fitted.work("int8", rows())
    ids = fitted.folder.tokenizer.encode_batch(ROWS, max_length=fitted.shape.max_length)
    first = fitted.shape.vocab_size
    tokens = np.mean([sum(index < first for index in row) for row in ids])
    ngrams = np.mean([len(row) for row in ids]) - tokens
    assert work.tokens == tokens
    assert work.macs == macs(fitted.shape, 2, round(tokens), round(ngrams))
    assert work.macs - macs(fitted.shape, 2, round(tokens), 0) == 2 * round(ngrams) > 0


def test_without_ngrams_it_is_embbert(tmp_path):
    folder = folders.small_folder(tmp_path / "m")
    told = {"base": "none", "protocol": {}, "precision": "float32", "both": {"share": 0.0}}
    folder.metrics.update(told)
    plain, model = TrainedModel(folder), BothModel(load_model(folder.path))
    unlabelled = dataclasses.replace(rows(None), source="y")
    for precision in ("float", "int8"):
        assert model.size(precision) == plain.size(precision)
        assert model.work(precision, unlabelled) == plain.work(precision, unlabelled)


def test_embbert_of_an_earlier_cell_is_not_trained_again(fitted, tmp_path, monkeypatch):
    base = fitted.folder.path.parents[1] / "base"
    alone = Finetuned("base", "A test.", str(base)).fit(rows(), metric="accuracy", seed=3, folder=tmp_path)
    assert "trained_before" not in alone.settings
    assert "trained_before" not in fitted.settings
    monkeypatch.setattr(training, "finetune", lambda _: pytest.fail("trained twice"))
    again = Both("both-64k", "A test.", str(base), BUDGET).fit(
        rows(), metric="accuracy", seed=3, folder=tmp_path
    )
    assert again.settings["trained_before"] == ["base"]
    assert again.folder.metrics == fitted.folder.metrics
    assert (tmp_path / "base" / "config.json").is_file()
