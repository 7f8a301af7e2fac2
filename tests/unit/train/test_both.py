"""EmbBERT with n-grams: what is trained, what it may take, what is said, and what an interruption leaves."""

import dataclasses
import json
import random

import pytest

import factory
import folders
from embbert.config import EmbbertConfig, TrainConfig
from embbert.data import Examples
from embbert.errors import DataError, UsageError
from embbert.store import load_model
from embbert.text.tables import tables_of
from embbert.train import both as module
from embbert.train.both import ROOM, BothRequest, train_both
from embbert.train.budget import folder_bytes, model_bytes
from embbert.train.ngram_model import Parted
from embbert.train.prepare import Request, tokenizer_of

WORDS = {
    "light": ["lamp", "bright", "dim"],
    "music": ["song", "play", "loud"],
    "oven": ["bake", "roast", "hot"],
}
FILLERS = ["please", "now", "the", "could", "you", "a", "my"]
MODEL = EmbbertConfig(
    max_length=16, hidden_size=16, embedding_size=8, kernel_size=4, num_layers=1, residual=True
)
CONFIG = TrainConfig(epochs=2, batch_size=16, learning_rate=5e-3, warmup_steps=10)
BUDGET = 100 << 10


def examples(count, seed, task="classify", pair=False):
    draw = random.Random(seed)
    texts, targets = [], []
    for _ in range(count):
        name = draw.choice(sorted(WORDS))
        words = [draw.choice(WORDS[name]), *draw.choices(FILLERS, k=3)]
        draw.shuffle(words)
        texts.append(" ".join(words))
        targets.append(name if task == "classify" else 50.0 * sorted(WORDS).index(name))
    seconds = tuple(reversed(texts)) if pair else None
    return Examples(tuple(texts), seconds, tuple(targets), tuple(range(2, count + 2)), f"{seed}.csv", task)


def asked(tmp_path, task="classify", pair=False, budget=BUDGET, shorten=True, **changes):
    plain = Request(examples(120, 1, task, pair), examples(40, 2, task, pair), MODEL, CONFIG, tmp_path / "m")
    return BothRequest(dataclasses.replace(plain, **changes), budget, shorten)


@pytest.fixture
def quick(monkeypatch):
    """The requests for EmbBERT; a folder with random weights stands in for what they train."""
    requests = []

    def finetune(request):
        requests.append(request)
        config = dataclasses.replace(request.model, vocab_size=37)
        folders.small_folder(request.out, config=config)
        return {}

    monkeypatch.setattr(module, "finetune", finetune)
    return requests


def small(tmp_path, **changes):
    """Rows with the labels of the stand-in."""
    texts = tuple(f"{word} {n} on" for word in ("lights", "music", "weather") for n in "abcdefghij")
    rows = Examples(
        texts, None, tuple(text.split()[0] for text in texts), tuple(range(1, 31)), "x.csv", "classify"
    )
    return asked(tmp_path, train=rows, test=None, **{"model": factory.small_config(), **changes})


def test_from_rows_to_a_folder(tmp_path, capsys):
    metrics = train_both(asked(tmp_path))
    folder = load_model(tmp_path / "m")
    assert folder.metrics == json.loads(json.dumps(metrics))
    assert folder.config.ngrams > 0
    assert dataclasses.replace(folder.config, ngrams=0, max_ngrams=0, vocab_size=MODEL.vocab_size) == MODEL
    assert metrics["bytes"]["total"] == folder_bytes(folder).total <= BUDGET
    assert metrics["int8"]["accuracy"] > 0.9
    assert metrics["measured_on"]["role"] == "test"
    assert metrics["protocol"]["seed"] == CONFIG.seed
    assert metrics["protocol"]["epochs_run"] == len(metrics["history"]) == 2
    assert metrics["both"]["budget"] == BUDGET
    assert not (tmp_path / "m.both").exists()
    captured = capsys.readouterr()
    assert "by share of the n-grams" in captured.err
    assert not captured.out
    card = (tmp_path / "m" / "README.md").read_text()
    assert "n-grams" in card
    assert "share: " in card


@pytest.mark.parametrize(("task", "pair"), [("regress", False), ("classify", True)])
def test_values_and_pairs(tmp_path, task, pair):
    train_both(asked(tmp_path, task, pair))
    folder = load_model(tmp_path / "m")
    assert (folder.task, folder.pair) == (task, pair)
    assert folder.integer()


