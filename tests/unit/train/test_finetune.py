"""The whole line on a small data set: what it makes, refuses, and leaves behind."""

import json
import random
import socket
from dataclasses import replace

import numpy as np
import pytest

import factory
import folders
from embbert.bases import load_base
from embbert.config import EmbbertConfig, TrainConfig
from embbert.data import Examples
from embbert.emit.c99 import contents
from embbert.errors import DataError, ModelError, UsageError
from embbert.quant.build import quantize
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import predict
from embbert.store import load_model
from embbert.text import train_tokenizer
from embbert.train import finetune as module
from embbert.train.finetune import finetune
from embbert.train.lock import alone
from embbert.train.prepare import Request, prepare

WORDS = {
    "light": ["lamp", "light", "bright", "dim", "bulb"],
    "music": ["song", "play", "volume", "band", "loud"],
    "oven": ["bake", "heat", "roast", "oven", "degrees"],
}
FILLERS = ["please", "now", "the", "could", "you", "quickly", "a", "my"]
MODEL = EmbbertConfig(
    max_length=16, hidden_size=16, embedding_size=8, kernel_size=4, num_layers=2, residual=True
)
CONFIG = TrainConfig(epochs=8, batch_size=16, learning_rate=5e-3, warmup_steps=10)


def examples(count, seed, task="classify", pair=False):
    draw = random.Random(seed)
    texts, targets = [], []
    for _ in range(count):
        name = draw.choice(sorted(WORDS))
        words = [draw.choice(WORDS[name]), *draw.choices(FILLERS, k=4)]
        draw.shuffle(words)
        texts.append(" ".join(words))
        targets.append(name if task == "classify" else 100.0 + 50.0 * sorted(WORDS).index(name))
    seconds = tuple(reversed(texts)) if pair else None
    return Examples(tuple(texts), seconds, tuple(targets), tuple(range(2, count + 2)), f"{seed}.csv", task)


def request(out, task="classify", pair=False, **changes):
    plain = Request(examples(200, 1, task, pair), examples(60, 2, task, pair), MODEL, CONFIG, out)
    return replace(plain, **changes)


def test_it_ends_with_a_quantised_measured_model(tmp_path, capsys):
    out = tmp_path / "model"
    metrics = finetune(request(out, precision="float32"))
    folder = load_model(out)
    assert folder.metrics == metrics == json.loads((out / "metrics.json").read_text())
    assert folder.labels == ("light", "music", "oven")
    assert metrics["float"]["accuracy"] > 0.9
    assert abs(metrics["int8"]["accuracy"] - metrics["float"]["accuracy"]) <= 0.05
    assert metrics["measured_on"] == {
        "source": "2.csv",
        "role": "test",
        "rows": 60,
        "fingerprint": examples(60, 2).fingerprint(),
        "also_in_training": examples(60, 2).shared_with(examples(200, 1)),
    }
    # The stored integer model is the one that was measured.
    test = examples(60, 2)
    ids = folder.tokenizer.encode_batch(test.texts, max_length=16)
    answers = predict(load_plan(folder), ids).argmax(axis=1)
    right = np.mean([folder.labels[a] == t for a, t in zip(answers, test.targets, strict=True)])
    assert right == metrics["int8"]["accuracy"]
    stated = contents(folder, load_plan(folder), "model")[1]["bytes"]
    counted = {name: stated[name] for name in ("constants", "tokenizer", "arena", "stack")}
    assert metrics["bytes"] == {**counted, "total": sum(counted.values())}
    assert (metrics["precision"], metrics["processes"]) == ("float32", 1)
    assert metrics["protocol"]["training_rows"] + metrics["protocol"]["validation_rows"] == 200
    assert not (tmp_path / "model.partial").exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("epoch ") == metrics["protocol"]["epochs_run"]
    history = folder.metrics["history"]
    assert [epoch["epoch"] for epoch in history] == list(range(1, metrics["protocol"]["epochs_run"] + 1))
    best = history[metrics["protocol"]["best_epoch"] - 1]
    assert metrics["validation"] == {"accuracy": best["score"], "loss": best["validation_loss"]}
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_score_that_chose_is_named(tmp_path, capsys):
    metrics = finetune(request(tmp_path / "m", config=replace(CONFIG, epochs=1, score="macro_f1")))
    assert set(metrics["validation"]) == {"macro_f1", "loss"}
    assert "macro_f1" in capsys.readouterr().err
    with pytest.raises(UsageError, match="has no pearson"):
        finetune(request(tmp_path / "n", config=replace(CONFIG, score="pearson")))


