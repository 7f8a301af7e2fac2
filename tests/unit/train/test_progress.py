"""Lines where no terminal is, a bar where one is, nothing when quiet; never a word on stdout."""

import pytest
from rich.console import Console

from embbert.train import progress
from embbert.train.job import Epoch

EPOCH = Epoch(3, 0.5, 0.25, 0.875, 1e-3)


def show(**settings):
    with progress.Reporter("accuracy", **settings) as reporter:
        reporter.say("hello [world]")
        reporter.begin(3, 2)
        reporter.step()
        reporter.step()
        reporter.end(EPOCH, best=True)


def test_plain_lines_without_a_terminal(capsys):
    show()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "hello [world]",
        "epoch   3  loss 0.5000  validation loss 0.2500  accuracy 0.8750 *",
    ]


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(
        progress, "Console", lambda **settings: Console(**settings, force_terminal=True, width=100)
    )
    show()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello [world]" in captured.err
    assert "2/2" in captured.err
    assert "accuracy 0.8750 *" in captured.err


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_is_quiet(capsys, monkeypatch, terminal):
    monkeypatch.setattr(progress, "Console", lambda **settings: Console(**settings, force_terminal=terminal))
    show(quiet=True)
    assert capsys.readouterr() == ("", "")
