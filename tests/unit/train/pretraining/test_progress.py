"""What people see of a pre-training, and what TensorBoard gets."""

from dataclasses import replace

import pytest

from embbert.errors import MissingExtraError, UsageError
from embbert.train.pretraining import progress as module
from embbert.train.pretraining.job import Point
from embbert.train.pretraining.progress import RATE_SECONDS, Meter
from pretraining import QUICK

POINT = Point(3, 2_500_000, 10.0, 4e-3, 5.25, 4.0, 0.125)


def test_a_measurement_is_one_line_on_stderr(capsys):
    meter = Meter()
    with meter.over(QUICK, 0, 0.0):
        meter.step(2_500_000, 10.0, 5.25)
        meter.point(POINT)
        meter.point(Point(3, 2_500_000, 10.0, 4e-3, 5.25, 900.0, 0.125, 0.75))
    captured = capsys.readouterr()
    assert captured.out == ""
    plain, pairs = captured.err.splitlines()
    assert plain == (
        "    2.50 M tokens  loss 5.2500  validation 4.0000  perplexity 54.6  found 12.5 %  250,000 tokens/s"
    )
    assert "perplexity 485165195.4" in pairs  # the largest that is told
    assert "  pairs 75.0 %  250,000 tokens/s" in pairs


def test_pairs_that_cannot_be_judged_are_a_dash(capsys):
    meter = Meter()
    with meter.over(replace(QUICK, pairs=True), 0, 0.0):
        meter.point(POINT)
    assert "  pairs –  0 tokens/s" in capsys.readouterr().err


def test_others_than_the_first_process_are_quiet(capsys, tmp_path):
    meter = Meter(quiet=True, board=tmp_path / "board")
    with meter.over(QUICK, 0, 0.0):
        meter.say("hello")
        meter.point(POINT)
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "board").exists()


def test_the_rate_is_that_of_the_last_seconds():
    meter = Meter(quiet=True)
    with meter.over(QUICK, 1000, 50.0):  # of a run that is resumed
        assert meter.tokens_per_second == 0.0
        meter.step(1100, 51.0, 5.0)
        assert meter.tokens_per_second == 100.0
        for second in range(1, 101):
            meter.step(1100 + 1000 * second, 51.0 + second, 5.0)
        assert meter.tokens_per_second == pytest.approx(1000.0)
        assert len(meter._marks) <= RATE_SECONDS + 2


def test_on_a_terminal_there_is_a_bar(monkeypatch):
    """It shows how much is done, the loss, the rate and the time left, and lines stay above it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    meter = Meter()
    with meter.over(QUICK, 0, 0.0):
        meter.step(2048, 1.0, 5.25)
        meter.say("resumed")
        task = meter._bar.tasks[0]
        assert task.completed == 0.5
        assert task.description == "0.0 M tokens  loss 5.250  2,048 tokens/s"
        meter.step(10**6, 2.0, 5.25)
        assert meter._bar.tasks[0].completed == 1.0
    assert not meter._bar.live.is_started


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {name: [(e.step, e.value) for e in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_tensorboard_gets_every_number_once(tmp_path):
    pytest.importorskip("tensorboard")
    board = tmp_path / "board"
    meter = Meter(quiet=False, board=board)
    with meter.over(QUICK, 0, 0.0):
        meter.point(POINT)
        meter.point(Point(6, 5_000_000, 20.0, 2e-3, 5.0, 3.5, 0.25, 0.5))
    again = Meter(quiet=False, board=board)
    with again.over(QUICK, 2_500_000, 10.0):  # killed and resumed from the first
        again.point(Point(6, 5_000_000, 20.0, 2e-3, 5.0, 3.0, 0.25, 0.5))
    found = events(board)
    assert found["loss/validation"] == [(2_500_000, 4.0), (5_000_000, 3.0)]
    assert found["loss/training"][0] == (2_500_000, 5.25)
    assert found["accuracy/pairs"] == [(5_000_000, 0.5)]
    assert set(found) >= {
        "learning_rate",
        "tokens_per_second",
        "accuracy/validation",
        "perplexity/validation",
    }


def test_without_tensorboard_the_install_line_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'--tensorboard needs .*"embbert\[plot\]"'):
        Meter(board=tmp_path)


def test_logs_that_have_no_place_are_refused_at_once(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(UsageError, match=r"--tensorboard .* cannot be made: .*; name a folder"):
            Meter(board=place)
    assert (tmp_path / "file").read_text() == "mine"
