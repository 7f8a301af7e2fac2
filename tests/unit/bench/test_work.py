"""Work per answer, counted and computed."""

import pytest

from embbert.bench.work import instructions, macs, mean_work
from embbert.errors import UsageError


def test_one_unknown_seed_makes_the_test_unknown(cell):
    made = [cell(seed=0, macs=10), cell(seed=1, macs=None), cell("limit", macs=0)]
    assert macs(made) == {("dummy", "float"): {"limit": 0.0}}


def test_a_mean_needs_every_test():
    assert mean_work({"a": 2.0, "b": 4.0}, ("a", "b")) == 3.0
    assert mean_work({"a": 2.0}, ("a", "b")) is None
    assert mean_work({}, ()) is None


def test_an_unknown_core_is_refused(cell):
    with pytest.raises(UsageError, match="no core is called 'z80'"):
        instructions([cell()], "z80")
