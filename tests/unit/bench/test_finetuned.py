"""EmbBERT competes as `embbert train` makes it, and int8 is what the compiled C answers."""

import numpy as np
import pytest

import factory
import folders
from embbert.bench.finetuned import EMBBERT, LIKE_BASE, TrainedModel
from embbert.bench.interface import Bytes, Work
from embbert.bench.systems import SYSTEMS, all_systems
from embbert.config import SCRATCH_LEARNING_RATE
from embbert.data import Examples
from embbert.errors import CheckFailed, UsageError
from embbert.footprint import deployed, macs, paper
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import predict
from embbert.quant.spec import LOGIT_ONE

METRICS = {
    "base": "none",
    "protocol": {"seed": 3},
    "precision": "float32",
    "validation": {"accuracy": 0.5, "loss": 1.0},
    "history": [{"epoch": 1, "score": 0.25, "loss": 2.0}, {"epoch": 2, "score": 0.5, "loss": 1.0}],
}


def rows(task="classify", *, pair=False):
    pairs = tuple(reversed(folders.TEXTS)) if pair else None
    return Examples(folders.TEXTS, pairs, None, tuple(range(len(folders.TEXTS))), "x", task)


@pytest.fixture
def trained(tmp_path):
    folder = folders.small_folder(tmp_path / "m")
    folder.metrics.update(METRICS)
    return TrainedModel(folder)


class Interpreter:
    """Stands in for the compiled model, which takes seconds to make."""

    def __init__(self, folder, plan):
        self.folder, self.plan = folder, plan

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def logits(self, texts, pairs):
        ids = self.folder.tokenizer.encode_batch(texts, pairs, max_length=self.plan.max_length)
        return predict(self.plan, ids)


@pytest.fixture
def interpreted(monkeypatch):
    monkeypatch.setattr("embbert.verify.host.HostModel", Interpreter)


def test_int8_answers_are_those_of_the_integer_model(trained, interpreted):
    plan = load_plan(trained.folder)
    ids = trained.folder.tokenizer.encode_batch(folders.TEXTS, None, max_length=plan.max_length)
    assert np.array_equal(trained.answers("int8", rows()), predict(plan, ids).argmax(axis=1))
    assert trained.settings["rows_compared_with_specification"] == len(folders.TEXTS)
    assert trained.settings["protocol"] == {"seed": 3}
    assert trained.settings["architecture"] == "embbert"
    assert trained.validation == {"accuracy": 0.5, "loss": 1.0}
    assert trained.curve == (0.25, 0.5)


def test_values_of_pairs_from_compiled_c(tmp_path):
    folder = folders.small_folder(tmp_path / "m", "regress", pair=True)
    plan, model = load_plan(folder), TrainedModel(folder)
    pairs = tuple(reversed(folders.TEXTS))
    ids = folder.tokenizer.encode_batch(folders.TEXTS, pairs, max_length=plan.max_length)
    answers = model.answers("int8", rows("regress", pair=True))
    assert np.array_equal(answers, predict(plan, ids)[:, 0] / LOGIT_ONE)
    pytest.importorskip("torch")
    assert model.answers("float", rows("regress", pair=True)) == pytest.approx(answers, abs=0.5)


def test_c_that_differs_from_the_specification_is_no_result(trained, interpreted, monkeypatch):
    monkeypatch.setattr(
        "embbert.quant.reference.predict", lambda plan, ids: np.zeros((len(ids), 3), dtype=np.int32)
    )
    with pytest.raises(CheckFailed, match="x: the compiled C differs"):
        trained.answers("int8", rows())


def test_rows_from_all_over_are_compared(trained, interpreted, monkeypatch):
    many = tuple(f"{folders.TEXTS[n % 5]} {n}" for n in range(601))
    asked = Examples(many, None, None, tuple(range(601)), "x", "classify")
    trained.answers("int8", asked)
    assert trained.compared == 201  # every third
    logits = Interpreter.logits

    def faulty(self, texts, pairs):
        found = logits(self, texts, pairs)
        found[300, 0] += 1
        return found

    monkeypatch.setattr(Interpreter, "logits", faulty)
    with pytest.raises(CheckFailed, match="x: the compiled C differs"):
        trained.answers("int8", asked)


