"""Curves over epochs: which there are, and what is drawn of them."""

import pytest

from embbert.bench.curves import curves_of, floor, learning_curves, mean_curve

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure


def test_systems_without_epochs_have_no_curve(cell):
    made = [
        cell(system="a", curve=(0.5, 0.75)),
        cell(system="a", seed=1, curve=(0.25,)),
        cell(system="b"),
        cell(system="c", curve=(0.5,), settings={"both": {"share": 0.5}}),
        cell("limit", "a", curve=(0.1,)),
    ]
    assert curves_of("snips", made) == {"a": [(50.0, 75.0), (25.0,)]}


def test_the_mean_ends_where_the_first_seed_does():
    assert mean_curve([(1.0, 2.0, 9.0), (3.0, 4.0)]) == [2.0, 3.0]


def test_the_picture_ends_below_where_comparing_ends():
    assert floor([[10.0, 88.0, 60.0, 90.0], [20.0, 80.0, 85.0]]) == 60.0  # later dips are shown
    assert floor([[89.0, 90.0], [60.0, 80.0]]) == 80.0
    assert floor([[50.0], [60.0, 70.0]]) == 50.0


def test_the_best_is_the_one_whose_seeds_are_best():
    figure = Figure()
    # Its seeds peak at different epochs, so that their mean never shows what is kept of them.
    curves = {"one": [(10.0, 20.0, 25.0)], "two": [(30.0, 10.0, 10.0), (10.0, 10.0, 30.0)]}
    learning_curves(figure, "Task", curves, ["one", "two"])
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["two (2)", "one (1)"]


def test_a_thick_line_per_system_and_a_thin_one_per_seed():
    figure = Figure()
    curves = {"low": [(1.0, 2.0)], "high": [(10.0, 20.0, 30.0), (20.0, 30.0)]}
    learning_curves(figure, "Task", curves, ["x", "low", "high"])
    (axes,) = figure.axes
    drawn = [(list(line.get_ydata()), line.get_color(), line.get_linewidth() > 1) for line in axes.lines]
    assert drawn == [
        ([10.0, 20.0, 30.0], "C2", False),
        ([20.0, 30.0], "C2", False),
        ([15.0, 25.0], "C2", True),
        ([1.0, 2.0], "C1", True),
    ]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["high (2)", "low (1)"]
    assert list(axes.lines[0].get_xdata()) == [1, 2, 3]
