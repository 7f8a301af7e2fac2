"""`embbert train`: what reaches the training, what is refused first, what is printed where."""

import json
import subprocess
import sys

import pytest

from embbert.cli import run
from embbert.train import finetune as module

HEADER = "text,label"
ROWS = [f"{word} the {thing} {i},{word}" for i in range(12) for word in ("open", "close") for thing in "ab"]
SCORES = {"accuracy": 0.5}
RESULT = {"float": SCORES, "int8": SCORES, "bytes": {"total": 7}}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return str(path)


@pytest.fixture
def asked(monkeypatch):
    """The requests that would have been trained."""
    requests = []

    def record(request):
        requests.append(request)
        return RESULT

    monkeypatch.setattr(module, "finetune", record)
    return requests


def test_a_csv_becomes_a_model_folder(data, tmp_path, capsys):
    out = tmp_path / "model"
    options = ["--preset", "nano", "--max-length", "16", "--epochs", "1", "--json"]
    assert run(["train", data, "-o", str(out), *options]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((out / "metrics.json").read_text())
    assert "epoch   1" in captured.err
    assert run(["predict", str(out), "open the a 3"]) == 0


def test_settings_reach_the_training(data, tmp_path, asked, capsys):
    line = (
        "--residual --no-causal-conv --pooling mean --max-length 64 --vocab-size 50 --boundary none "
        "--epochs 3 --patience 4 --batch-size 5 --learning-rate 0.5 --dropout 0.25 --token-dropout 0.125 "
        "--weight-decay 0 --class-weights --seed 9 --restart --overwrite"
    )
    assert run(["train", data, "-o", str(tmp_path / "m"), "--test", data, *line.split()]) == 0
    request = asked[0]
    assert (request.model.residual, request.model.causal_conv, request.model.pooling) == (True, False, "mean")
    assert (request.model.max_length, request.vocab_size, request.boundary) == (64, 50, "none")
    config = request.config
    assert (config.epochs, config.patience, config.batch_size, config.seed) == (3, 4, 5, 9)
    assert (config.learning_rate, config.weight_decay) == (0.5, 0.0)
    assert (config.dropout, config.token_dropout, config.class_weights) == (0.25, 0.125, True)
    assert request.restart
    assert request.overwrite
    assert len(request.test) == len(request.train) == len(ROWS)
    assert capsys.readouterr().out == "float accuracy\t0.5000\nint8 accuracy\t0.5000\ntotal bytes\t7\n"


def test_the_paper_is_the_default(data, tmp_path, asked):
    assert run(["train", data, "-o", str(tmp_path / "m")]) == 0
    model = asked[0].model
    assert (model.residual, model.causal_conv, model.pooling) == (False, True, "cls")
    assert asked[0].test is None
    assert asked[0].vocab_size is None


def test_home_brings_its_own_test_rows(tmp_path, asked):
    assert run(["train", "home", "-o", str(tmp_path / "m")]) == 0
    assert asked[0].train.source == "home:train"
    assert asked[0].test.source == "home:test"


def test_regression_and_pairs(tmp_path, asked):
    path = tmp_path / "pairs.csv"
    path.write_text("one,two,score\na,b,0.5\nc,d,1.5\n")
    columns = ["--pair", "one", "two", "--label", "score", "--regress"]
    assert run(["train", str(path), "-o", str(tmp_path / "m"), *columns]) == 0
    assert asked[0].train.targets == (0.5, 1.5)
    assert asked[0].train.pairs == ("b", "d")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vocab-size", "many"], "--vocab-size is a number or auto, not 'many'"),
        (["--boundary", "both"], "--boundary is continuation or none, not 'both'"),
        (["--pooling", "max"], "pooling must be 'cls' or 'mean'"),
        (["--preset", "embert"], "did you mean 'embbert'"),
        (["--epochs", "0"], "epochs must be at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(data, tmp_path, asked, capsys, options, message):
    assert run(["train", data, "-o", str(tmp_path / "m"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not asked


def test_a_place_that_is_taken_is_refused_before_reading(tmp_path, asked, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert run(["train", "absent.csv", "-o", str(tmp_path)]) == 2
    assert "not a model folder" in capsys.readouterr().err
    assert not asked


@pytest.mark.parametrize("package", ["torch", "accelerate"])
def test_without_the_extra_the_install_line_is_named(data, tmp_path, package):
    code = (
        "import sys; from embbert.cli import run\n"
        f"sys.modules[{package!r}] = None\n"
        f"sys.exit(run(['train', {data!r}, '-o', {str(tmp_path / 'm')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "embbert[train]"' in done.stderr


def test_help_loads_no_torch():
    code = (
        "import sys; from embbert.cli import run\nrun(['train', '--help']); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--residual" in done.stdout
