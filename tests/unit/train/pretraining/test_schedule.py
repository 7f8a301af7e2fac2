"""Progress, learning rate and the length of rows, from tokens and time."""

from dataclasses import replace

import pytest

from embbert.config import PretrainConfig
from embbert.train.pretraining.schedule import is_long, learning_rate, progress

CONFIG = PretrainConfig(tokens=1000, warmup_steps=10, learning_rate=2.0, final_rate=0.1)


def test_progress_is_that_of_the_tokens_or_of_the_time_whichever_is_ahead():
    timed = replace(CONFIG, max_seconds=100)
    assert progress(CONFIG, 250, 1e9) == 0.25
    assert progress(timed, 250, 10.0) == 0.25
    assert progress(timed, 250, 50.0) == 0.5
    assert progress(CONFIG, 1000, 0.0) == 1.0
    assert progress(timed, 0, 120.0) == 1.2


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine():
    rates = [learning_rate(CONFIG, step, 0.0) for step in range(12)]
    assert rates == pytest.approx([0.2 * (step + 1) for step in range(10)] + [2.0, 2.0])
    assert learning_rate(CONFIG, 500, 0.5) == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert learning_rate(CONFIG, 500, 1.0) == pytest.approx(0.2)
    assert learning_rate(CONFIG, 500, 1.5) == pytest.approx(0.2)


def test_the_lower_of_rise_and_fall_holds():
    assert learning_rate(CONFIG, 4, 0.5) == pytest.approx(1.0)
    assert learning_rate(CONFIG, 4, 0.9) == pytest.approx(2.0 * (0.1 + 0.9 * 0.0244717))


def test_without_a_rise_it_begins_at_the_peak():
    assert learning_rate(replace(CONFIG, warmup_steps=0), 0, 0.0) == 2.0


@pytest.mark.parametrize(
    ("share", "done", "answer"),
    [(0.1, 0.89, False), (0.1, 0.91, True), (1.0, 0.0, True), (0.0, 0.99, False), (0.0, 1.0, False)],
)
def test_rows_are_long_in_the_last_share(share, done, answer):
    assert is_long(replace(CONFIG, long_share=share), done) is answer
