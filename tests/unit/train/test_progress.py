"""Lines where no terminal is, a bar where one is, nothing when quiet; never a word on stdout."""

import pytest

from embbert.train import progress
from embbert.train.job import Epoch

EPOCH = Epoch(3, 0.5, 0.25, 0.875, 1e-3)


def show(**settings):
    with progress.Reporter("accuracy", **settings) as reporter:
        reporter.say("hello [world] :train:")
        reporter.begin(3, 2)
        reporter.step()
        reporter.step()
        reporter.end(EPOCH, best=True)


def test_plain_lines_without_a_terminal(capsys):
    show()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "hello [world] :train:",
        "epoch   3  loss 0.5000  validation loss 0.2500  accuracy 0.8750 *",
    ]


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # by which a stream counts as a terminal
    monkeypatch.setenv("COLUMNS", "100")
    show()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello [world] :train:" in captured.err
    assert "2/2" in captured.err
    assert "accuracy 0.8750 *" in captured.err


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_is_quiet(capsys, monkeypatch, terminal):
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    show(quiet=True)
    assert capsys.readouterr() == ("", "")
