"""Both models under one budget: what is tried, which one is kept, what is said and what is left behind."""

import dataclasses

import pytest

import folders
from embbert.config import TrainConfig
from embbert.data import Examples
from embbert.errors import UsageError
from embbert.footprint import STACK_BYTES, deployed
from embbert.store import load_model
from embbert.text.tables import tables_of
from embbert.train import auto
from embbert.train.auto import LENGTHS, AutoRequest, embbert_within, total_bytes, train_auto

LABELS = ("lights", "music", "weather")
ROWS = tuple(f"{word} {thing} {n}" for word in LABELS for thing in ("on", "off", "now") for n in "abcd")
TRAIN = Examples(
    ROWS, None, tuple(row.split()[0] for row in ROWS), tuple(range(1, len(ROWS) + 1)), "x.csv", "classify"
)


def asked(tmp_path, **changes):
    values = {
        "train": TRAIN,
        "test": None,
        "out": tmp_path / "m",
        "budget": 100 << 10,
        "config": TrainConfig(),
    }
    return AutoRequest(**{**values, **changes})


@pytest.fixture
def trained(monkeypatch):
    """The requests for EmbBERT; it is not trained, and scores what `trained.score` says."""

    class Trained(list):
        score = 0.5

    requests = Trained()

    def finetune(request):
        requests.append(request)
        folders.small_folder(request.out)
        return {"validation": {"accuracy": requests.score, "loss": 1.0}, "float": {}, "int8": {}}

    monkeypatch.setattr(auto, "finetune", finetune)
    return requests


@pytest.mark.parametrize(("score", "kept"), [(0.25, "linear"), (1.0, "linear"), (1.5, "embbert")])
def test_the_better_is_kept_and_of_equals_the_smaller(tmp_path, trained, capsys, score, kept):
    trained.score = score
    metrics = train_auto(asked(tmp_path))
    assert metrics["auto"] == {
        "kept": kept,
        "budget": 100 << 10,
        "accuracy": {"linear": 1.0, "embbert": score},
    }
    folder = load_model(tmp_path / "m")
    assert folder.config.architecture == kept
    assert folder.metrics["auto"]["kept"] == kept
    assert folder.integer()
    assert f"linear 1.0000, embbert {score:.4f}; kept the {kept} model" in capsys.readouterr().err
    assert not (tmp_path / "m.auto").exists()


def test_both_have_the_same_rows_and_settings(tmp_path, trained):
    config = TrainConfig(seed=5, score="mcc", validation_fraction=0.2)
    trained.score = -1.0
    with pytest.raises(KeyError, match="mcc"):  # which the stand-in for EmbBERT does not measure
        train_auto(asked(tmp_path, config=config, restart=True, precision="float32"))
    (request,) = trained
    assert (request.restart, request.precision, request.train) == (True, "float32", TRAIN)
    assert dataclasses.replace(request.config, learning_rate=config.learning_rate) == config
    linear = load_model(tmp_path / "m.auto" / "linear").metrics["protocol"]
    assert (linear["seed"], linear["score"], linear["validation_fraction"]) == (5, "mcc", 0.2)


def test_without_room_for_embbert_the_linear_model_is_alone(tmp_path, trained, capsys):
    metrics = train_auto(asked(tmp_path, budget=24 << 10))
    assert not trained
    assert metrics["auto"]["accuracy"].keys() == {"linear"}
    assert "no EmbBERT fits 24,576 bytes" in capsys.readouterr().err


def test_an_embbert_that_turns_out_too_large_is_not_kept(tmp_path, trained, monkeypatch, capsys):
    trained.score = 2.0
    monkeypatch.setattr(auto, "total_bytes", lambda _: (100 << 10) + 1)
    assert train_auto(asked(tmp_path))["auto"]["kept"] == "linear"
    assert "takes 102,401 bytes and is out of the running" in capsys.readouterr().err


def test_an_existing_folder_is_refused_before_anything(tmp_path, trained):
    folders.small_folder(tmp_path / "m")
    with pytest.raises(UsageError, match="--overwrite"):
        train_auto(asked(tmp_path))
    assert not trained
    train_auto(asked(tmp_path, overwrite=True))


def test_what_fits_is_the_longest_of_the_largest(tmp_path):
    found = {}
    for budget in (64, 128, 192, 256, 400, 512, 2048):
        fitting = embbert_within(asked(tmp_path, budget=budget << 10))
        if fitting is not None:
            model, base = fitting
            assert base is None
            found[budget] = (model.hidden_size, model.num_layers, model.max_length)
            tables = auto.TOKEN_BYTES * model.vocab_size + auto.ALPHABET_BYTES
            assert deployed(model, 3).total + tables + STACK_BYTES <= budget << 10
    assert found[2048] == (128, 4, 256)
    sizes = list(found.values())
    assert sizes == sorted(sizes)
    assert len(set(sizes)) >= 4


def test_a_base_brings_its_tables_and_its_positions(tmp_path):
    base = folders.small_base(tmp_path / "base", max_length=64)
    tables = tables_of(base.tokenizer).bytes + STACK_BYTES
    for length in (64, 48, 32):
        least = deployed(base.fitted(length), 3).total + tables
        request = asked(tmp_path, base=str(base.path), budget=least)
        assert embbert_within(request)[0].max_length == length
        model, _ = embbert_within(dataclasses.replace(request, budget=10**6, max_length=length))
        assert model.max_length == length
    assert embbert_within(dataclasses.replace(request, budget=least - 1)) is None
    assert tuple(sorted(LENGTHS, reverse=True)) == LENGTHS


def test_total_bytes_are_those_of_an_export(tmp_path):
    from embbert.emit.c99 import contents
    from embbert.quant.plan_io import load_plan

    folder = folders.small_folder(tmp_path / "m")
    stated = contents(folder, load_plan(folder), "model")[1]["bytes"]
    assert total_bytes(folder) == sum(stated[n] for n in ("constants", "tokenizer", "arena", "stack"))
