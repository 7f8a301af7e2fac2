"""`embbert train`: what reaches the training, what is refused first, what is printed where."""

import json
import subprocess
import sys

import pytest

import folders
from embbert.cli import run
from embbert.train import finetune as module

HEADER = "text,label"
ROWS = [f"{word} the {thing} {i},{word}" for i in range(12) for word in ("open", "close") for thing in "ab"]
SCORES = {"accuracy": 0.5}
RESULT = {"float": SCORES, "int8": SCORES, "bytes": {"total": 7}}


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """The folder of the bases that come along: there is none, whatever the package has."""
    folder = tmp_path / "shipped"
    folders.ship(folder, monkeypatch)
    return folder


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
        "--base-rate 0.5 --layer-decay 0.75 --score mcc "
        "--weight-decay 0 --class-weights --seed 9 --precision float32 --restart --overwrite"
    )
    assert run(["train", data, "-o", str(tmp_path / "m"), "--test", data, *line.split()]) == 0
    request = asked[0]
    assert (request.model.residual, request.model.causal_conv, request.model.pooling) == (True, False, "mean")
    assert (request.model.max_length, request.vocab_size, request.boundary) == (64, 50, "none")
    config = request.config
    assert (config.epochs, config.patience, config.batch_size, config.seed) == (3, 4, 5, 9)
    assert (config.learning_rate, config.weight_decay) == (0.5, 0.0)
    assert (config.base_rate, config.layer_decay, config.score) == (0.5, 0.75, "mcc")
    assert (config.dropout, config.token_dropout, config.class_weights) == (0.25, 0.125, True)
    assert (request.restart, request.overwrite, request.precision) == (True, True, "float32")
    assert len(request.test) == len(request.train) == len(ROWS)
    assert capsys.readouterr().out == "float accuracy\t0.5000\nint8 accuracy\t0.5000\ntotal bytes\t7\n"


def test_the_paper_is_the_default_where_no_base_comes_along(data, tmp_path, asked):
    assert run(["train", data, "-o", str(tmp_path / "m")]) == 0
    model = asked[0].model
    assert (model.residual, model.causal_conv, model.pooling) == (False, True, "cls")
    assert asked[0].test is None
    assert asked[0].base is None
    assert (asked[0].vocab_size, asked[0].boundary) == (None, "continuation")
    assert (model.vocab_size, model.max_length, model.num_layers) == (8192, 256, 4)


def test_a_base_that_comes_along_is_the_default_and_none_is_without(data, tmp_path, shipped, asked):
    folders.small_base(shipped / "embbert-base", residual=True, pooling="mean")
    folders.small_base(shipped / "embbert-paper")
    for options in (
        [],
        ["--base", "embbert-paper"],
        ["--base", "none"],
        ["--base", "none", "--preset", "nano"],
    ):
        assert run(["train", data, "-o", str(tmp_path / "m"), *options]) == 0
    assert [request.base and request.base.name for request in asked] == [
        "embbert-base",
        "embbert-paper",
        None,
        None,
    ]
    assert asked[0].model == asked[0].base.config
    assert asked[0].model.pooling == "mean"
    assert (asked[2].model.hidden_size, asked[3].model.hidden_size) == (128, 64)
    # Weights that know something move less, unless told otherwise.
    assert [request.config.learning_rate for request in asked] == [1e-3, 1e-3, 2e-3, 2e-3]
    assert run(["train", data, "-o", str(tmp_path / "m"), "--base", "none", "--learning-rate", "0.25"]) == 0
    assert asked[4].config.learning_rate == 0.25


