"""All models under one budget: what is tried, which one is kept, what is said and what is left behind."""

import dataclasses

import pytest
import torch

import folders
from embbert.config import TrainConfig
from embbert.data import Examples
from embbert.errors import DataError, UsageError
from embbert.store import load_model, save_model
from embbert.text.tables import tables_of
from embbert.train import auto
from embbert.train.auto import AutoRequest, embbert_within, train_auto
from embbert.train.both import ROOM
from embbert.train.budget import folder_bytes, model_bytes, untrained_tables

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
    """The requests for EmbBERT; it is not trained, and scores what `trained.score` says.

    N-grams add `trained.gain` to that, with a share of `trained.share`.
    """

    class Trained(list):
        score, gain, share = 0.5, 0.0, 0.0

    requests = Trained()

    def finetune(request):
        requests.append(request)
        parts = folders.parts()
        parts["metrics"] |= {"validation": {"accuracy": requests.score, "loss": 1.0}}
        save_model(request.out, **parts, overwrite=request.overwrite)
        return parts["metrics"]

    def join(folder, request, budget):
        score = {"accuracy": requests.score + requests.gain, "loss": 1.0}
        metrics = {**folder.metrics, "both": {"share": requests.share, "budget": budget}, "validation": score}
        if requests.share:
            # In place of the model of both: EmbBERT again, with more tokens.
            parts = folders.parts(max_length=32)
            save_model(request.out, **{**parts, "metrics": metrics})
        return metrics

    monkeypatch.setattr(auto, "finetune", finetune)
    monkeypatch.setattr(auto, "join", join)
    return requests


@pytest.mark.parametrize(
    ("score", "gain", "share", "kept"),
    [
        (0.25, 0.0, 0.0, "linear"),
        (1.0, 0.0, 0.5, "linear"),
        (1.5, 0.5, 0.0, "embbert"),
        (1.5, 0.0, 0.5, "embbert"),
        (1.5, 0.25, 0.5, "both"),
        (0.75, 0.5, 0.5, "both"),
    ],
)
def test_the_best_is_kept_and_of_equals_the_smaller(tmp_path, trained, capsys, score, gain, share, kept):
    trained.score, trained.gain, trained.share = score, gain, share
    metrics = train_auto(asked(tmp_path))
    told = metrics["auto"]
    assert (told["kept"], told["budget"]) == (kept, 100 << 10)
    both = {"both": score + gain} if share else {}
    assert told["accuracy"] == {"linear": 1.0, "embbert": score, **both}
    assert told["bytes"].keys() == told["accuracy"].keys()
    assert told["bytes"]["linear"] < told["bytes"]["embbert"]
    folder = load_model(tmp_path / "m")
    assert (folder.config.architecture == "linear") == (kept == "linear")
    assert folder.metrics["auto"] == told
    assert folder_bytes(folder).total == told["bytes"][kept]
    assert folder.integer()
    said = capsys.readouterr().err
    assert f"linear 1.0000 ({told['bytes']['linear']:,} bytes), embbert {score:.4f}" in said
    assert f"; kept {kept}" in said
    assert not (tmp_path / "m.auto").exists()


def test_of_equals_the_smaller_may_be_embbert(tmp_path, trained, monkeypatch):
    trained.score = 1.0
    real = folder_bytes

    def sized(folder):
        more = 10**6 if folder.config.architecture == "linear" else 0
        return dataclasses.replace(real(folder), constants=real(folder).constants + more)

    monkeypatch.setattr(auto, "folder_bytes", sized)
    assert train_auto(asked(tmp_path))["auto"]["kept"] == "embbert"


def test_all_have_the_same_rows_and_settings(tmp_path, trained, monkeypatch):
    config = TrainConfig(seed=5, score="mcc", validation_fraction=0.2)
    joined = []
    monkeypatch.setattr(auto, "join", lambda *given: joined.append(given) or {"both": {"share": 0.0}})
    with pytest.raises(KeyError, match="mcc"):  # which the stand-in for EmbBERT does not measure
        train_auto(asked(tmp_path, config=config, restart=True, precision="float32"))
    (request,) = trained
    assert (request.restart, request.precision, request.train) == (True, "float32", TRAIN)
    assert dataclasses.replace(request.config, learning_rate=config.learning_rate) == config
    ((_, other, budget),) = joined
    assert other == dataclasses.replace(request, out=tmp_path / "m.auto" / "both")
    assert budget == 100 << 10
    linear = load_model(tmp_path / "m.auto" / "linear").metrics["protocol"]
    assert (linear["seed"], linear["score"], linear["validation_fraction"]) == (5, "mcc", 0.2)


def test_without_room_for_embbert_the_linear_model_is_alone(tmp_path, trained, capsys):
    metrics = train_auto(asked(tmp_path, budget=24 << 10))
    assert not trained
    assert metrics["auto"]["accuracy"].keys() == {"linear"}
    assert "no EmbBERT fits 24,576 bytes" in capsys.readouterr().err


