"""The dummy answers what is most frequent."""

import pytest

from embbert.bench.dummy import Dummy
from embbert.data import Examples


def rows(targets, task="classify"):
    count = len(targets)
    return Examples(
        tuple(f"t{n}" for n in range(count)), None, tuple(targets), tuple(range(count)), "x", task
    )


@pytest.mark.parametrize(
    ("targets", "answer"), [("bab", 1), ("abba", 0), (("10", "9", "10"), 1), (("no", "yes", "yes"), 1)]
)
def test_the_most_frequent_class_the_first_of_equals(tmp_path, targets, answer):
    fitted = Dummy().fit(rows(targets), metric="accuracy", seed=0, folder=tmp_path)
    assert fitted.answers("float", rows("aaaa")).tolist() == [answer] * 4
    assert (fitted.settings, fitted.curve) == ({"answer": answer}, ())
    assert (fitted.size("float").total, fitted.work("float", rows("a")).macs) == (2, 0)


def test_the_mean_value(tmp_path):
    fitted = Dummy().fit(rows((1.0, 2.0, 6.0), "regress"), metric="spearman", seed=0, folder=tmp_path)
    assert fitted.answers("float", rows((0.0, 0.0), "regress")).tolist() == [3.0, 3.0]
    assert fitted.size("float").constants == 4
