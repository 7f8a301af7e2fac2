"""When the rate falls and when training ends."""

import pytest

from embbert.train.schedule import FALL, Rank, falls, layer_share, patience_epochs, rate


def ranks(*scores):
    return [Rank(score, 0.0) for score in scores]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((), 0),
        ((0.5,), 0),
        ((0.5, 0.4), 0),
        ((0.5, 0.4, 0.5), 1),  # as good is not better
        ((0.5, 0.4, 0.6, 0.5), 0),
        ((0.5, 0.4, 0.4, 0.4, 0.4, 0.4), 2),
        ((0.5, 0.4, 0.4, 0.6, 0.5, 0.5), 2),  # an earlier fall is not taken back
        ((0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4), 3),
    ],
)
def test_the_rate_falls_after_two_epochs_without_progress(scores, expected):
    assert falls(ranks(*scores), patience=2) == expected


def test_of_equal_scores_the_smaller_loss_is_better():
    assert Rank(0.5, -1.0) > Rank(0.5, -2.0)
    assert Rank(0.6, -2.0) > Rank(0.5, -1.0)
    assert falls([Rank(0.5, -2.0), Rank(0.5, -1.0)], patience=1) == 0


def test_warm_up_is_linear_and_falls_multiply():
    assert [rate(step, 4, 0) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert rate(0, 0, 0) == 1.0
    assert rate(9, 4, 2) == FALL * FALL


def test_short_epochs_are_given_more_of_them():
    assert patience_epochs(2, 1000) == 2
    assert patience_epochs(2, 399) == 2
    assert patience_epochs(2, 100) == 4
    assert patience_epochs(2, 1) == 400
    assert patience_epochs(7, 100) == 7


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("head.weight", 1.0),
        ("final_norm.weight", 0.5),
        ("layers.3.query.weight", 0.5),
        ("layers.2.lambda_q1", 0.25),
        ("layers.0.norm.weight", 0.0625),
        ("embedder.token.weight", 0.03125),
        ("embedder.position_up.weight", 0.03125),
    ],
)
def test_the_share_of_the_rate_falls_with_the_distance_from_the_head(name, share):
    assert layer_share(name, 4, 0.5, 0.5) == share
    assert layer_share(name, 4, 1.0, 1.0) == 1.0


def test_numbers_of_layers_may_have_two_digits():
    assert layer_share("layers.11.norm.weight", 12, 1.0, 0.5) == 1.0
    assert layer_share("layers.1.norm.weight", 12, 1.0, 0.5) == 0.5**10