FEW = Examples(("a a", "b b", "a", "b"), None, ("x", "y", "x", "y"), (1, 2, 3, 4), "x.csv", "classify")


def test_a_linear_model_that_cannot_be_made_is_left_out(tmp_path, trained, capsys):
    metrics = train_auto(asked(tmp_path, train=FEW))
    assert metrics["auto"]["accuracy"] == {"embbert": 0.5}
    assert load_model(tmp_path / "m").config.architecture == "embbert"
    assert "6 are the fewest; there is no linear model" in capsys.readouterr().err
    assert not (tmp_path / "m.auto").exists()


def test_without_any_model_that_can_be_made_it_is_said_why(tmp_path, trained):
    with pytest.raises(DataError, match="6 are the fewest"):
        train_auto(asked(tmp_path, train=FEW, budget=24 << 10))
    assert not trained


def test_an_embbert_that_turns_out_too_large_is_not_kept(tmp_path, trained, monkeypatch, capsys):
    trained.score, trained.share = 2.0, 0.5
    sizes = dataclasses.replace(folder_bytes(folders.small_folder(tmp_path / "x")), constants=100 << 10)
    monkeypatch.setattr(auto, "folder_bytes", lambda _: sizes)
    metrics = train_auto(asked(tmp_path))
    assert metrics["auto"]["accuracy"].keys() == {"linear"}
    assert f"takes {sizes.total:,} bytes and is out of the running" in capsys.readouterr().err


def test_what_was_trained_is_not_trained_again(tmp_path, trained, monkeypatch):
    done = []
    monkeypatch.setattr(auto, "finished", lambda request: done.append(request) or {})
    folders.small_folder(tmp_path / "m.auto" / "embbert")
    with pytest.raises(KeyError):  # the stand-in was not measured on validation rows
        train_auto(asked(tmp_path))
    assert not trained
    assert done[0].out == tmp_path / "m.auto" / "embbert"


def test_a_process_that_does_not_lead_only_takes_part_in_embbert(tmp_path, trained, monkeypatch):
    class Follower:
        is_main_process, device, num_processes = False, torch.device("cpu"), 2

    monkeypatch.setattr(auto, "accelerator", Follower)
    assert train_auto(asked(tmp_path)) == {}
    assert len(trained) == 1
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "m.auto" / "linear").exists()


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
            tables = untrained_tables(model.vocab_size)
            assert model_bytes(model, 3, tables).total <= budget << 10
    assert found[2048] == (128, 4, 256)
    sizes = list(found.values())
    assert sizes == sorted(sizes)
    assert len(set(sizes)) >= 4


def test_a_base_brings_its_tables_and_its_positions(tmp_path):
    base = folders.small_base(tmp_path / "base", max_length=64)
    tables = tables_of(base.tokenizer).bytes
    for length in (64, 48, 32):
        least = model_bytes(base.fitted(length), 3, tables).total
        request = asked(tmp_path, base=str(base.path), budget=least + ROOM)
        assert embbert_within(request)[0].max_length == length
        model, _ = embbert_within(dataclasses.replace(request, budget=10**6, max_length=length))
        assert model.max_length == length
    # Where no length leaves room for n-grams, the longest without them.
    for length in (48, 32):
        least = model_bytes(base.fitted(length), 3, tables).total
        assert embbert_within(dataclasses.replace(request, budget=least))[0].max_length == length
    assert embbert_within(dataclasses.replace(request, budget=least - 1)) is None
    with pytest.raises(UsageError, match="reads at most 64 tokens"):
        embbert_within(dataclasses.replace(request, max_length=65))


def test_all_for_real(tmp_path):
    config = TrainConfig(epochs=1, batch_size=8, warmup_steps=1)
    base = folders.small_base(tmp_path / "base", max_length=40)
    metrics = train_auto(asked(tmp_path, base=str(base.path), config=config, budget=64 << 10))
    assert metrics["auto"]["accuracy"].keys() >= {"linear", "embbert"}
    assert all(size <= 64 << 10 for size in metrics["auto"]["bytes"].values())
    assert load_model(tmp_path / "m").integer()


def test_what_cannot_work_is_said_before_anything_is_trained(tmp_path, trained, monkeypatch):
    monkeypatch.setattr(auto, "train_linear", lambda _: pytest.fail("trained already"))
    with pytest.raises(UsageError, match="there is no base"):
        train_auto(asked(tmp_path, base="embbert-bse"))
    (tmp_path / "m.auto").mkdir()
    (tmp_path / "m.auto" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt is in the way"):
        train_auto(asked(tmp_path))
    assert (tmp_path / "m.auto" / "notes.txt").read_text() == "mine"


def test_the_rate_from_scratch_may_be_asked_for(tmp_path, trained):
    train_auto(asked(tmp_path, scratch_rate=5e-4))
    assert trained[0].config.learning_rate == 5e-4
