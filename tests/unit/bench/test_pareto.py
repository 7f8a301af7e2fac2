"""The Pareto front by hand, and who stands where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.bench.pareto import byte_points, drawn, front, instruction_axis, work_points
from embbert.boards.estimate import CORES
from embbert.errors import UsageError

TINY = ("imdb", "ag_news", "cyberbullying", "limit", "emotion", "nlu", "snips")
FIVE = ("cola", "sst2", "mrpc", "stsb", "rte")


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


def test_without_a_whole_suite_the_tests_of_all_systems_are_drawn(cell):
    made = [cell("snips", "a"), cell("rte", "a", suite="glue"), cell("snips", "b")]
    (mean,) = drawn(made)
    assert (mean.name, mean.title, mean.tests) == ("shared", "Mean of SNIPS", ("snips",))
    assert drawn([cell("snips", "a"), cell("limit", "b")]) == []


def test_the_mean_of_five_is_drawn_without_the_rest_of_glue(cell):
    assert [(mean.name, mean.tests) for mean in drawn([cell(task, suite="glue") for task in FIVE])] == [
        ("five", FIVE)
    ]


def test_the_points_are_everybody_who_has_the_average(cell):
    made = [cell(task, "embbert-base", value=0.9) for task in TINY] + [cell("snips", "dummy")]
    (mean,) = drawn(made)
    points = byte_points(mean, made)
    assert [point.name for point in points] == [
        "embbert-base float",
        "EmbBERT 8-bit †‡",
        "EmbBERT float32 †",
        "NanoBERT-Efficient float32 †",
    ]
    assert (points[0].cost, points[0].score.value) == (1015, pytest.approx(90.0))
    assert (points[1].cost, points[1].published) == (781_056, True)


def test_bytes_are_the_most_over_the_tasks_of_the_average(cell):
    made = [cell(task, suite="glue", size=100 + len(task)) for task in FIVE] + [cell("snips", size=9999)]
    (mean,) = drawn(made)
    assert [point.cost for point in byte_points(mean, made) if not point.published] == [104 + 15]


def test_work_is_the_mean_over_tests_of_the_mean_over_seeds(cell):
    counts = {"snips": (10, 30), "limit": (100, 140)}
    made = [
        cell(task, "known", seed, macs=count)
        for task, both in counts.items()
        for seed, count in enumerate(both)
    ]
    made += [cell("snips", "unknown", macs=5), cell("limit", "unknown", macs=None, value=0.6)]
    (mean,) = drawn(made)
    assert [(point.name, point.cost) for point in work_points(mean, made)] == [
        ("unknown float", None),
        ("known float", (20 + 120) / 2),
    ]


def test_work_is_drawn_once_of_a_system(cell):
    made = [cell(system="a", precision=precision, macs=5) for precision in ("float", "int8")]
    made += [cell(system="b", precision="float", macs=7)]
    (mean,) = drawn(made)
    assert {point.name for point in work_points(mean, made)} == {"a int8", "b float"}


def test_instructions_are_of_integer_c_with_counted_kernels_only(cell):
    made = [
        cell(system=system, precision=precision, macs=1000, settings={"architecture": kind} if kind else None)
        for system, precision, kind in (
            ("embbert-base", "int8", "embbert"),
            ("bert", "int8", "bert"),
            ("mamba", "float", "mamba"),
            ("linear-64k", "int8", "linear"),
            ("else", "int8", None),
        )
    ]
    (mean,) = drawn(made)
    ratio = CORES["cortex-m4"].instructions_per_mac
    assert {point.name: point.cost for point in work_points(mean, made, "cortex-m4")} == {
        "embbert-base int8": pytest.approx(1000 * ratio),
        "bert int8": pytest.approx(1000 * ratio),
        "linear-64k int8": None,
        "else int8": None,
    }


def test_the_axis_says_that_it_is_computed_and_by_what():
    label = instruction_axis("cortex-m4").label
    assert f"computed: multiply-accumulates × {CORES['cortex-m4'].instructions_per_mac}" in label
    assert CORES["cortex-m4"].basis in label
    assert not instruction_axis("cortex-m4").front
    with pytest.raises(UsageError, match=r"no core is called 'm4'; there are cortex-m0plus, "):
        instruction_axis("m4")