def test_embbert_is_trained_as_alone(tmp_path, quick):
    request = small(tmp_path, restart=True, precision="float32")
    train_both(request)
    (found,) = quick
    wanted = dataclasses.replace(request.embbert, out=tmp_path / "m.both" / "embbert", overwrite=True)
    assert found == wanted


def test_if_ngrams_are_of_no_use_embbert_is_kept(tmp_path, quick, monkeypatch, capsys):
    from embbert.train import join

    monkeypatch.setattr(join, "best_share", lambda *_: 0.0)
    metrics = train_both(small(tmp_path))
    folder = load_model(tmp_path / "m")
    assert folder.config.ngrams == 0
    assert folder.integer()
    assert folder.metrics["both"]["share"] == metrics["both"]["share"] == 0.0
    assert "kept EmbBERT without n-grams" in capsys.readouterr().err
    assert not (tmp_path / "m.both").exists()


def test_the_longest_length_that_leaves_room_is_taken(tmp_path, quick):
    base = folders.small_base(tmp_path / "base", max_length=64)
    tables = tables_of(base.tokenizer).bytes
    for length in (64, 48, 32):
        least = model_bytes(base.fitted(length), 3, tables).total + ROOM
        request = small(tmp_path, base=base, model=base.fitted(), budget=least, overwrite=True)
        train_both(request)
        assert quick[-1].model == base.fitted(length)
    for shorten, length in ((True, 32), (False, 64)):
        least = model_bytes(base.fitted(length), 3, tables).total + ROOM
        few = dataclasses.replace(request, budget=least - 1, shorten=shorten)
        with pytest.raises(
            UsageError, match=f"{least - 1:,} bytes are too few: with {length} tokens"
        ) as told:
            train_both(few)
        assert ("a smaller --max-length, or leave it out" in str(told.value)) == (not shorten)
    assert len(quick) == 3


def test_a_vocabulary_to_come_is_counted_as_it_will_be(tmp_path, quick):
    request = small(tmp_path, model=factory.small_config(vocab_size=4096))
    rows = Parted.of(request.embbert.train, 0.1, 0)
    tokenizer = tokenizer_of(request.embbert, rows.training)
    assert tokenizer.vocab_size < 100
    config = factory.small_config(vocab_size=tokenizer.vocab_size)
    least = model_bytes(config, 3, tables_of(tokenizer).bytes).total + ROOM
    with pytest.raises(UsageError, match="too few"):
        train_both(dataclasses.replace(request, budget=least - 1))
    train_both(dataclasses.replace(request, budget=least))
    assert quick[0].model == request.embbert.model  # whose vocabulary is the most there may be


def test_what_was_trained_is_not_trained_again(tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "join", stop)
        with pytest.raises(KeyboardInterrupt):
            train_both(asked(tmp_path))
    before = load_model(tmp_path / "m.both" / "embbert").metrics
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(module, "finetune", stop)
        metrics = train_both(asked(tmp_path))
    assert metrics["history"] == before["history"]
    assert "epoch" not in capsys.readouterr().err
    assert not (tmp_path / "m.both").exists()


def test_what_cannot_be(tmp_path, quick):
    with pytest.raises(UsageError, match="mamba runs in float only"):
        train_both(small(tmp_path, model=factory.MAMBA))
    values = dataclasses.replace(
        small(tmp_path).embbert.train, targets=tuple(map(float, range(30))), task="regress"
    )
    for changes, error in (
        ({"train": values, "config": TrainConfig(class_weights=True)}, UsageError),
        ({"test": examples(5, 3, pair=True)}, DataError),
        ({"config": TrainConfig(score="pearson")}, UsageError),
    ):
        with pytest.raises(error):
            train_both(asked(tmp_path, **{"train": small(tmp_path).embbert.train, **changes}))
    assert not quick
    folders.small_folder(tmp_path / "m")
    with pytest.raises(UsageError, match="--overwrite"):
        train_both(small(tmp_path))
    train_both(small(tmp_path, overwrite=True))


def test_a_process_that_does_not_lead_leaves_the_rest_to_the_one_that_does(tmp_path, quick, monkeypatch):
    class Follower:
        is_main_process = False

    monkeypatch.setattr(module, "accelerator", Follower)
    assert train_both(small(tmp_path)) == {}
    assert not (tmp_path / "m").exists()
