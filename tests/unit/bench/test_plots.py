"""The Pareto front by hand, and pictures that are drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.bench.pareto import drawn, front, points_of
from embbert.bench.plots import draw
from embbert.errors import DataError, UsageError

pytest.importorskip("matplotlib")

TINY = ("imdb", "ag_news", "cyberbullying", "limit", "emotion", "nlu", "snips")


def test_the_front_by_hand():
    points = {"a": (10, 50.0), "b": (20, 40.0), "c": (30, 60.0), "d": (30, 55.0), "e": (40, 60.0)}
    assert front(points) == ["a", "c"]


@given(st.dictionaries(st.integers(), st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1))
def test_nobody_on_the_front_is_beaten_and_everybody_else_is(points):
    kept = front(points)

    def beaten(name):
        size, score = points[name]
        return any(
            other != (size, score) and other[0] <= size and other[1] >= score for other in points.values()
        )

    assert not any(beaten(name) for name in kept)
    assert {points[name] for name in points if not beaten(name)} == {points[name] for name in kept}


def test_pictures_of_averages_and_of_a_result(cell, tmp_path):
    made = [cell(task, "embbert-base", value=0.8) for task in TINY]
    made += [cell(task, "dummy", value=0.2, size=2) for task in TINY]
    paths = draw(made, tmp_path / "plots", ["snips.dummy.0"])
    assert [path.name for path in paths] == ["bytes-tinynlp.png", "confusion-snips-dummy-0-float.png"]
    for path in paths:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size > 5000


def test_without_a_whole_suite_the_tests_of_all_systems_aredrawn(cell):
    made = [cell("snips", "a"), cell("rte", "a", suite="glue"), cell("snips", "b")]
    (mean,) = drawn(made)
    assert (mean.name, mean.tests) == ("shared", ("snips",))
    with pytest.raises(DataError, match="no task has results of all systems"):
        drawn([cell("snips", "a"), cell("limit", "b")])


def test_results_that_cannot_be_drawn(cell, tmp_path):
    with pytest.raises(UsageError, match=r"no result is called 'snips\.dummy\.1' \(did you mean"):
        draw([cell()], tmp_path / "p", ["snips.dummy.1"])
    with pytest.raises(DataError, match=r"stsb\.dummy\.0: stsb has values, not classes"):
        draw([cell("stsb", confusion=None)], tmp_path / "p", ["stsb.dummy.0"])
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be a folder of plots"):
        draw([cell()], tmp_path / "file")


def test_the_points_are_everybody_who_has_the_average(cell):
    made = [cell(task, "embbert-base", value=0.9) for task in TINY] + [cell("snips", "dummy")]
    (mean,) = drawn(made)
    points = points_of(mean, made)
    assert [point.name for point in points] == [
        "embbert-base float",
        "EmbBERT 8-bit †‡",
        "EmbBERT float32 †",
        "NanoBERT-Efficient float32 †",
    ]
    assert (points[0].size, points[0].score.value) == (1015, pytest.approx(90.0))
    assert (points[1].size, points[1].published) == (781_056, True)