def test_regression_answers_in_the_units_of_the_data(tmp_path):
    metrics = finetune(request(tmp_path / "model", "regress"))
    assert metrics["float"]["spearman"] > 0.8
    assert metrics["float"]["mse"] < 0.5 * np.var(examples(60, 2, "regress").targets)
    assert metrics["int8"]["mse"] < 0.5 * np.var(examples(60, 2, "regress").targets)
    assert load_model(tmp_path / "model").labels == ()


def test_pairs_without_a_test_set_are_measured_on_validation(tmp_path, capsys):
    metrics = finetune(request(tmp_path / "model", pair=True, test=None))
    assert "measuring on the validation rows, which chose the epoch" in capsys.readouterr().err
    assert metrics["measured_on"]["role"] == "validation"
    assert metrics["measured_on"]["rows"] == metrics["protocol"]["validation_rows"]
    assert metrics["float"]["accuracy"] == metrics["validation"]["accuracy"]
    assert load_model(tmp_path / "model").pair


def test_an_interrupted_training_is_finished_by_the_same_request(tmp_path, monkeypatch, capsys):
    straight, out = tmp_path / "straight", tmp_path / "model"
    finetune(request(straight))
    steps = iter(range(30))

    def stop(self):
        if next(steps) == 29:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module.Reporter, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(request(out))
    assert "model.partial" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(UsageError, match=r"(?s)seed 0, not 1.*--restart"):
        finetune(request(out, config=replace(CONFIG, seed=1)))
    with pytest.raises(UsageError, match="data"):
        finetune(request(out, train=examples(201, 1)))
    finetune(request(out))
    assert "resumed after epoch 2" in capsys.readouterr().err
    for name in ("model.safetensors", "model.int8.safetensors", "quant.json", "tokenizer.json"):
        assert (out / name).read_bytes() == (straight / name).read_bytes()


def test_restart_discards_and_overwrite_replaces(tmp_path):
    out, quick = tmp_path / "model", replace(CONFIG, epochs=1)
    (tmp_path / "model.partial").mkdir()
    (tmp_path / "model.partial" / "checkpoint.pt").write_bytes(b"damaged")
    finetune(request(out, config=quick, restart=True))
    with pytest.raises(UsageError, match="--overwrite"):
        finetune(request(out, config=quick))
    finetune(request(out, config=quick, overwrite=True))


def test_the_vocabulary_comes_from_the_training_rows_alone(tmp_path):
    rows = examples(200, 1)
    prepared = prepare(request(tmp_path / "m"))
    held = {rows.texts.index(text) for text in prepare(request(tmp_path / "m", test=None)).measured.texts}
    marked = replace(rows, texts=tuple(f"{t} ж" if i in held else t for i, t in enumerate(rows.texts)))
    again = prepare(request(tmp_path / "m", train=marked))
    assert again.tokenizer.to_json() == prepared.tokenizer.to_json()


def test_the_vocabulary_is_as_asked_or_as_large_as_the_text_allows(tmp_path):
    assert prepare(request(tmp_path / "m", vocab_size=60)).job.model.vocab_size == 60
    with pytest.raises(DataError, match=r"support only \d+") as refusal:
        prepare(request(tmp_path / "m", vocab_size=MODEL.vocab_size))
    largest = int(str(refusal.value).split("support only ")[1].split("\n")[0])
    assert prepare(request(tmp_path / "m", vocab_size=largest)).job.model.vocab_size == largest
    assert 60 < prepare(request(tmp_path / "m")).job.model.vocab_size <= largest