def test_bytes_and_work(trained):
    config = trained.folder.config
    formula, counted = deployed(config, 3), paper(config)
    integer = trained.size("int8")
    assert (integer.constants, integer.arena) == (formula.constant_bytes, formula.arena_bytes)
    assert integer.stack > 1000
    assert integer.code > 10_000
    head = 4 * 3 * (config.hidden_size + 1)
    expected = Bytes(counted.weights + head, arena=counted.activations, tokenizer=integer.tokenizer)
    assert trained.size("float") == expected
    ids = trained.folder.tokenizer.encode_batch(folders.TEXTS, None, max_length=config.max_length)
    tokens = sum(map(len, ids)) / len(ids)
    assert trained.work("int8", rows()) == Work(tokens, macs(config, 3, round(tokens)))


@pytest.mark.parametrize("system", EMBBERT, ids=lambda system: system.name)
def test_training_is_the_default_with_the_reported_metric(system, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    shipped = folders.small_base(tmp_path / "base")
    asked, requests = [], []

    def base(name):
        asked.append(name)
        return shipped

    def finetune(request):
        requests.append(request)
        folders.small_folder(request.out)

    monkeypatch.setattr("embbert.bases.load_base", base)
    monkeypatch.setattr("embbert.train.finetune.finetune", finetune)
    fitted = system.fit(rows(), metric="mcc", seed=7, folder=tmp_path)
    system.fit(rows(), metric="f1", seed=7, folder=tmp_path / "other")
    first, second = requests
    assert fitted.folder.path == tmp_path / system.name
    assert fitted.known == ()
    assert (first.config.seed, first.config.score, second.config.score) == (7, "mcc", "auto")
    assert first.test is None
    if system.base is None:
        assert not asked
        assert (first.base, first.model) == (None, LIKE_BASE)
        assert first.config.learning_rate == SCRATCH_LEARNING_RATE
        assert (LIKE_BASE.pooling, LIKE_BASE.causal_conv, LIKE_BASE.residual) == ("mean", False, False)
    else:
        assert asked[0] == system.base
        assert (first.base, first.model) == (shipped, shipped.fitted())


def test_every_base_of_a_folder_is_a_system(tmp_path):
    folders.small_base(tmp_path / "two-heads", config=factory.BASELINES["bert"])
    folders.small_base(tmp_path / "mamba-24m", config=factory.MAMBA)
    (tmp_path / "notes").mkdir()
    more = all_systems(tmp_path)
    assert list(more) == [*SYSTEMS, "mamba-24m", "two-heads"]
    assert more["two-heads"].precisions == ("float", "int8")
    assert more["mamba-24m"].precisions == ("float",)
    assert "mamba" in more["mamba-24m"].title
    assert all_systems(None) == SYSTEMS


def test_a_folder_without_bases_or_with_a_taken_name_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no folders of bases"):
        all_systems(tmp_path)
    folders.small_base(tmp_path / "dummy")
    with pytest.raises(UsageError, match="dummy is the name of a system that comes along"):
        all_systems(tmp_path)


def test_what_runs_in_float_only_has_the_bytes_of_the_paper_and_no_known_work(tmp_path):
    config = factory.MAMBA
    folder = folders.small_folder(tmp_path / "m", config=config, quantized=False)
    model = TrainedModel(folder)
    size = model.size("float")
    assert size.constants == paper(config).weights + 4 * 3 * (config.hidden_size + 1)
    assert size.arena == 4 * config.activation_count
    assert model.work("float", rows()) is None
    assert model.answers("float", rows()).shape == (len(folders.TEXTS),)
