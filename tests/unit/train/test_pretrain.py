"""The whole line from text to a base folder: what it makes, goes on from, and refuses."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch

from embbert.bases import load_base
from embbert.config import EmbbertConfig, PretrainConfig
from embbert.data import open_corpus
from embbert.errors import DataError, EmbbertError, ModelError, UsageError
from embbert.train import pretrain as module
from embbert.train.pretrain import pretrain
from embbert.train.pretraining.prepare import PretrainRequest, prepare
from embbert.train.pretraining.progress import Meter
from pretraining import Killed, contents, kill, write_text

MODEL = EmbbertConfig(
    vocab_size=64,
    max_length=32,
    hidden_size=16,
    embedding_size=8,
    kernel_size=4,
    num_layers=1,
    residual=True,
    pooling="mean",
)
CONFIG = PretrainConfig(
    tokens=2048, length=16, batch_tokens=128, micro_tokens=128, warmup_steps=2, learning_rate=5e-3
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("corpus") / "text")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def ask(text, cache, tmp_path):
    """A request for a base folder `b`; changes replace its fields."""
    plain = PretrainRequest(
        open_corpus([str(text)]),
        None,
        MODEL,
        CONFIG,
        tmp_path / "b",
        cache,
        precision="float32",
        compiled=False,
    )
    return lambda **changes: replace(plain, **changes)


@pytest.fixture
def stop(monkeypatch):
    """Do something after the first so many steps of all trainings."""

    def arrange(after, do):
        steps, plain = iter(range(1, 10**6)), Meter.step

        def step(self, *values):
            plain(self, *values)
            if next(steps) == after:
                do()

        monkeypatch.setattr(Meter, "step", step)

    return arrange


def test_it_ends_with_a_base_folder(ask, tmp_path, capsys):
    metrics = pretrain(ask())
    base = load_base(str(tmp_path / "b"))
    assert base.metrics == metrics == json.loads((tmp_path / "b/metrics.json").read_text())
    assert (base.config, base.tied, base.pairs) == (MODEL, True, False)
    assert set(base.weights()) > {"final_norm.weight"}
    assert metrics["tokens"] == 2048 == metrics["history"][-1]["tokens"]
    assert metrics["validation"]["loss"] == metrics["history"][-1]["validation_loss"]
    assert metrics["validation"]["loss"] < metrics["history"][0]["validation_loss"]
    assert metrics["corpus"]["sources"][0]["files"] == 24
    assert metrics["protocol"]["learning_rate"] == 5e-3
    assert (metrics["base"], metrics["processes"]) == ("none", 1)
    assert metrics["precision"] == "float32"
    assert not (tmp_path / "b.partial").exists()
    card = (tmp_path / "b/README.md").read_text()
    assert f"{MODEL.parameter_count:,} parameters" in card
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("validation 4.") + captured.err.count("validation 3.") == len(
        metrics["history"]
    )
    assert f"{metrics['corpus']['training_tokens']:,} training and" in captured.err


def test_the_curve_is_drawn_where_it_can_be(ask, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    pretrain(ask(out=tmp_path / "with"))
    assert (tmp_path / "with/curve.png").read_bytes().startswith(b"\x89PNG")
    assert "](curve.png)" in (tmp_path / "with/README.md").read_text()
    monkeypatch.setattr(module, "can_draw", lambda: False)
    pretrain(ask(out=tmp_path / "without"))
    assert not (tmp_path / "without/curve.png").exists()
    assert "curve.png" not in (tmp_path / "without/README.md").read_text()
    assert 'pip install "embbert[plot]"' in capsys.readouterr().err


def test_pairs_and_the_full_head_are_told_in_the_folder(ask, tmp_path):
    metrics = pretrain(ask(config=replace(CONFIG, pairs=True, tied=False)))
    base = load_base(str(tmp_path / "b"))
    assert (base.tied, base.pairs, base.mlm_head()) == (False, True, None)
    assert 0.0 <= metrics["validation"]["pair_accuracy"] <= 1.0
    assert "next-sentence prediction" in (tmp_path / "b/README.md").read_text()


def test_an_interrupted_run_is_finished_by_the_same_request(ask, stop, tmp_path, capsys):
    pretrain(ask(out=tmp_path / "straight"))
    stop(7, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        pretrain(ask())
    said = capsys.readouterr().err
    assert f"stopped; the same command goes on from what {tmp_path / 'b.partial'} holds" in said
    assert not (tmp_path / "b").exists()
    with pytest.raises(UsageError, match=r"(?s)b.partial holds .* seed 0, not 1.*--restart"):
        pretrain(ask(config=replace(CONFIG, seed=1)))
    other = open_corpus([str(write_text(tmp_path / "other", seed=1))])
    with pytest.raises(UsageError, match="corpus"):
        pretrain(ask(corpus=other))
    pretrain(ask(resume=True))
    assert "resumed at 896 tokens" in capsys.readouterr().err
    assert contents(tmp_path / "b") == contents(tmp_path / "straight")


def test_another_number_of_processes_does_not_go_on(ask, stop, tmp_path, monkeypatch):
    stop(7, kill)
    with pytest.raises(Killed):
        pretrain(ask(save_seconds=0.0))
    with monkeypatch.context() as patched:
        patched.setattr(module, "how_trained", lambda *_: {"precision": "float32", "processes": 2})
        with pytest.raises(UsageError, match=r"b\.partial holds .* processes 1, not 2"):
            pretrain(ask())
    checkpoint = tmp_path / "b.partial/checkpoint.pt"
    stored = torch.load(checkpoint, weights_only=True)
    del stored["settings"]["processes"]  # as in checkpoints of former versions
    torch.save(stored, checkpoint)
    pretrain(ask(resume=True))


def test_there_must_be_something_to_resume_if_that_is_asked(ask, tmp_path):
    with pytest.raises(UsageError, match=r"b\.partial holds no unfinished training; leave --resume out"):
        pretrain(ask(resume=True))
    assert list(tmp_path.iterdir()) == []


def test_restart_discards_and_overwrite_replaces(ask, stop, tmp_path):
    (tmp_path / "b.partial").mkdir()
    (tmp_path / "b.partial/checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="--restart"):
        pretrain(ask())
    stop(7, kill)
    with pytest.raises(Killed):
        pretrain(ask(restart=True, save_seconds=0.0))
    assert (tmp_path / "b.partial/checkpoint.pt").exists()
    pretrain(ask(config=replace(CONFIG, seed=1), restart=True))
    with pytest.raises(UsageError, match="--overwrite"):
        pretrain(ask())
    pretrain(ask(overwrite=True))
    assert load_base(str(tmp_path / "b")).metrics["protocol"]["seed"] == 0


def test_nonsense_leaves_the_checkpoint_and_no_base(ask, tmp_path):
    with pytest.raises(
        EmbbertError, match=r"(?s)the last checkpoint, if there is one, is kept.*--learning-rate below 1e\+30"
    ):
        pretrain(ask(config=replace(CONFIG, learning_rate=1e30, warmup_steps=0), save_seconds=0.0))
    assert (tmp_path / "b.partial/checkpoint.pt").exists()
    assert not (tmp_path / "b").exists()


def test_a_base_goes_on_where_it_ended(ask, tmp_path):
    strong = replace(CONFIG, tokens=24_000, learning_rate=2e-2)
    reached = pretrain(ask(config=strong))["validation"]["loss"]
    base = load_base(str(tmp_path / "b"))
    slow = replace(CONFIG, tokens=128, learning_rate=1e-9)
    further = ask(out=tmp_path / "more", base=base, model=base.config, config=slow)
    metrics = pretrain(further)
    fresh = pretrain(ask(out=tmp_path / "fresh", config=slow))["validation"]["loss"]
    assert reached < fresh - 0.5
    assert metrics["validation"]["loss"] == pytest.approx(reached, abs=0.05)
    made = {key: base.metrics[key] for key in ("tokens", "protocol", "base")}
    assert metrics["base"] == {"name": "b", "fingerprint": base.fingerprint(), **made}
    assert made["base"] == "none"
    assert load_base(str(tmp_path / "more")).tokenizer.to_json() == base.tokenizer.to_json()


def test_text_is_tokenised_once_and_every_vocabulary_is_kept_apart(ask, tmp_path, capsys):
    cache = tmp_path / "cache"
    first, _ = prepare(ask(cache=cache), print)
    assert "learning a vocabulary of 64" in capsys.readouterr().out
    again, _ = prepare(ask(cache=cache), print)
    assert "learning" not in capsys.readouterr().out
    assert len(first.training) == len(again.training)
    for changes in (
        {"model": replace(MODEL, vocab_size=60)},
        {"boundary": "none"},
        {"config": replace(CONFIG, seed=1)},
        {"corpus": open_corpus([str(write_text(tmp_path / "other", seed=1))])},
    ):
        _, tokenizer = prepare(ask(cache=cache, **changes), print)
        assert "learning a vocabulary" in capsys.readouterr().out
        assert tokenizer.vocab_size == changes.get("model", MODEL).vocab_size
    assert len(list(cache.glob("tokenizer-*.json"))) == 5


def test_a_tokenizer_that_is_given_decides_the_size(ask, tmp_path):
    _, tokenizer = prepare(ask(), lambda line: None)
    tokenizer.save(tmp_path / "t.json")
    request = ask(tokenizer=tmp_path / "t.json", model=replace(MODEL, vocab_size=8192))
    job, used = prepare(request, lambda line: None)
    assert job.model == MODEL
    assert used.to_json() == tokenizer.to_json()


def test_validation_text_of_its_own(ask, tmp_path):
    held = open_corpus([str(write_text(tmp_path / "held", files=6, seed=5))])
    whole, _ = prepare(ask(validation=held), lambda line: None)
    part, _ = prepare(ask(), lambda line: None)
    assert len(whole.training) == len(part.training) + len(part.validation)
    assert len(part.validation) >= len(whole.training) // 10
    assert len(whole.validation) < len(whole.training) / 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": replace(CONFIG, length=64)}, "rows of 64 tokens do not fit"),
        ({"config": replace(CONFIG, batch_tokens=8)}, "--batch-tokens 16 or more"),
        ({"precision": "bf16"}, "no bfloat16 arithmetic"),
    ],
)
def test_what_cannot_train_is_refused_before_anything_is_read(ask, tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(module, "prepare", lambda *a: pytest.fail("too late"))
    with pytest.raises(UsageError, match=message):
        pretrain(ask(**changes))
    assert list(tmp_path.iterdir()) == []


def test_text_and_base_may_be_gone_when_training_ends(ask, stop, tmp_path):
    text, base = write_text(tmp_path / "text"), tmp_path / "first"
    pretrain(ask(out=base))
    stop(3, lambda: (text.rename(tmp_path / "moved"), base.rename(tmp_path / "elsewhere")))
    metrics = pretrain(ask(corpus=open_corpus([str(text)]), base=load_base(base)))
    assert metrics["corpus"]["sources"][0]["files"] == 24
    assert metrics["base"]["fingerprint"] == load_base(tmp_path / "elsewhere").fingerprint()


@pytest.mark.parametrize("name", ["$_$", "100 %", "\udce9t\udce9"])
def test_any_name_fits_card_and_picture(ask, tmp_path, name):
    pretrain(ask(out=tmp_path / name, command=f"embbert pretrain {name}.txt"))
    card = (tmp_path / name / "README.md").read_text(encoding="utf-8")
    assert name.encode(errors="backslashreplace").decode() in card


def test_text_that_is_refused_costs_no_unfinished_training(ask, stop, tmp_path):
    stop(3, kill)
    with pytest.raises(Killed):
        pretrain(ask(save_seconds=0.0))
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        pretrain(ask(corpus=open_corpus([str(tmp_path / "bad.txt")]), restart=True))
    assert (tmp_path / "b.partial" / "checkpoint.pt").exists()


def test_what_is_measured_on_must_not_be_trained_on(ask, text, tmp_path):
    files = [str(path) for path in sorted(text.iterdir())]
    told = []
    with pytest.raises(DataError, match="text that is trained on, which measures nothing"):
        prepare(ask(validation=open_corpus(files[:3])), told.append)
    assert told == []
    own = write_text(tmp_path / "own", files=6, seed=5)
    prepare(ask(validation=open_corpus([files[0], str(own)])), told.append)
    assert told[0] == "1 of the 7 files for validation are trained on too"
    told.clear()
    prepare(ask(corpus=open_corpus([str(text), files[0]])), told.append)
    assert told[0].startswith("some of the text is there more than once")


def test_metrics_say_what_was_measured_on(ask, tmp_path):
    held = open_corpus([str(write_text(tmp_path / "held", files=6, seed=5))])
    corpus = pretrain(ask(validation=held))["corpus"]
    assert corpus["validation"]["fingerprint"] == held.fingerprint() != corpus["fingerprint"]
    assert corpus["validation"]["sources"][0]["files"] == 6


def test_text_that_the_vocabulary_does_not_know_is_told_of_and_refused(ask, text, tmp_path):
    base = tmp_path / "first"
    pretrain(ask(out=base))
    foreign = "".join(chr(0x4E00 + number) for number in range(30))
    (tmp_path / "zh.txt").write_text("\n".join([foreign] * 400), encoding="utf-8")
    zh = str(tmp_path / "zh.txt")
    with pytest.raises(
        DataError, match=r"(?s)% of the text's tokens are \[UNK\].*Leave --base and --tokenizer"
    ):
        prepare(ask(corpus=open_corpus([zh]), base=load_base(base)), lambda line: None)
    (tmp_path / "zh.txt").write_text("\n".join([foreign] * 10), encoding="utf-8")
    told = []
    prepare(ask(corpus=open_corpus([str(text), zh]), base=load_base(base)), told.append)
    assert any("[UNK], which the vocabulary does not know" in line for line in told)


def test_a_damaged_vocabulary_in_the_cache_is_learned_anew(ask, tmp_path):
    request = ask(cache=tmp_path / "cache")
    _, tokenizer = prepare(request, lambda line: None)
    next((tmp_path / "cache").glob("tokenizer-*.json")).write_text("")
    told = []
    _, again = prepare(request, told.append)
    assert told[0].startswith("the vocabulary in the cache is damaged and will be learned anew: ")
    assert again.to_json() == tokenizer.to_json()


def test_too_little_text_is_refused(ask, tmp_path):
    little = open_corpus([str(write_text(tmp_path / "little", files=2))])
    with pytest.raises(DataError, match=r"(?s)has \d+ tokens, and one batch of 4,096 rows .*give more text"):
        pretrain(ask(corpus=little, config=replace(CONFIG, batch_tokens=65536)))
    assert not (tmp_path / "b.partial").exists()


def test_a_cache_that_cannot_be_written_is_named_before_the_work(ask, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file is not a folder; name another --cache"):
        prepare(ask(cache=tmp_path / "file"), pytest.fail)
    with pytest.raises(UsageError, match="cannot be made: Not a directory; name another --cache"):
        prepare(ask(cache=tmp_path / "file" / "deep"), pytest.fail)
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "cache" or not mode & os.W_OK)
    with pytest.raises(UsageError, match="cache may not be written to; name another --cache"):
        prepare(ask(cache=tmp_path / "cache"), pytest.fail)
