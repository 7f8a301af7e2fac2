"""Pre-training learns, repeats itself to the bit, survives any end, and stops at nonsense."""

import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from embbert.errors import EmbbertError, ModelError, UsageError
from embbert.models.pretraining import PretrainingModel
from embbert.train.checkpoint import read_checkpoint
from embbert.train.pretraining import loop
from embbert.train.pretraining.feed import Feed
from embbert.train.pretraining.loop import POINTS, pretrain_model
from embbert.train.pretraining.weights import load_start
from embbert.train.speed import can_compile, has_bf16
from pretraining import QUICK, Killed, Recorder, job, kill, of_one_document, stream

CPU = torch.device("cpu")


def train(what, meter=None, **settings):
    return pretrain_model(what, meter or Recorder(), precision="float32", compiled=False, **settings)


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def same(one, other):
    """Weights, head and measurements to the bit; only the time they took may differ."""
    history, others = ([replace(p, seconds=0.0) for p in which.history] for which in (one, other))
    heads = equal(one.head or {}, other.head or {})
    return equal(one.weights, other.weights) and heads and history == others


@pytest.mark.parametrize("pairs", [False, True])
def test_it_learns(pairs):
    recorder = Recorder()
    config = replace(QUICK, tokens=32_000, learning_rate=1e-2, pairs=pairs, seed=2)
    trained = train(job(config, hidden_size=16), recorder)
    first, last = trained.history[0], trained.history[-1]
    assert last.validation_loss < first.validation_loss - 0.5
    # Eight words, each as frequent: who knows less than which follows which stays at ln 8.
    assert last.validation_loss < math.log(8) - 0.2
    assert (last.pair_accuracy is not None) == pairs
    assert list(trained.history) == recorder.points
    assert POINTS - 1 <= len(trained.history) <= POINTS
    assert last.tokens == 256 * last.step >= 16_000
    assert last.learning_rate < 0.05 * config.learning_rate
    assert all(point.learning_rate <= config.learning_rate for point in trained.history)


def test_pairs_of_one_kind_say_nothing_of_how_well_they_are_told_apart():
    what = job(replace(QUICK, pairs=True))
    trained = train(replace(what, validation=of_one_document(what.validation)))
    assert {point.pair_accuracy for point in trained.history} == {None}


def test_the_measured_loss_is_that_of_the_weights_that_are_given_back():
    what = job(replace(QUICK, dropout=0.5))  # which must not act while it is measured
    what = replace(what, validation=stream(6000, seed=1))
    trained = train(what)
    model = PretrainingModel(what.model, tied=True, pairs=False).eval()
    load_start(model, {**trained.weights, **trained.head})
    held_out = Feed(what, 0, 1).held_out
    assert sum(part.ids.shape[0] for part in held_out) > 32  # more than the rows of one part
    with torch.no_grad():
        losses = [model(*part) for part in held_out]
    mlm = float(torch.stack([loss.mlm for loss in losses]).mean())
    # The row of [PAD] is set to zero at the end, which changes the score of a token that never occurs.
    assert trained.history[-1].validation_loss == pytest.approx(mlm, abs=0.02)


