"""`embbert pretrain`: what reaches the training, what is refused first, what is printed where."""

import json
import subprocess
import sys

import pytest

import folders
from embbert.cli import run
from embbert.cli.pretrain import _count, _seconds
from embbert.config import PretrainConfig, preset
from embbert.config.training import CONTINUED_RATE
from embbert.errors import UsageError
from embbert.train import pretrain as module
from pretraining import write_text

RESULT = {"validation": {"loss": 2.0, "perplexity": 7.389}, "tokens": 4096}
SMALL = [
    *("--preset", "nano", "--max-length", "32", "--vocab-size", "64"),
    *("--length", "16", "--batch-tokens", "128", "--tokens", "256"),
]
PLAIN = ["--precision", "float32", "--no-compile"]


@pytest.fixture
def text(tmp_path):
    return str(write_text(tmp_path / "text"))


@pytest.fixture
def asked(monkeypatch):
    """The requests that would have been trained."""
    requests = []

    def record(request):
        requests.append(request)
        return RESULT

    monkeypatch.setattr(module, "pretrain", record)
    return requests


def test_text_becomes_a_base_that_train_takes(text, tmp_path, capsys):
    out, cache = tmp_path / "b", ["--cache", str(tmp_path / "cache")]
    assert run(["pretrain", text, "-o", str(out), *SMALL, *PLAIN, *cache, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((out / "metrics.json").read_text())
    assert "M tokens  loss" in captured.err
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "text,label\n" + "".join(f"the {word} bird {i},{word}\n" for i in range(9) for word in "ab")
    )
    assert run(["train", str(rows), "-o", str(tmp_path / "m"), "--base", str(out), "--epochs", "1"]) == 0


def test_settings_reach_the_training(text, tmp_path, asked, capsys):
    line = (
        f"--validation {text} --preset tiny --vocab-size 50 --boundary none --max-length 48 --no-residual "
        "--causal-conv --pooling cls --tokens 2.5k --max-time 2h --length 24 --long-share 0.5 "
        "--batch-tokens 480 --micro-tokens 96 --learning-rate 0.5 --warmup-steps 7 --weight-decay 0 "
        "--dropout 0.25 --mask-share 0.3 --whole-words --pairs --full-head --seed 9 --precision bf16 "
        "--compile --save-every 90s --resume --overwrite"
    ).split()
    places = ["--cache", str(tmp_path / "c"), "--tensorboard", str(tmp_path / "t")]
    assert run(["pretrain", text, text, "-o", str(tmp_path / "b"), *line, *places]) == 0
    request = asked[0]
    model = request.model
    assert (model.residual, model.causal_conv, model.pooling) == (False, True, "cls")
    assert (model.vocab_size, model.max_length, model.num_layers) == (50, 48, preset("tiny").num_layers)
    assert request.config == PretrainConfig(
        tokens=2500,
        max_seconds=7200,
        length=24,
        long_share=0.5,
        batch_tokens=480,
        micro_tokens=96,
        learning_rate=0.5,
        warmup_steps=7,
        weight_decay=0.0,
        dropout=0.25,
        mask_share=0.3,
        whole_words=True,
        pairs=True,
        tied=False,
        seed=9,
    )
    assert request.corpus.sources == (text, text)
    assert request.validation.sources == (text,)
    assert (request.boundary, request.precision, request.compiled) == ("none", "bf16", True)
    assert (request.cache, request.board) == (tmp_path / "c", tmp_path / "t")
    assert (request.save_seconds, request.resume, request.restart, request.overwrite) == (
        90,
        True,
        False,
        True,
    )
    assert capsys.readouterr().out == "validation loss\t2.0000\nvalidation perplexity\t7.3890\ntokens\t4096\n"


def test_what_learns_best_is_the_default(text, tmp_path, asked, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert run(["pretrain", text, "-o", str(tmp_path / "b")]) == 0
    request = asked[0]
    model = request.model
    assert (model.residual, model.causal_conv, model.pooling) == (False, False, "mean")
    assert request.config == PretrainConfig()
    assert (request.compiled, request.precision, request.save_seconds) == (None, "auto", 300)
    assert request.cache == tmp_path / "home/embbert"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert run(["pretrain", text, "-o", str(tmp_path / "b")]) == 0
    assert asked[1].cache == tmp_path / "me/.cache/embbert"


def test_a_base_brings_shape_and_vocabulary(text, tmp_path, asked):
    base = folders.small_base(tmp_path / "base")
    line = ["pretrain", text, "-o", str(tmp_path / "b"), "--length", "8", "--base", str(base.path)]
    assert run(line) == 0
    assert asked[0].model == base.config
    assert asked[0].base.path == base.path
    assert asked[0].config.learning_rate == CONTINUED_RATE < PretrainConfig().learning_rate
    assert run([*line, "--learning-rate", "1e-3"]) == 0
    assert asked[1].config.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--boundary", "both"], "--boundary is continuation or none, not 'both'"),
        (["--precision", "fp16"], "--precision is auto, bf16 or float32, not 'fp16'"),
        (["--pooling", "max"], "pooling must be 'cls' or 'mean'"),
        (["--preset", "embert"], "did you mean 'embbert'"),
        (["--tokens", "many"], "--tokens is a number such as 150M or 2B, not 'many'"),
        (["--tokens", "0"], "tokens must be at least 1"),
        (["--max-time", "0s"], "--max-time is a time such as 90s, 45m or 2h, not '0s'"),
        (["--save-every", "often"], "--save-every is a time such as"),
        (["--resume", "--restart"], "give one"),
        (["--base", "absent"], "there is no base 'absent'"),
        (
            [
                "--base",
                "x",
                "--preset",
                "nano",
                "--no-residual",
                "--boundary",
                "none",
                "--tokenizer",
                "t.json",
            ],
            "the base x has its own: leave --preset, --no-residual, --boundary, --tokenizer out",
        ),
        (["--tokenizer", "t.json", "--vocab-size", "9"], "t.json has its own: leave --vocab-size out"),
    ],
)
def test_settings_that_cannot_work_are_refused(text, tmp_path, asked, capsys, options, message):
    assert run(["pretrain", text, "-o", str(tmp_path / "b"), *options]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert not said.out
    assert not asked


def test_text_comes_from_the_column_and_split_that_are_named(tmp_path, asked):
    for name in ("corpus", "held"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": "no", "body": f"A {name} text."}) + "\n")
    line = ["pretrain", str(tmp_path / "corpus.jsonl"), "-o", str(tmp_path / "b"), "--column", "body"]
    assert run([*line, "--validation", str(tmp_path / "held.jsonl")]) == 0
    assert list(asked[0].corpus.documents()) == ["A corpus text."]
    assert list(asked[0].validation.documents()) == ["A held text."]


def test_a_place_that_is_taken_is_refused_before_reading(tmp_path, asked, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert run(["pretrain", "absent.txt", "-o", str(tmp_path)]) == 2
    assert "not a base folder" in capsys.readouterr().err
    assert run(["pretrain", "absent.txt", "-o", str(tmp_path / "b")]) == 3
    assert "absent.txt" in capsys.readouterr().err
    assert not asked


def test_processes_that_do_not_lead_print_nothing(text, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "pretrain", lambda request: {})
    assert run(["pretrain", text, "-o", str(tmp_path / "b"), "--json"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "count"),
    [("7", 7), ("150M", 150_000_000), ("2b", 2_000_000_000), ("1.5 k", 1500), ("1G", 10**9)],
)
def test_counts(text, count):
    assert _count(text) == count


@pytest.mark.parametrize("text", ["", "M", "-1", "1e6", "10 MB", "1,000", "nan", "9" * 400])
def test_what_is_no_count(text):
    with pytest.raises(UsageError, match="--tokens"):
        _count(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("45m", 2700), ("1.5h", 5400), ("2 D", 172800)])
def test_times(text, seconds):
    assert _seconds(text, "--max-time") == seconds


@pytest.mark.parametrize("text", ["", "90", "0m", "-1s", "m", "1h30m", "9" * 400 + "s"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError, match="--max-time"):
        _seconds(text, "--max-time")


@pytest.mark.parametrize("package", ["torch", "accelerate"])
def test_without_the_extra_the_install_line_is_named(text, tmp_path, package):
    code = (
        "import sys; from embbert.cli import run\n"
        f"sys.modules[{package!r}] = None\n"
        f"sys.exit(run(['pretrain', {text!r}, '-o', {str(tmp_path / 'b')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "embbert[train]"' in done.stderr


def test_help_loads_no_torch():
    code = (
        "import sys; from embbert.cli import run\nrun(['pretrain', '-h']); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--tensorboard" in done.stdout
