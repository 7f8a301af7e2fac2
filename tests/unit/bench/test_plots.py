"""Which pictures there are, and that they are drawn."""

from dataclasses import replace

import pytest

from embbert.bench.plots import draw, pictures
from embbert.errors import DataError, UsageError

pytest.importorskip("matplotlib")

TINY = ("imdb", "ag_news", "cyberbullying", "limit", "emotion", "nlu", "snips")


def files(found):
    return [picture.file for picture in found]


def test_pictures_of_averages_and_of_a_result(cell, tmp_path):
    made = [cell(task, "embbert-base", value=0.8, curve=(0.5, 0.6) * (task == "nlu")) for task in TINY]
    made += [cell(task, "dummy", value=0.2, size=2) for task in TINY]
    found = pictures(made, ["snips.dummy.0"], members=["dummy", "embbert-base"])
    paths = draw(found, tmp_path / "plots")
    assert [path.name for path in paths] == [
        "bytes-tinynlp.png",
        "work-tinynlp.png",
        "curves-nlu.png",
        "family.png",
        "confusion-snips-dummy-0-float.png",
    ]
    for path in paths:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size > 5000


def test_dollars_in_names_are_no_formulas(cell, tmp_path):
    names = ("$100% off$", "under $10 or $5")
    made = [
        cell(task, system, title=names[0], suite="mine") for task in ("a", "b") for system in ("x", "$y$")
    ]
    made = [replace(one, data=replace(one.data, labels=names)) for one in made]
    paths = draw(pictures(made, ["a.x.0"]), tmp_path)
    assert [path.name for path in paths] == ["bytes-mine.png", "work-mine.png", "confusion-a-x-0-float.png"]


def test_a_core_adds_instructions_where_they_can_be_computed(cell):
    known = {"precision": "int8", "settings": {"architecture": "embbert"}}
    assert files(pictures([cell(**known)], core="cortex-m4")) == [
        "bytes-shared.png",
        "work-shared.png",
        "instructions-cortex-m4-shared.png",
    ]
    assert files(pictures([cell()], core="cortex-m4")) == ["bytes-shared.png", "work-shared.png"]
    assert files(pictures([cell(macs=None)])) == ["bytes-shared.png"]
    with pytest.raises(UsageError, match="no core is called 'm4'"):
        pictures([cell()], core="m4")


def test_results_without_an_average_still_have_curves(cell):
    made = [cell("snips", "a", curve=(0.5,)), cell("limit", "b")]
    assert files(pictures(made)) == ["curves-snips.png"]
    with pytest.raises(DataError, match="no task has results of all systems"):
        pictures([cell("snips", "a"), cell("limit", "b")])


def test_results_that_cannot_be_drawn(cell, tmp_path):
    with pytest.raises(UsageError, match=r"no result is called 'snips\.dummy\.1' \(did you mean"):
        pictures([cell()], ["snips.dummy.1"])
    with pytest.raises(DataError, match=r"stsb\.dummy\.0: stsb has values, not classes"):
        pictures([cell("stsb", confusion=None)], ["stsb.dummy.0"])
    with pytest.raises(UsageError, match=r"no system with results is called 'dumy' \(did you mean 'dummy'"):
        pictures([cell()], members=["dumy", "dummy"])
    with pytest.raises(UsageError, match="--family takes the names of two systems or more"):
        pictures([cell()], members=["dummy", "dummy"])
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be a folder of plots"):
        draw(pictures([cell()]), tmp_path / "file")
    (tmp_path / "bytes-shared.png").mkdir()
    with pytest.raises(UsageError, match="cannot be a folder of plots: Is a directory"):
        draw(pictures([cell()]), tmp_path)
