"""`embbert train --arch`: what reaches which training, and what contradicts it."""

import json

import pytest

from embbert.cli import run
from embbert.cli.options import bytes_of
from embbert.config import SCRATCH_LEARNING_RATE, preset
from embbert.errors import UsageError
from embbert.train import auto, both, linear

ROWS = [f"{word} the {thing} {i},{word}" for i in range(12) for word in ("open", "close") for thing in "ab"]
RESULT = {"float": {"accuracy": 0.5}, "int8": {"accuracy": 0.25}, "bytes": {"total": 7}}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("\n".join(["text,label", *ROWS]) + "\n")
    return str(path)


@pytest.fixture
def asked(monkeypatch):
    """The requests that would have been trained, by kind."""
    requests = {}
    for module, name in ((linear, "train_linear"), (auto, "train_auto"), (both, "train_both")):
        monkeypatch.setattr(module, name, lambda request, at=name: requests.update({at: request}) or RESULT)
    return requests


def test_a_linear_model_from_a_csv(data, tmp_path, capsys):
    out = tmp_path / "m"
    assert run(["train", data, "-o", str(out), "--arch", "linear", "--budget", "20k", "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics == json.loads((out / "metrics.json").read_text())
    assert metrics["bytes"]["total"] <= 20 * 1024
    assert run(["predict", str(out), "open the a 3"]) == 0
    assert capsys.readouterr().out.startswith("open\t")
    assert run(["eval", str(out), data]) == 0
    assert run(["quantize", str(out), "--calibrate", data]) == 0
    assert run(["size", str(out)]) == 0
    assert "n-grams" in capsys.readouterr().out
    assert run(["export", "c", str(out), "-o", str(tmp_path / "c")]) == 0
    assert (tmp_path / "c" / "embbert_ngrams.c").exists()


def test_settings_reach_the_linear_training(data, tmp_path, asked, capsys):
    line = "--arch linear --budget 64k --max-length 99 --score mcc --class-weights --seed 3 --overwrite"
    assert run(["train", data, "-o", str(tmp_path / "m"), "--test", data, *line.split()]) == 0
    request = asked["train_linear"]
    assert (request.budget, request.max_length, request.score) == (65536, 99, "mcc")
    assert (request.class_weights, request.seed, request.overwrite) == (True, 3, True)
    assert len(request.test) == len(request.train) == len(ROWS)
    assert capsys.readouterr().out == "float accuracy\t0.5000\nint8 accuracy\t0.2500\ntotal bytes\t7\n"


def test_settings_reach_embbert_with_ngrams(data, tmp_path, asked):
    line = "--arch both --base none --preset nano --pooling mean --vocab-size 300 --boundary none --epochs 3"
    more = "--class-weights --seed 4 --restart --precision float32 --overwrite --budget 100k"
    out = str(tmp_path / "m")
    assert run(["train", data, "-o", out, "--test", data, *line.split(), *more.split()]) == 0
    found = asked["train_both"]
    request = found.embbert
    assert (found.budget, found.shorten) == (102_400, True)
    assert (request.base, request.vocab_size, request.boundary) == (None, 300, "none")
    assert (request.model.hidden_size, request.model.pooling) == (preset("nano").hidden_size, "mean")
    assert (request.config.epochs, request.config.seed, request.config.class_weights) == (3, 4, True)
    assert (request.restart, request.precision, request.overwrite) == (True, "float32", True)
    assert len(request.test) == len(request.train) == len(ROWS)
    assert request.config.learning_rate == SCRATCH_LEARNING_RATE
    assert run(["train", data, "-o", out, "--arch", "both", "--max-length", "32"]) == 0
    found = asked["train_both"]
    assert (found.embbert.base.name, found.embbert.model.max_length) == ("embbert-base", 32)
    assert (found.budget, found.shorten) == (524_288, False)


def test_settings_reach_all_trainings(data, tmp_path, asked):
    line = "--arch auto --budget 1M --base none --epochs 3 --seed 4 --restart --precision float32"
    assert run(["train", data, "-o", str(tmp_path / "m"), *line.split()]) == 0
    request = asked["train_auto"]
    assert (request.budget, request.base, request.max_length) == (1 << 20, "none", None)
    assert (request.config.epochs, request.config.seed) == (3, 4)
    assert (request.restart, request.precision, request.overwrite) == (True, "float32", False)
    assert request.scratch_rate == SCRATCH_LEARNING_RATE
    line += " --learning-rate 5e-4"
    assert run(["train", data, "-o", str(tmp_path / "m"), *line.split()]) == 0
    assert asked["train_auto"].scratch_rate == asked["train_auto"].config.learning_rate == 5e-4


def test_budgets_have_defaults(data, tmp_path, asked):
    for arch in ("linear", "auto"):
        assert run(["train", data, "-o", str(tmp_path / "m"), "--arch", arch]) == 0
    assert asked["train_linear"].budget == 256 * 1024
    assert asked["train_auto"].budget == 512 * 1024


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--arch bert", "--arch is embbert, linear, both, auto, not 'bert'"),
        ("--budget 64k", "--budget is for --arch linear, both and auto"),
        ("--arch linear --epochs 3", "--epochs cannot be given with --arch linear"),
        ("--arch linear --base none", "--base cannot be given"),
        ("--arch linear --precision bf16 --restart", "--precision, --restart cannot be given"),
        ("--arch linear --preset nano", "--preset cannot be given"),
        ("--arch auto --pooling mean", "--pooling cannot be given with --arch auto"),
        ("--arch both --preset nano", "--preset belongs to training from scratch"),
        ("--arch both --base none --vocab-size x", "--vocab-size is a number or auto"),
        ("--arch auto --no-residual", "--no-residual cannot be given with --arch auto"),
        (
            "--arch linear --budget 64kB",
            "--budget is a number of bytes such as 262144, 256k or 1M, not '64kB'",
        ),
    ],
)
def test_what_contradicts_is_refused(data, tmp_path, asked, capsys, line, message):
    assert run(["train", data, "-o", str(tmp_path / "m"), *line.split()]) == 2
    assert message in capsys.readouterr().err
    assert not asked


def test_bytes():
    assert [bytes_of(text, "--x") for text in ("7", "2k", "3 K", "1M", "1m")] == [
        7,
        2048,
        3072,
        1 << 20,
        1 << 20,
    ]
    for text in ("", "0", "0k", "-1", "1.5k", "k", "1G"):
        with pytest.raises(UsageError, match="--x is a number of bytes"):
            bytes_of(text, "--x")
