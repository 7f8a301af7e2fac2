"""Who leads, by hand: the words follow from the numbers."""

import pytest

from embbert.bench.leaders import best_of_ours, standings, verdict
from embbert.bench.summary import AIM, BUDGET

EMBBERT = {"architecture": "embbert"}


@pytest.fixture
def made(cell):
    def make(*systems, task="snips", seed=0):
        """(name, precision, value, bytes): embbert-… are ours. The arena takes ten bytes."""
        return [
            cell(
                task,
                name,
                seed,
                value,
                precision=precision,
                size=size - 10,
                settings=EMBBERT if name.startswith("embbert") else None,
                interval=(value - 0.01, value + 0.01),
            )
            for name, precision, value, size in systems
        ]

    return make


def test_standings_are_by_score_and_within_the_limit(made):
    cells = made(
        ("a", "float", 0.9, BUDGET),
        ("b", "float", 0.99, BUDGET + 1),
        ("c", "int8", 0.9, 500),
        ("d", "float", 0.95, 9),
    )
    assert [(one.competitor[0], one.bytes) for one in standings(cells, ("snips",))] == [
        ("d", 9),
        ("c", 500),
        ("a", BUDGET),
    ]
    assert standings(cells, ("snips", "limit")) == []


def test_the_bytes_are_those_of_the_tests_in_question(made):
    cells = made(("a", "float", 0.9, 100)) + made(("a", "float", 0.9, 900), task="limit")
    assert [standings(cells, tests)[0].bytes for tests in (("snips",), ("snips", "limit"))] == [100, 900]


def test_ours_is_the_best_integer_embbert_within_the_aim(made):
    cells = made(
        ("embbert-large", "int8", 0.99, AIM + 1),
        ("embbert-float", "float", 0.98, 100),
        ("embbert-base", "int8", 0.9, AIM),
        ("embbert-small", "int8", 0.8, 100),
        ("linear", "int8", 0.95, 100),
    )
    assert best_of_ours(cells, ("snips",)).competitor == ("embbert-base", "int8")
    assert best_of_ours(made(("linear", "int8", 0.95, 100)), ("snips",)) is None


@pytest.mark.parametrize(
    ("rival", "words"),
    [
        (0.931, "`fasttext-2m` float leads `embbert-base` int8 by 3.1 points."),
        (0.869, "`embbert-base` int8 leads `fasttext-2m` float by 3.1 points."),
        (
            0.915,
            "`fasttext-2m` float leads `embbert-base` int8 by 1.5 points (their 95 % intervals overlap).",
        ),
        (0.9003, "`fasttext-2m` float and `embbert-base` int8 are level."),
    ],
)
def test_by_how_much(made, rival, words):
    cells = made(("fasttext-2m", "float", rival, 1_998_000), ("embbert-base", "int8", 0.9, 450_000))
    assert verdict(cells, ("snips",)) == words
    # Neither an EmbBERT of its own in floating point nor what is too large is a rival.
    more = made(
        ("embbert-base", "int8", 0.9, 450_000), ("embbert-x", "float", 0.999, 9), ("b", "float", 1.0, 9**9)
    )
    assert verdict([*cells, *more[1:]], ("snips",)) == words


def test_averages_are_doubted_by_their_deviation(made):
    def of(spread):
        return [
            one
            for task in ("snips", "limit")
            for seed, shift in enumerate((-spread, spread))
            for one in made(
                ("a", "float", 0.9 + shift, 9),
                ("embbert-base", "int8", 0.88 + shift, 9),
                task=task,
                seed=seed,
            )
        ]

    words = "`a` float leads `embbert-base` int8 by 2.0 points"
    assert verdict(of(0.01), ("snips", "limit")) == f"{words}."
    assert verdict(of(0.03), ("snips", "limit")) == f"{words} (within a standard deviation)."


def test_without_a_rival_or_without_ours(made):
    ours = made(("embbert-base", "int8", 0.9, 100))
    assert verdict(ours, ("snips",)) == "`embbert-base` int8 has no rival yet."
    assert verdict(made(("a", "float", 0.9, 9)), ("snips",)).startswith(
        "`a` float leads; of EmbBERT in integers"
    )
    assert verdict(ours, ("limit",)) == ""
