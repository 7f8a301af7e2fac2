"""Training learns, repeats itself to the bit, survives interruption and stops at nonsense."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import factory
from embbert.config import TrainConfig
from embbert.errors import EmbbertError, ModelError, UsageError
from embbert.models.heads import SequenceModel, load_arrays, to_arrays
from embbert.train import loop
from embbert.train.batches import Rows
from embbert.train.evaluate import float_logits
from embbert.train.job import Job
from embbert.train.loop import drop_tokens, fit
from embbert.train.metrics import measure
from embbert.train.speed import has_bf16

QUICK = TrainConfig(epochs=3, batch_size=16, learning_rate=5e-3, warmup_steps=5)


def rows(count, seed, kind="classify"):
    """Class (or value) = how often id 5 occurs, up to twice."""
    rng = np.random.default_rng(seed)
    ids = [[2, *rng.integers(5, 9, rng.integers(2, 8)).tolist()] for _ in range(count)]
    counts = np.array([min(2, row.count(5)) for row in ids])
    return Rows(ids, counts if kind == "classify" else counts.astype(np.float32) - 1)


def job(task="classify", config=QUICK, **changes):
    model = factory.small_config(vocab_size=9, **{"residual": True, "pooling": "mean", **changes})
    return Job(model, config, task, 3 if task == "classify" else 1, rows(240, 1, task), rows(60, 2, task))


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


class Recorder:
    """Stands in for the progress shown to people; stops the training after so many steps."""

    def __init__(self, stop_after=None):
        self.stop_after, self.lines, self.epochs = stop_after, [], []

    def say(self, line):
        self.lines.append(line)

    def begin(self, number, steps):
        self.steps = steps

    def step(self):
        if self.stop_after is not None:
            self.stop_after -= 1
            if self.stop_after == 0:
                raise KeyboardInterrupt

    def end(self, epoch, *, best):
        self.epochs.append((epoch.number, best))


def test_it_learns_classes_and_keeps_the_best_epoch():
    recorder = Recorder()
    trained = fit(job(config=replace(QUICK, epochs=12)), reporter=recorder)
    assert trained.best.score > 0.9
    assert trained.best.rank == max(epoch.rank for epoch in trained.history)
    assert [number for number, best in recorder.epochs if best][-1] == trained.best.number
    assert recorder.steps == 15
    model = SequenceModel(job().model, 3)
    load_arrays(model, trained.weights)
    held = job().validation
    assert measure("classify", held.targets, float_logits(model, held.ids))["accuracy"] == trained.best.score


def test_the_metric_that_is_asked_for_chooses_the_epoch():
    trained = fit(job(config=replace(QUICK, epochs=4, score="mcc")))
    model = SequenceModel(job().model, 3)
    load_arrays(model, trained.weights)
    held = job().validation
    metrics = measure("classify", held.targets, float_logits(model, held.ids))
    assert trained.best.score == metrics["mcc"] != metrics["accuracy"]
    assert trained.best.score == max(epoch.score for epoch in trained.history)


def test_it_learns_values():
    trained = fit(job("regress", replace(QUICK, epochs=12)))
    assert trained.best.score > 0.8
    assert trained.weights["head.weight"].shape == (1, 12)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    first, second = fit(job()), fit(job())
    assert equal(first.weights, second.weights)
    assert first.history == second.history
    assert not equal(first.weights, fit(job(config=replace(QUICK, seed=1))).weights)


def test_a_process_drops_other_tokens_in_every_epoch_than_any_other(monkeypatch):
    seeds, plain = [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: seeds.append(seed) or plain(seed))
    for process in range(3):
        monkeypatch.setattr("accelerate.Accelerator.process_index", process)
        fit(job())
    drawn = [seed for seed in seeds if seed != QUICK.seed]  # which the weights begin with, in all alike
    assert len(drawn) == len(set(drawn)) == 3 * 3


@pytest.mark.parametrize("stop_after", [1, 20, 40])
def test_a_resumed_run_gives_the_bits_of_an_uninterrupted_one(tmp_path, stop_after):
    checkpoint = tmp_path / "m.partial" / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(job(), reporter=Recorder(stop_after), checkpoint=checkpoint, settings={"seed": 0})
    assert checkpoint.exists() == (stop_after > 15)
    torch.manual_seed(99)  # whatever happened in between
    recorder = Recorder()
    resumed = fit(job(), reporter=recorder, checkpoint=checkpoint, settings={"seed": 0})
    plain = fit(job())
    assert equal(resumed.weights, plain.weights)
    assert resumed.history == plain.history
    assert len(recorder.epochs) == 3 - (stop_after - 1) // 15


def test_a_checkpoint_of_other_settings_or_another_model_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    fit(job(config=replace(QUICK, epochs=1)), checkpoint=checkpoint, settings={"epochs": 1})
    with pytest.raises(UsageError, match="epochs 1, not 2"):
        fit(job(), checkpoint=checkpoint, settings={"epochs": 2})
    with pytest.raises(ModelError, match="cannot be resumed"):
        fit(job(num_layers=1), checkpoint=checkpoint, settings={"epochs": 1})


def test_it_ends_by_itself_when_nothing_gets_better(monkeypatch):
    monkeypatch.setattr("embbert.train.schedule.PATIENT_STEPS", 1)
    trained = fit(job(config=replace(QUICK, epochs=50, learning_rate=1e-12, patience=2)))
    assert len(trained.history) == 1 + 3 * 2
    rates = [epoch.learning_rate for epoch in trained.history]
    assert rates == pytest.approx([1e-12, 1e-12, 1e-12, 3e-13, 3e-13, 9e-14, 9e-14])


@pytest.mark.parametrize("kind", ["rate", "weights"])
def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path, kind):
    checkpoint = tmp_path / "checkpoint.pt"
    if kind == "rate":
        bad = job("regress", replace(QUICK, learning_rate=1e30))
    else:
        bad = replace(job(), class_weights=np.full(3, np.inf, np.float32))
    with pytest.raises(EmbbertError, match=r"(?s)the loss became (nan|inf) in epoch 1.*--learning-rate"):
        fit(bad, checkpoint=checkpoint, settings={})
    assert not checkpoint.exists()


def test_class_weights_change_what_is_learned():
    weighted = replace(job(), class_weights=np.array([1e-6, 1e-6, 1.0], np.float32))
    model = SequenceModel(weighted.model, 3)
    load_arrays(model, fit(weighted).weights)
    assert (float_logits(model, weighted.validation.ids).argmax(1) == 2).all()


def test_only_matrices_decay():
    still = replace(QUICK, epochs=1, learning_rate=1e-9, weight_decay=1e8, warmup_steps=0)
    torch.manual_seed(still.seed)
    before = SequenceModel(job().model, 3)
    weights = fit(job(config=still)).weights
    assert np.abs(weights["head.weight"]).max() < 0.5 * before.head.weight.abs().max().item()
    assert np.abs(weights["layers.0.norm.weight"] - 1).max() < 1e-3


def started(config=QUICK, **changes):
    """A job that starts from given weights, and those weights."""
    plain = job(config=config, **changes)
    weights = factory.random_weights(plain.model, 3, seed=5)
    start = {name: value for name, value in weights.items() if not name.startswith("head.")}
    return replace(plain, start=start), start


def moved(weights, start):
    """The largest change of a weight by the part of the backbone it belongs to."""
    change = {}
    for name, value in start.items():
        part = ".".join(name.split(".")[: 2 if name.startswith("layers") else 1])
        change[part] = max(change.get(part, 0.0), float(np.abs(weights[name] - value).max()))
    return change


STILL = replace(QUICK, epochs=1, learning_rate=1e-12, weight_decay=0.0)


def test_training_starts_from_given_weights_with_a_new_head():
    begun, start = started(STILL)
    weights = fit(begun).weights
    assert max(moved(weights, start).values()) < 1e-6
    # The head is the one that training from scratch draws from the same seed.
    torch.manual_seed(STILL.seed)
    scratch = to_arrays(SequenceModel(begun.model, 3))
    assert np.allclose(weights["head.weight"], scratch["head.weight"], atol=1e-6)
    assert not np.allclose(weights["layers.0.query.weight"], scratch["layers.0.query.weight"], atol=1e-3)
    other, _ = started(replace(STILL, seed=1))
    assert not np.allclose(fit(other).weights["head.weight"], scratch["head.weight"], atol=1e-3)


def test_a_head_among_the_given_weights_is_not_taken():
    begun, start = started(STILL)
    head = {"head.weight": np.full((3, 12), 7, np.float32), "head.bias": np.zeros(3, np.float32)}
    assert equal(fit(replace(begun, start=start | head)).weights, fit(begun).weights)


@pytest.mark.parametrize("damage", ["missing", "unknown", "shape"])
def test_weights_of_another_model_are_no_start(damage):
    begun, start = started()
    name = "layers.1.out.weight"
    if damage == "missing":
        start = {key: value for key, value in start.items() if key != name}
    elif damage == "unknown":
        start = start | {"layers.2.out.weight": start[name]}
    else:
        start = start | {name: start[name][:3]}
    with pytest.raises(ModelError, match="the weights do not belong to this model"):
        fit(replace(begun, start=start))


def plain_groups(model, config):
    """What the optimiser had when every weight trained at the same rate."""
    matrices = [value for value in model.parameters() if value.ndim >= 2]
    vectors = [value for value in model.parameters() if value.ndim < 2]
    return [
        {"params": matrices, "lr": config.learning_rate, "share": 1.0, "weight_decay": config.weight_decay},
        {"params": vectors, "lr": config.learning_rate, "share": 1.0, "weight_decay": 0.0},
    ]


def test_equal_rates_change_no_bit(monkeypatch):
    begun, _ = started(replace(QUICK, epochs=2))
    assert (begun.config.base_rate, begun.config.layer_decay) == (1.0, 1.0)
    grouped = fit(begun)
    monkeypatch.setattr(loop, "_groups", plain_groups)
    plain = fit(begun)
    assert equal(grouped.weights, plain.weights)
    assert grouped.history == plain.history


def test_the_backbone_trains_at_its_share_and_the_head_at_the_full_rate():
    begun, start = started(replace(QUICK, epochs=1, base_rate=1e-9, weight_decay=0.0))
    weights = fit(begun).weights
    assert max(moved(weights, start).values()) < 1e-6
    torch.manual_seed(QUICK.seed)
    head = SequenceModel(begun.model, 3).head.weight.detach().numpy()
    assert np.abs(weights["head.weight"] - head).max() > 0.01


def test_layers_further_from_the_head_train_more_slowly():
    begun, start = started(replace(QUICK, epochs=1, layer_decay=1e-3, weight_decay=0.0))
    change = moved(fit(begun).weights, start)
    assert change["layers.1"] > 0.01
    assert change["final_norm"] > 0.01
    assert 1e-6 < change["layers.0"] < 1e-2 * change["layers.1"]
    assert change["embedder"] < 1e-2 * change["layers.0"]


def test_warm_up_and_falls_reach_every_group(monkeypatch):
    monkeypatch.setattr("embbert.train.schedule.PATIENT_STEPS", 1)
    rates = []
    step = torch.optim.AdamW.step

    def record(self, *arguments, **settings):
        rates.append(sorted({group["lr"] for group in self.param_groups}))
        return step(self, *arguments, **settings)

    monkeypatch.setattr(torch.optim.AdamW, "step", record)
    slow = replace(QUICK, learning_rate=1e-12, patience=1, base_rate=0.5, layer_decay=0.5, warmup_steps=2)
    fit(job(config=slow))
    full = np.array([0.125, 0.25, 0.5, 1.0]) * 1e-12
    for step_rates, share in ((rates[0], 0.5), (rates[1], 1.0), (rates[-1], 0.3)):
        assert step_rates == pytest.approx(full * share, rel=1e-6, abs=0)


def test_a_resumed_run_from_a_start_with_layer_wise_rates_gives_the_same_bits(tmp_path):
    checkpoint = tmp_path / "m.partial" / "checkpoint.pt"
    begun, _ = started(replace(QUICK, epochs=2, base_rate=0.5, layer_decay=0.5))
    with pytest.raises(KeyboardInterrupt):
        fit(begun, reporter=Recorder(20), checkpoint=checkpoint, settings={})
    resumed, plain = fit(begun, checkpoint=checkpoint, settings={}), fit(begun)
    assert equal(resumed.weights, plain.weights)
    assert resumed.history == plain.history


PLAIN = replace(
    QUICK, epochs=1, dropout=0.0, token_dropout=0.0, label_smoothing=0.0, max_grad_norm=1e9, weight_decay=0.0
)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("dropout", 0.3),
        ("token_dropout", 0.3),
        ("label_smoothing", 0.1),
        ("max_grad_norm", 1e-3),
        ("weight_decay", 0.5),
        ("warmup_steps", 2),
        ("batch_size", 8),
    ],
)
def test_every_setting_changes_what_is_learned(setting, value):
    plain = fit(job(config=PLAIN))
    assert not equal(plain.weights, fit(job(config=replace(PLAIN, **{setting: value}))).weights)


def test_smoothing_and_dropout_are_for_training_only():
    still = replace(PLAIN, learning_rate=1e-30)
    plain = fit(job(config=still)).history[0]
    for setting in ("label_smoothing", "dropout", "token_dropout"):
        other = fit(job(config=replace(still, **{setting: 0.4}))).history[0]
        assert other.loss != plain.loss
        assert (other.validation_loss, other.score) == (plain.validation_loss, plain.score)


def test_gradients_are_scaled_to_the_given_norm(monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def record(parameters, max_norm, **settings):
        norms.append(max_norm)
        return clip(parameters, max_norm, **settings)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", record)
    fit(job(config=replace(PLAIN, max_grad_norm=0.25)))
    assert norms == [0.25] * 15


def test_token_dropout_spares_special_tokens():
    torch.manual_seed(0)
    ids = torch.tensor([[2, 3, 4, 0, *range(5, 105)]])
    dropped = drop_tokens(ids, 0.3)
    assert dropped[0, :4].tolist() == [2, 3, 4, 0]
    changed = dropped[0, 4:] != ids[0, 4:]
    assert (dropped[0, 4:][changed] == 1).all()
    assert 15 <= changed.sum() <= 45
    assert drop_tokens(ids, 0.0) is ids


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="no bfloat16 here")
def test_bfloat16_products_learn_as_well_and_are_others():
    config = replace(QUICK, epochs=12)
    wide, narrow = (fit(job(config=config), precision=kind) for kind in ("float32", "bf16"))
    assert min(wide.best.score, narrow.best.score) > 0.9
    assert not equal(wide.weights, narrow.weights)
    assert all(value.dtype == np.float32 for value in narrow.weights.values())
    assert equal(narrow.weights, fit(job(config=config)).weights)  # auto


def test_bfloat16_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr("embbert.train.speed.has_bf16", lambda _: False)
    with pytest.raises(UsageError, match="no bfloat16 arithmetic"):
        fit(job(), precision="bf16")


def test_training_leaves_torchs_switches_as_they_were():
    def switches():
        return torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()

    before = switches()
    fit(job(config=replace(QUICK, epochs=1)))
    assert switches() == before
    assert torch.tensor(1e-40) * 1.0 != 0.0  # denormal numbers are back