def test_a_base_is_a_folder_too_and_length_and_pooling_are_free(data, tmp_path, asked):
    base = folders.small_base(tmp_path / "mine", residual=True)
    line = ["train", data, "-o", str(tmp_path / "m"), "--base", str(base.path)]
    assert run([*line, "--max-length", "9", "--pooling", "mean"]) == 0
    assert asked[0].base.path == base.path
    assert asked[0].model == base.fitted(9, "mean")
    assert asked[0].vocab_size is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--preset", "embbert"], "--preset belongs"),
        (["--vocab-size", "auto"], "--vocab-size belongs"),
        (["--boundary", "continuation"], "--boundary belongs"),
        (["--residual"], "--residual belongs"),
        (["--no-residual"], "--no-residual belongs"),
        (["--no-causal-conv", "--vocab-size", "90"], "--vocab-size, --no-causal-conv belong "),
    ],
)
@pytest.mark.parametrize("chosen", [True, False])
def test_what_shapes_a_new_model_contradicts_a_base(
    data, tmp_path, shipped, asked, capsys, options, named, chosen
):
    folders.small_base(shipped / "embbert-base", residual=True)
    base = ["--base", "embbert-base"] if chosen else []
    assert run(["train", data, "-o", str(tmp_path / "m"), *base, *options]) == 2
    message = capsys.readouterr().err
    assert named in message
    assert "the base embbert-base has its own shape and vocabulary" in message
    assert "add --base none to train from scratch" in message
    assert not asked


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--base", "embbert-bse"], 2, "did you mean 'embbert-base'"),
        (["--base", "absent/"], 2, "no folder is called so"),
        (["--base", "embbert-base", "--max-length", "25"], 2, "reads at most 24 tokens, not 25"),
        (["--base", "embbert-base", "--pooling", "max"], 2, "pooling must be 'cls' or 'mean'"),
        (["--base", "damaged"], 3, "base.json is not valid JSON"),
        (["--base", "model"], 3, "is a fine-tuned model, not a base"),
    ],
)
def test_bases_that_cannot_serve_are_refused(
    data, tmp_path, shipped, monkeypatch, asked, capsys, options, code, message
):
    folders.small_base(shipped / "embbert-base")
    folders.small_folder(tmp_path / "model")
    (folders.small_base(tmp_path / "damaged").path / "base.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    assert run(["train", data, "-o", str(tmp_path / "m"), *options]) == code
    assert message in capsys.readouterr().err
    assert not asked


def test_the_whole_line_runs_from_the_base_that_comes_along(data, tmp_path, shipped, capsys):
    base = folders.small_base(shipped / "embbert-base", residual=True, causal_conv=False)
    out = tmp_path / "model"
    assert run(["train", data, "-o", str(out), "--max-length", "12", "--epochs", "1"]) == 0
    assert "from embbert-base" in capsys.readouterr().err
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["base"] == {"name": "embbert-base", "fingerprint": base.fingerprint()}
    assert run(["predict", str(out), "open the a 3"]) == 0
    assert run(["size", str(out)]) == 0


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
        (["--precision", "fp16"], "--precision is auto, bf16 or float32, not 'fp16'"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--score", "f1"], "score must be one of auto, accuracy, macro_f1"),
        (["--base-rate", "0"], "base_rate must be above 0 and at most 1"),
        (["--layer-decay", "1.5"], "layer_decay must be above 0 and at most 1"),
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
    assert "--base" in done.stdout


def test_standard_input_cannot_be_two_things(tmp_path, asked, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)  # nothing is read
    assert run(["train", "-", "--test", "-", "-o", str(tmp_path / "m")]) == 2
    assert "rows to learn from and --test cannot both be standard input (-)" in capsys.readouterr().err


def test_test_rows_that_are_training_rows_too_are_told(data, tmp_path, asked, capsys):
    test = tmp_path / "test.csv"
    test.write_text("\n".join([HEADER, *ROWS[:3], "another text,open"]) + "\n")
    assert run(["train", data, "--test", str(test), "-o", str(tmp_path / "m")]) == 0
    assert f"3 of the 4 rows of {test} are training rows too" in capsys.readouterr().err
    test.write_text("\n".join([HEADER, "another text,open", "and one more,close"]) + "\n")
    assert run(["train", data, "--test", str(test), "-o", str(tmp_path / "m")]) == 0
    assert "training rows too" not in capsys.readouterr().err


def test_numbers_of_rows_are_no_labels(tmp_path, capsys):
    path = tmp_path / "ids.csv"
    path.write_text("id,text\n" + "".join(f"{i},{row.partition(',')[0]}\n" for i, row in enumerate(ROWS)))
    assert run(["train", str(path), "-o", str(tmp_path / "m"), "--arch", "linear"]) == 3
    assert "each row has a label of its own" in capsys.readouterr().err