def test_the_loss_of_a_step_is_that_of_tokens_and_pairs():
    what = job(replace(QUICK, pairs=True))
    shown = []
    meter = Recorder()
    meter.step = lambda tokens, seconds, loss: shown.append(loss)
    train(what, meter)
    torch.manual_seed(what.config.seed)
    model = PretrainingModel(what.model, tied=True, pairs=True)
    with torch.no_grad():
        losses = [model(*part) for part in Feed(what, 0, 1).parts(0, 0.0)]
    expected = np.mean([float(loss.mlm) + float(loss.nsp) for loss in losses])
    assert all(loss.nsp > 0.1 for loss in losses)
    assert shown[0] == pytest.approx(expected, rel=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    assert same(train(job()), train(job()))
    assert not same(train(job()), train(job(replace(QUICK, seed=1))))


HARD = replace(QUICK, dropout=0.2, long_share=0.4)
KINDS = {
    "packed": HARD,
    "pairs": replace(HARD, pairs=True, whole_words=True),
    "full head": replace(HARD, tied=False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [1, 9, 10, 16])
def test_a_killed_run_that_is_resumed_gives_the_bits_of_one_that_was_not(tmp_path, kind, after):
    checkpoint, what = tmp_path / "b.partial" / "checkpoint.pt", job(KINDS[kind])
    with pytest.raises(Killed):
        train(what, Recorder(after, kill), checkpoint=checkpoint, save_seconds=0.0)
    torch.manual_seed(99)  # whatever happened in between
    recorder = Recorder()
    resumed = train(what, recorder, checkpoint=checkpoint)
    assert recorder.steps == 16 - (after - 1)  # the step that was not saved is done again
    assert f"resumed at {256 * (after - 1):,} tokens" in recorder.lines[0]
    assert same(resumed, train(what))


def test_a_resumed_run_measures_no_more_often(tmp_path):
    checkpoint, what = tmp_path / "checkpoint.pt", job(replace(QUICK, tokens=2 * POINTS * 256 + 4096))
    with pytest.raises(Killed):
        train(what, Recorder(2, kill), checkpoint=checkpoint, save_seconds=0.0)
    assert same(train(what, checkpoint=checkpoint), train(what))


def test_a_finished_run_that_was_killed_before_its_folder_was_written_is_at_its_end(tmp_path):
    checkpoint, recorder = tmp_path / "checkpoint.pt", Recorder()
    first = train(job(), checkpoint=checkpoint)
    assert same(train(job(), recorder, checkpoint=checkpoint), first)
    assert recorder.steps == 0


def test_ctrl_c_saves_what_was_reached(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    interrupt = Recorder(5, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(job(HARD), interrupt, checkpoint=checkpoint)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert read_checkpoint(checkpoint, {})["step"] == 5
    recorder = Recorder()
    assert same(train(job(HARD), recorder, checkpoint=checkpoint), train(job(HARD)))
    assert recorder.steps == 11


def test_ctrl_c_in_the_last_step_is_not_lost(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    interrupt = Recorder(16, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(job(HARD), interrupt, checkpoint=checkpoint)
    assert len(interrupt.points) == 16  # the last one too
    assert read_checkpoint(checkpoint, {})["step"] == 16
    recorder = Recorder()
    assert same(train(job(HARD), recorder, checkpoint=checkpoint), train(job(HARD)))
    assert recorder.steps == 0


def test_ctrl_c_in_the_last_step_of_any_process_stops_all(monkeypatch):
    """Processes exchange a number behind the last step, too."""
    told = []

    def reduce(self, values, reduction="sum"):
        told.append(values)
        return values if values.numel() == 2 else values + 1.0  # another process was asked

    monkeypatch.setattr("accelerate.Accelerator.reduce", reduce)
    with pytest.raises(KeyboardInterrupt):
        train(job())
    assert [values.numel() for values in told] == [2] * 16 + [1]
    assert not told[-1].any()


def test_nothing_is_saved_sooner_than_asked(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        train(job(), Recorder(10, kill), checkpoint=checkpoint, save_seconds=3600.0)
    assert not checkpoint.exists()


def finite(state):
    return all(torch.isfinite(value).all() for value in state["model"].values())


@pytest.mark.parametrize("rate", [2.0, 1e4, 1e30])
def test_an_absurd_rate_stops_with_advice_and_keeps_a_checkpoint_that_works(tmp_path, rate):
    checkpoint = tmp_path / "checkpoint.pt"
    bad = job(replace(QUICK, learning_rate=rate, tokens=80_000))
    message = (
        r"the ((validation )?loss|gradient) (became (nan|inf)|rises .*) after .*; the last checkpoint, if"
    )
    with pytest.raises(EmbbertError, match=message) as stopped:
        train(bad, checkpoint=checkpoint, save_seconds=0.0)
    assert stopped.value.exit_code == 1
    assert f"--learning-rate below {rate:g}, and --restart" in str(stopped.value)
    state = read_checkpoint(checkpoint, {})
    assert finite(state)
    # Its weights still gave a loss near the best.
    model = PretrainingModel(bad.model, tied=True, pairs=False)
    model.load_state_dict(state["model"])
    losses = [model(*part).mlm.item() for part in Feed(bad, 0, 1).parts(state["step"], 0.0)]
    assert np.mean(losses) < math.log(40) + loop.DIVERGED


def test_a_loss_that_rises_stops_with_the_checkpoint_from_before(tmp_path, monkeypatch):
    parts, checkpoint = Feed.parts, tmp_path / "checkpoint.pt"

    def spoiled(self, step, done):
        """From step 40 on the hidden tokens are said to be one that never occurs."""
        good = parts(self, step, done)
        return (
            good if step < 40 else [part._replace(labels=torch.full_like(part.labels, 39)) for part in good]
        )

    monkeypatch.setattr(Feed, "parts", spoiled)
    monkeypatch.setattr(loop, "SMOOTHING", 0.5)
    what = job(replace(QUICK, tokens=16_000, learning_rate=2e-2))
    with pytest.raises(EmbbertError, match=r"the loss rises instead of falling after 10,\d{3} tokens"):
        train(what, checkpoint=checkpoint, save_seconds=0.0)
    assert read_checkpoint(checkpoint, {})["step"] == 39


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path, monkeypatch):
    checkpoint, clip = tmp_path / "checkpoint.pt", loop.accelerator().clip_grad_norm_

    def overflow(self, parameters, most):
        norm = clip(parameters, most)
        return norm if recorder.steps < 3 else torch.tensor(torch.inf)

    recorder = Recorder()
    with monkeypatch.context() as patched:
        patched.setattr("accelerate.Accelerator.clip_grad_norm_", overflow)
        with pytest.raises(EmbbertError, match="the gradient became inf after 768 tokens"):
            train(job(), recorder, checkpoint=checkpoint, save_seconds=0.0)
    assert read_checkpoint(checkpoint, {})["step"] == 2
    assert same(train(job(), checkpoint=checkpoint), train(job()))


def test_weights_that_broke_in_the_last_step_are_not_given_back():
    once = job(replace(QUICK, tokens=256, learning_rate=1e30, warmup_steps=0, final_rate=1.0))
    with pytest.raises(EmbbertError, match="the validation loss became nan"):
        train(once)


def test_a_checkpoint_of_other_settings_or_another_model_or_a_damaged_one_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train(job(), checkpoint=checkpoint, settings={"seed": 0})
    with pytest.raises(UsageError, match=r"(?s)seed 0, not 1.*--restart"):
        train(job(), checkpoint=checkpoint, settings={"seed": 1})
    with pytest.raises(ModelError, match=r"(?s)cannot be resumed.*--restart"):
        train(job(num_layers=1), checkpoint=checkpoint, settings={"seed": 0})
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"(?s)cannot be resumed.*--restart"):
        train(job(), checkpoint=checkpoint, settings={"seed": 0})


class Clock:
    """A quarter of a second passes whenever somebody looks."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 0.25
        return self.now


def test_time_ends_the_run_with_its_schedule(monkeypatch):
    monkeypatch.setattr(loop, "time", Clock())
    config = replace(QUICK, tokens=10**9, max_seconds=10)
    trained = train(job(config))
    last = trained.history[-1]
    assert last.seconds == pytest.approx(10, abs=0.5)
    assert last.tokens < 100 * 256
    assert last.learning_rate < 0.1 * config.learning_rate
    assert max(point.learning_rate for point in trained.history) > 0.9 * config.learning_rate


def test_parts_change_the_result_by_rounding_only():
    whole = train(job(replace(QUICK, micro_tokens=256))).weights
    parts = train(job(replace(QUICK, micro_tokens=64))).weights
    assert not equal(whole, parts)
    assert max(np.abs(whole[name] - parts[name]).max() for name in whole) < 1e-4


@pytest.mark.parametrize("tied", [True, False])
def test_going_on_from_weights_begins_where_they_ended(tied):
    config = replace(QUICK, tokens=12_000, learning_rate=2e-2, tied=tied)
    first = train(job(config))
    slow = replace(config, tokens=256, learning_rate=1e-9, warmup_steps=0)
    start = {**first.weights, **(first.head or {})}
    again, fresh = (train(job(slow, start=what)).history[0].validation_loss for what in (start, None))
    reached = first.history[-1].validation_loss
    assert reached < fresh - 0.5
    if tied:
        assert again == pytest.approx(reached, abs=0.02)
    else:  # its head is not kept: a new one has to be learned
        assert again > reached + 0.5


def test_only_matrices_decay():
    still = job(replace(QUICK, tokens=512, learning_rate=1e-9, weight_decay=4e8, warmup_steps=0))
    torch.manual_seed(still.config.seed)
    before = PretrainingModel(still.model, tied=True, pairs=False)
    trained = train(still)
    name = "layers.0.query.weight"
    assert np.abs(trained.weights[name]).max() < 0.7 * before.state_dict()[f"backbone.{name}"].abs().max()
    assert np.abs(trained.weights["layers.0.norm.weight"] - 1).max() < 1e-3


@pytest.mark.parametrize(
    ("setting", "value"),
    [("dropout", 0.3), ("beta2", 0.9), ("max_grad_norm", 1e-3), ("weight_decay", 0.5), ("mask_share", 0.4)],
)
def test_every_setting_changes_what_is_learned(setting, value):
    plain = replace(QUICK, tokens=1024, dropout=0.0, max_grad_norm=1e9, weight_decay=0.0)
    assert not same(train(job(plain)), train(job(replace(plain, **{setting: value}))))


def test_the_optimiser_gets_its_decay_and_the_norm_its_limit(monkeypatch):
    seen = []
    clip, step = torch.nn.utils.clip_grad_norm_, torch.optim.AdamW.step

    def clipped(parameters, max_norm, **settings):
        seen.append(max_norm)
        return clip(parameters, max_norm, **settings)

    def stepped(self, *arguments, **settings):
        seen.extend(group["betas"] for group in self.param_groups)
        return step(self, *arguments, **settings)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clipped)
    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    train(job(replace(QUICK, tokens=256, beta2=0.875, max_grad_norm=0.25)))
    assert set(seen) == {0.25, (0.9, 0.875)}


def test_a_seed_may_be_any_number():
    train(job(replace(QUICK, tokens=256, seed=2**60)))


def test_torchs_switches_are_as_they_were():
    def switches():
        memory = torch.utils.deterministic.fill_uninitialized_memory
        return torch.are_deterministic_algorithms_enabled(), memory, torch.get_float32_matmul_precision()

    before = switches()
    train(job(replace(QUICK, tokens=256)))
    assert switches() == before
    assert torch.tensor(1e-40) * 1.0 != 0.0  # denormal numbers are back


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about its own compiler
@pytest.mark.skipif(not (can_compile(CPU) and has_bf16(CPU)), reason="no C++ compiler or no bfloat16")
def test_a_compiled_run_in_bfloat16_learns_as_a_plain_one():
    what = job(replace(QUICK, tokens=12_000, learning_rate=2e-2, long_share=0.0))
    trained = pretrain_model(what, Recorder(), precision="bf16", compiled=True)
    plain = train(what).history[-1].validation_loss
    assert trained.history[-1].validation_loss == pytest.approx(plain, abs=0.1)
