"""Bytes add up to what they say."""

import re

from embbert.bench.interface import Bytes
from embbert.bench.systems import SYSTEMS
from embbert.bench.tasks import NAME


def test_totals():
    size = Bytes(100, arena=20, stack=3, tokenizer=4000, code=50_000)
    assert (size.deployed, size.total) == (123, 54_123)
    assert (Bytes(7).deployed, Bytes(7).total) == (7, 7)


def test_every_system_has_a_name_that_files_can_have_and_a_sentence():
    assert list(SYSTEMS)[:4] == ["dummy", "embbert-base", "embbert-paper", "embbert-scratch"]
    for name, system in SYSTEMS.items():
        assert system.name == name
        assert NAME.fullmatch(name)
        assert re.fullmatch(r"[A-Z].+\.", system.title)
        assert system.precisions
