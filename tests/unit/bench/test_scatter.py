"""What a picture of points shows and what its key says."""

import pytest

from embbert.bench.pareto import BYTES, MACS, Point
from embbert.bench.scatter import scatter
from embbert.bench.summary import Figure as Score

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def drawn(points, axis):
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    scatter(figure, "Title", points, axis)
    axes, key = figure.axes
    shown = {(x, y) for bar in axes.containers for x, y in zip(*bar[0].get_data(), strict=True)}
    return shown, key.texts[0].get_text().splitlines(), [text.get_text() for text in axes.texts], key


def test_what_is_not_known_is_listed_and_not_drawn():
    points = [
        Point("best float", None, Score(90.0)),
        Point("good int8", 1000.0, Score(80.0, 1.0)),
        Point("poor float", 2000.0, Score(70.0)),
        Point("dummy float", 3.0, Score(20.0)),
    ]
    shown, lines, numbers, key = drawn(points, MACS)
    assert shown == {(1000.0, 80.0), (2000.0, 70.0)}
    assert numbers == ["1", "2"]
    assert lines[:5] == [
        "  #      %   MACs",
        "  –  90.00      –  best float",
        "  1  80.00  1,000  good int8 *",
        "  2  70.00  2,000  poor float",
        "  –  20.00      3  dummy float",
    ]
    assert lines[-1] == MACS.notes[0]
    assert [text.get_text() for text in key.get_legend().get_texts()] == [
        "Pareto front",
        "integer C",
        "floating point",
    ]


def test_costs_that_are_as_good_as_the_same_stand_above_each_other():
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    scatter(
        figure, "Title", [Point("a", 32_445_420.0, Score(89.7)), Point("b", 32_445_147.0, Score(88.3))], MACS
    )
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert high / low == pytest.approx(1.5)
    assert low < 32_445_147
    assert high > 32_445_420
    assert [text.get_text() for text in axes.get_xticklabels() if text.get_text()]


def test_the_dummy_alone_is_drawn_and_the_paper_is_on_no_front():
    points = [Point("EmbBERT 8-bit †‡", 5, Score(99.0), published=True), Point("dummy float", 9, Score(20.0))]
    shown, lines, _, _ = drawn([points[1]], BYTES)
    assert shown == {(9, 20.0)}
    _, lines, _, _ = drawn([points[0], Point("a float", 9, Score(20.0))], BYTES)
    assert [line.endswith(" *") for line in lines[1:3]] == [False, True]
    assert lines[-1].startswith("‡")
