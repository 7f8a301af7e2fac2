"""Sizes of one architecture, beside the paper's."""

from math import sqrt

import pytest

from embbert.bench.family import family, line, panels, published_line
from embbert.bench.summary import average, averages, published

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

FIVE = ("cola", "sst2", "mrpc", "stsb", "rte")
NINE = (*FIVE, "qqp", "mnli-m", "mnli-mm", "qnli")


def sizes_of(cell, *systems):
    return [
        cell(task, system, value=value, size=size, suite="glue")
        for system, size, value in systems
        for task in FIVE
    ]


def test_members_stand_by_size_and_only_with_all_tests(cell):
    made = [*sizes_of(cell, ("large", 900, 0.7), ("small", 100, 0.5)), cell("cola", "part", suite="glue")]
    members = ["large", "part", "small", "absent"]
    found = line(made, members, "float", FIVE)
    assert [(size, score.value, system) for size, score, system in found] == [
        (115, pytest.approx(50.0), "small"),
        (915, pytest.approx(70.0), "large"),
    ]
    assert [system for _, _, system in line(made, members, "float", ("cola",))] == ["small", "large", "part"]
    assert line(made, members, "int8", FIVE) == []


def test_panels_are_of_what_members_have(cell):
    made = [*sizes_of(cell, ("a", 1, 0.5), ("b", 2, 0.6)), cell("snips", "other")]
    means, tests = panels(made, ["a", "b"])
    assert [mean.name for mean in means] == ["five"]
    assert tuple(tests) == FIVE


@pytest.mark.parametrize(
    ("row", "nine"),
    list(zip(published().family, (53.81, 55.40, 62.15, 63.42), strict=True)),
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_published_family_adds_up_to_the_means_of_nine(row, nine):
    assert average(row.as_published, NINE).value == pytest.approx(nine, abs=0.0051)


@pytest.mark.parametrize("row", published().family, ids=lambda row: row.name)
def test_the_published_family_adds_up_to_the_published_averages(row):
    for suite, stated in row.averages.items():
        (tests,) = [mean.tests for mean in averages(suite, [], as_published=True) if mean.name == suite]
        found = average(row.as_published, tests)
        assert found.value == pytest.approx(stated.value, abs=0.0101)
        if stated.std is not None:
            # The paper takes single runs as exact.
            spreads = [row.as_published[test].std or 0.0 for test in tests]
            assert sqrt(sum(spread**2 for spread in spreads)) / len(tests) == pytest.approx(
                stated.std, abs=0.0051
            )
    assert row.standard["wnli"].value == pytest.approx(100 - row.as_published["wnli"].value)
    assert set(row.doubtful) <= set(row.as_published)


def test_the_published_sizes_of_an_average_are_those_that_have_it():
    glue = [(size, round(score.value, 2), doubt) for size, score, doubt in published_line(NINE)]
    assert glue == [
        (650_000, 53.81, True),
        (781_056, 60.43, False),
        (1_240_000, 55.40, False),
        (1_953_280, 60.82, False),
        (9_600_000, 62.15, True),
        (39_710_000, 63.42, False),
    ]
    assert [size for size, _, _ in published_line(("imdb",))] == [
        650_000,
        781_056,
        1_240_000,
        1_953_280,
        39_710_000,
    ]
    assert [round(score.value, 2) for _, score, _ in published_line(("wnli",))][1] == 12.68
    assert published_line(("lights",)) == []
    # Test rows that were drawn at random are nobody else's.
    for test in published().other_rows:
        assert all(others for _, _, others in published_line((test,)))
    assert not all(others for _, _, others in published_line(("imdb",)))


def test_the_picture_has_a_panel_each(cell):
    figure = Figure()
    family(figure, sizes_of(cell, ("a", 100, 0.5), ("b", 200, 0.6)), ["a", "b"])
    assert figure.axes[0].get_title() == "Mean of five"
    assert len(figure.axes) == 1 + len(FIVE)
    lines = [line for line in figure.axes[0].lines if list(line.get_xdata()) == [115, 215]]
    assert list(lines[0].get_ydata()) == pytest.approx([50.0, 60.0])
    assert {text.get_text() for text in figure.axes[0].texts} == {"a", "b"}
