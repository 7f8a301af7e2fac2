"""Who leads, by hand: the words follow from the numbers."""

import pytest

from embbert.bench.leaders import ours, standings, verdict
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


def test_ours_is_the_integer_c_of_the_system_that_is_named(made):
    cells = made(
        ("embbert-large", "int8", 0.99, AIM + 1),
        ("embbert-float", "float", 0.98, 100),
        ("embbert-base", "int8", 0.9, AIM),
        ("embbert-small", "int8", 0.95, 100),
    )
    ranked = standings(cells, ("snips",))
    assert ours(ranked, "embbert-base").competitor == ("embbert-base", "int8")
    for other in ("embbert-large", "embbert-float", "embbert-gone"):
        assert ours(ranked, other) is None


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
    assert verdict(cells, ("snips",), "embbert-base") == words
    # Neither an EmbBERT of its own in floating point nor what is too large is a rival.
    more = made(
        ("embbert-base", "int8", 0.9, 450_000), ("embbert-x", "float", 0.999, 9), ("b", "float", 1.0, 9**9)
    )
    assert verdict([*cells, *more[1:]], ("snips",), "embbert-base") == words


def test_the_interval_of_an_average_is_that_of_independent_tests(made):
    cells = made(("a", "float", 0.9, 9)) + made(("a", "float", 0.8, 9), task="limit")
    (alone,) = standings(cells, ("snips",))
    (both,) = standings(cells, ("snips", "limit"))
    assert alone.interval == pytest.approx((89, 91))
    assert both.interval == pytest.approx((85 - 2**0.5 / 2, 85 + 2**0.5 / 2))
    assert both.parts == pytest.approx({"snips": 90, "limit": 80})


def test_averages_are_doubted_by_intervals_and_by_deviations(made):
    def of(lead, spread=0.0):
        return [
            one
            for task, share in (("snips", 0.25), ("limit", 0.75))
            for seed, shift in enumerate((-spread, spread))
            for one in made(
                ("a", "float", 0.8 + 2 * lead * share + shift, 9),
                ("embbert-base", "int8", 0.8 + shift, 9),
                task=task,
                seed=seed,
            )
        ]

    def said(cells):
        return verdict(cells, ("snips", "limit"), "embbert-base").removeprefix("`a` float leads ")

    assert said(of(0.02)) == "`embbert-base` int8 by 2.0 points (1.5 from limit alone)."
    assert said(of(0.02, 0.03)) == (
        "`embbert-base` int8 by 2.0 points (1.5 from limit alone; within a standard deviation)."
    )
    assert said(of(0.012, 0.03)) == (
        "`embbert-base` int8 by 1.2 points (0.9 from limit alone; their 95 % intervals overlap)."
    )


def test_without_a_rival_or_without_ours(made):
    ours = made(("embbert-base", "int8", 0.9, 100))
    assert verdict(ours, ("snips",), "embbert-base") == "`embbert-base` int8 has no rival yet."
    assert verdict(made(("a", "float", 0.9, 9)), ("snips",), "embbert-base").startswith(
        "`a` float leads; of `embbert-base` int8, within 512,000 bytes"
    )
    assert verdict(ours, ("limit",), "embbert-base") == ""
