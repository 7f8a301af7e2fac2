"""A model that the same request has made already is told from any other."""

import dataclasses

import pytest

import folders
from embbert.config import EmbbertConfig, TrainConfig
from embbert.data import Examples
from embbert.train.finetune import finetune
from embbert.train.finished import finished
from embbert.train.prepare import Request

TEXTS = tuple(f"{word} {n}" for word in ("open", "close") for n in "abcdefghij")
MODEL = EmbbertConfig(max_length=8, hidden_size=8, embedding_size=4, kernel_size=4, num_layers=1)


def rows(texts=TEXTS, source="x.csv"):
    targets = tuple(text.split()[0] for text in texts)
    return Examples(texts, None, targets, tuple(range(1, len(texts) + 1)), source, "classify")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A request from scratch and one from a base, both done."""
    place = tmp_path_factory.mktemp("finished")
    config = TrainConfig(epochs=1, batch_size=8, warmup_steps=1)
    base = folders.small_base(place / "base")
    scratch = Request(rows(), None, MODEL, config, place / "scratch")
    based = Request(rows(), rows(TEXTS[::3]), base.fitted(), config, place / "based", base=base)
    for request in (scratch, based):
        finetune(request)
    return {"scratch": scratch, "based": based}


@pytest.mark.parametrize("kind", ["scratch", "based"])
def test_the_same_request_is_done(made, kind):
    metrics = finished(made[kind])
    assert metrics["protocol"]["epochs_run"] == 1
    assert finished(dataclasses.replace(made[kind], overwrite=True, precision="float32")) == metrics


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("scratch", {"restart": True}),
        ("scratch", {"train": rows(TEXTS[1:])}),
        ("scratch", {"train": rows(source="y.csv")}),
        ("scratch", {"test": rows(TEXTS[::2])}),
        ("scratch", {"config": TrainConfig(epochs=1, batch_size=8, warmup_steps=1, seed=1)}),
        ("scratch", {"model": dataclasses.replace(MODEL, max_length=7)}),
        ("scratch", {"model": dataclasses.replace(MODEL, vocab_size=10)}),
        ("scratch", {"vocab_size": 17}),
        ("scratch", {"boundary": "none"}),
        ("based", {"base": None}),
        ("based", {"test": None}),
        ("based", {"test": rows(TEXTS[::2])}),
        ("based", {"model": EmbbertConfig()}),
    ],
)
def test_any_other_is_not(made, kind, changes):
    assert finished(dataclasses.replace(made[kind], **changes)) is None


def test_another_base_of_the_same_shape_is_not(made, tmp_path):
    other = folders.small_base(tmp_path / "base", seed=1)
    assert finished(dataclasses.replace(made["based"], base=other)) is None


def test_nothing_damaged_and_foreign_are_not(made, tmp_path):
    request = dataclasses.replace(made["scratch"], out=tmp_path / "m")
    assert finished(request) is None
    folder = folders.small_folder(tmp_path / "m")
    assert finished(request) is None
    (folder.path / "config.json").write_text("{")
    assert finished(request) is None