@pytest.mark.parametrize(("often", "known"), [(1, False), (20, True)])
def test_a_vocabulary_of_automatic_size_has_no_token_that_occurs_once(tmp_path, often, known):
    rows = examples(200, 1)
    marked = (f"{text} zyzzyva" if i < often else text for i, text in enumerate(rows.texts))
    tokenizer = prepare(request(tmp_path / "m", train=replace(rows, texts=tuple(marked)))).tokenizer
    assert ("zyzzyva" in tokenizer.tokens) is known
    assert "light" in tokenizer.tokens


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"test": examples(5, 3, pair=True)}, DataError, "3.csv: .*pairs"),
        ({"test": replace(examples(5, 3), targets=("light",) * 4 + ("tv",))}, DataError, "row 6.*'tv'"),
        ({"train": replace(examples(5, 3), targets=("light",) * 5)}, DataError, "one class only"),
    ],
)
def test_bad_data_is_refused_before_training(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        finetune(request(tmp_path / "model", **changes))
    assert list(tmp_path.iterdir()) == []


def test_class_weights_need_classes(tmp_path):
    config = replace(CONFIG, class_weights=True)
    with pytest.raises(UsageError, match="--class-weights"):
        prepare(request(tmp_path / "m", "regress", config=config))
    job = prepare(request(tmp_path / "m", config=config)).job
    counts = np.bincount(job.training.targets)
    assert job.class_weights == pytest.approx(len(job.training) / (3 * counts))
    assert len(set(counts)) > 1
    assert prepare(request(tmp_path / "m")).job.class_weights is None


def test_training_rows_from_all_over_calibrate(tmp_path, monkeypatch):
    quantized = []

    def record(config, weights, outputs, texts):
        quantized.append(texts)
        return quantize(config, weights, outputs, texts)

    monkeypatch.setattr(module, "quantize", record)
    monkeypatch.setattr("embbert.quant.calibrate.CALIBRATION_TEXTS", 50)
    asked = request(tmp_path / "m", config=replace(CONFIG, epochs=1))
    metrics = finetune(asked)
    training = prepare(asked).job.training.ids
    assert len(training) == 180
    assert quantized == [training[::4]]
    assert metrics["protocol"]["calibration_rows"] == 45


# -- from a base -------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path):
    """Of random weights, with residual paths, centred kernels and the words of these texts."""
    tokenizer = train_tokenizer(examples(200, 9).texts, 80, boundary="none")
    shape = {"residual": True, "causal_conv": False, "embedding_size": 8}
    return folders.small_base(tmp_path / "bases" / "tiny", tokenizer=tokenizer, **shape)


def started(out, base, *, max_length=None, pooling=None, **changes):
    return request(out, model=base.fitted(max_length, pooling), base=base, **changes)


def test_shape_tokenizer_and_weights_are_those_of_the_base(tmp_path, base):
    prepared = prepare(started(tmp_path / "m", base))
    assert prepared.job.model == base.config
    assert prepared.tokenizer.to_json() == base.tokenizer.to_json()
    weights = base.weights()
    assert prepared.job.start.keys() == weights.keys()
    assert all(np.array_equal(prepared.job.start[name], value) for name, value in weights.items())
    assert prepared.measured_ids == base.tokenizer.encode_batch(examples(60, 2).texts, max_length=24)


def test_length_and_pooling_may_differ_from_the_base(tmp_path, base):
    job = prepare(started(tmp_path / "m", base, max_length=5, pooling="mean")).job
    assert (job.model.max_length, job.model.pooling) == (5, "mean")
    assert max(len(ids) for ids in job.training.ids) == 5
    positions = "embedder.position.weight"
    assert np.array_equal(job.start[positions], base.weights()[positions][:5])


def test_a_model_from_a_base_is_quantised_measured_and_says_so(tmp_path, base, monkeypatch, capsys):
    def blocked(*_, **__):
        raise AssertionError("a socket was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, blocked)
    out, fast = tmp_path / "model", replace(CONFIG, learning_rate=2e-2, dropout=0.0, token_dropout=0.0)
    metrics = finetune(started(out, base, max_length=12, pooling="mean", config=fast))
    assert metrics["float"]["accuracy"] > 0.9
    assert abs(metrics["int8"]["accuracy"] - metrics["float"]["accuracy"]) <= 0.05
    assert metrics["base"] == {"name": "tiny", "fingerprint": base.fingerprint()}
    assert metrics["protocol"]["boundary"] == "none"
    assert ", from tiny\n" in capsys.readouterr().err
    folder = load_model(out)
    assert folder.config == base.fitted(12, "mean")
    assert folder.metrics == metrics
    card = (out / "README.md").read_text()
    assert f"* base\n  * name: tiny\n  * fingerprint: {base.fingerprint()}\n" in card
    # The stored integer model is the one that was measured.
    test = examples(60, 2)
    answers = predict(load_plan(folder), folder.tokenizer.encode_batch(test.texts, max_length=12)).argmax(1)
    right = np.mean([folder.labels[a] == t for a, t in zip(answers, test.targets, strict=True)])
    assert right == metrics["int8"]["accuracy"]


def test_hardly_trained_it_is_hardly_another(tmp_path, base):
    still = replace(CONFIG, epochs=1, learning_rate=1e-12, weight_decay=0.0)
    metrics = finetune(started(tmp_path / "model", base, max_length=16, config=still))
    weights = load_model(tmp_path / "model").weights()
    for name, value in base.weights().items():
        rows = value[:16] if name == "embedder.position.weight" else value
        assert np.allclose(weights[name], rows, rtol=0, atol=1e-6), name
    assert metrics["protocol"]["epochs_run"] == 1


def test_from_scratch_no_base_is_named(tmp_path):
    metrics = finetune(request(tmp_path / "model", config=replace(CONFIG, epochs=1)))
    assert metrics["base"] == "none"
    assert "* base: none\n" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize("changes", [{"model": MODEL}, {"vocab_size": 60}])
def test_a_shape_or_vocabulary_that_is_not_the_bases_is_refused(tmp_path, base, changes):
    with pytest.raises(UsageError, match="the base tiny fixes shape and vocabulary"):
        prepare(replace(started(tmp_path / "m", base), **changes))


def test_a_damaged_base_is_refused_before_training(tmp_path, base):
    file = base.path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        finetune(started(tmp_path / "model", base))
    assert [item.name for item in tmp_path.iterdir()] == ["bases"]


def test_a_training_from_another_base_is_not_resumed(tmp_path, base, monkeypatch, capsys):
    straight, out = tmp_path / "straight", tmp_path / "model"
    quick = replace(CONFIG, epochs=2, base_rate=0.5, layer_decay=0.5)
    finetune(started(straight, base, config=quick))
    steps = iter(range(20))

    def stop(self):
        if next(steps) == 19:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module.Reporter, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(started(out, base, config=quick))
    settings = {"tokenizer": base.tokenizer, "residual": True, "causal_conv": False, "embedding_size": 8}
    renamed = folders.small_base(tmp_path / "bases" / "big", **settings)
    retrained = folders.small_base(tmp_path / "others" / "tiny", seed=1, **settings)
    with pytest.raises(UsageError, match="unfinished training with base 'tiny', not 'big'"):
        finetune(started(out, renamed, config=quick))
    with pytest.raises(UsageError, match=r"unfinished training with base_weights '\w+\.\.\., not '\w+"):
        finetune(started(out, retrained, config=quick))
    with pytest.raises(UsageError, match="unfinished training with base 'tiny', not 'none'"):
        finetune(request(out, config=quick))
    finetune(started(out, load_base(str(base.path)), config=quick))
    assert "resumed after epoch 1" in capsys.readouterr().err
    for name in ("model.safetensors", "model.int8.safetensors", "quant.json", "tokenizer.json"):
        assert (out / name).read_bytes() == (straight / name).read_bytes()


@pytest.mark.parametrize("name", ["bert", "nano-embedder-conv", "mamba"])
def test_other_architectures_go_the_whole_line(tmp_path, name):
    model = factory.MAMBA if name == "mamba" else factory.BASELINES[name]
    model = replace(model, vocab_size=200, hidden_size=20 if name == "nanobert" else 24)
    metrics = finetune(
        request(tmp_path / "model", model=model, config=replace(CONFIG, epochs=12, learning_rate=1e-2))
    )
    assert metrics["float"]["accuracy"] > 0.6
    folder = load_model(tmp_path / "model")
    assert folder.config.architecture == model.architecture
    if model.integer:
        assert abs(metrics["int8"]["accuracy"] - metrics["float"]["accuracy"]) < 0.1
        assert load_plan(folder).architecture == model.architecture
    else:
        assert "int8" not in metrics
        assert "float only" in (tmp_path / "model/README.md").read_text()


def test_a_length_that_no_integer_model_has_is_refused_before_training(tmp_path):
    asked = request(tmp_path / "m", model=replace(MODEL, max_length=1025))
    with pytest.raises(UsageError, match="max_length must be at most 1024 for the integer model, not 1025"):
        prepare(asked)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            {"hidden_size": 4098},
            "rows of the integer model are at most 4,096 wide, not 4,098: lower hidden_size",
        ),
        ({"kernel_size": 65536}, "at most 65,535 taps, not 65,536"),
    ],
)
def test_a_shape_that_no_integer_model_has_is_refused_before_training(tmp_path, shape, message):
    with pytest.raises(UsageError, match=message):
        prepare(request(tmp_path / "m", model=replace(MODEL, expansion=1, **shape)))


def test_two_trainings_do_not_share_a_place(tmp_path):
    with alone(tmp_path / "m.partial"), pytest.raises(UsageError, match="another process is training in"):
        finetune(request(tmp_path / "m"))
