"""Results are written whole, read with suspicion, and shared between machines without overlap."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.bench.cells import CellName, cell_path, read_cell, read_cells, shard, write_cell
from embbert.errors import DataError, ModelError
from embbert.files import json_bytes


def test_what_is_written_is_read(cell, tmp_path):
    made = cell(tests={"mnli-m": 0.5, "mnli-mm": 0.25}, task="mnli", seed=3)
    (tmp_path / "mnli.dummy.3.error.txt").write_text("an earlier failure")
    path = write_cell(tmp_path, made)
    assert path == cell_path(tmp_path, CellName("mnli", "dummy", 3)) == tmp_path / "mnli.dummy.3.json"
    assert read_cell(path) == made
    assert [file.name for file in tmp_path.iterdir()] == ["mnli.dummy.3.json"]


def test_results_are_read_in_order_and_nothing_else(cell, tmp_path):
    for name in ("b", "a"):
        write_cell(tmp_path, cell(name))
    (tmp_path / ".a.dummy.0.json.1234").write_text("half")
    (tmp_path / "a.dummy.1.error.txt").write_text("error")
    (tmp_path / "tasks.json").write_text('{"format": 1, "tasks": []}')
    (tmp_path / "my.notes.json").write_text("[]")
    assert [str(found.name) for found in read_cells(tmp_path)] == ["a.dummy.0", "b.dummy.0"]


def test_a_write_that_fails_leaves_nothing(cell, tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DataError, match="cannot be written: No space left"):
        write_cell(tmp_path, cell())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_result_that_is_there_is_kept(cell, tmp_path, monkeypatch, links):
    def refuse(self, target):
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = write_cell(tmp_path, cell(value=0.25))
    before = path.read_bytes()
    with pytest.raises(DataError, match="another run has written it meanwhile, and that is kept"):
        write_cell(tmp_path, cell(value=0.75))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def every_field(value, path=()):
    """Paths of all keys of the objects in parsed JSON, but not of free ones."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            if (*path, key) not in {("settings",), ("versions",), ("validation",)}:
                yield from every_field(item, (*path, key))


FREE = {"snips", "float", "accuracy"}  # names, not fields
DEFAULTED = {"arena", "stack", "tokenizer", "code", "level", "resamples", "seed"}


def test_every_missing_field_is_named_with_its_file(cell, tmp_path):
    made = json.loads(json_bytes(asdict(cell())))
    path = tmp_path / "snips.dummy.0.json"
    missing = 0
    for place in every_field(made):
        damaged = json.loads(json.dumps(made))
        at = damaged
        for key in place[:-1]:
            at = at[key]
        del at[place[-1]]
        path.write_text(json.dumps(damaged))
        if len(place) > 1 and place[-1] in DEFAULTED:
            continue
        with pytest.raises(DataError) as caught:
            read_cell(path)
        said = str(caught.value)
        assert said.startswith(f"{path}: ")
        assert "Remove the file, and run its cell again." in said
        if place[-1] not in FREE:
            assert f"{'.'.join(place)} is missing" in said
        missing += 1
    assert missing > 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cell: cell.update(format=2), "format must be one of 1, not 2"),
        (lambda cell: cell.update(task="limit"), "the file is a result of limit.dummy.0"),
        (lambda cell: cell.update(metric="mcc"), "precisions.float.tests.snips.metrics lacks mcc"),
        (lambda cell: cell["precisions"]["float"]["tests"]["snips"].update(rows=9), "rows must be 10"),
        (
            lambda cell: cell["precisions"]["float"]["tests"]["snips"]["interval"].update(low=2),
            "interval must not end before it begins",
        ),
        (lambda cell: cell.update(precisions={}), "precisions must not be empty"),
        (lambda cell: cell["data"].update(tests={}), "data.tests must not be empty"),
        (lambda cell: cell["precisions"]["float"].update(work={}), "tests must have exactly snips"),
        (
            lambda cell: cell["precisions"]["float"]["tests"]["snips"]["metrics"].update(accuracy="x"),
            "precisions.float.tests.snips.metrics.accuracy must be a finite number, not 'x'",
        ),
    ],
)
def test_contradictions_are_named(cell, tmp_path, change, message):
    damaged = json.loads(json_bytes(asdict(cell())))
    change(damaged)
    (tmp_path / "snips.dummy.0.json").write_text(json.dumps(damaged))
    with pytest.raises(DataError) as caught:
        read_cells(tmp_path)
    assert message in str(caught.value)


def test_half_a_file_and_no_file(cell, tmp_path):
    with pytest.raises(DataError, match="there are no results here"):
        read_cells(tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        read_cells(tmp_path / "x")
    path = write_cell(tmp_path, cell())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelError, match="is not valid JSON"):
        read_cells(tmp_path)


names = st.builds(
    CellName, st.sampled_from(["snips", "mnli"]), st.sampled_from(["a", "b-c"]), st.integers(0, 50)
)


@given(st.lists(names, unique=True), st.integers(1, 7))
def test_shards_are_disjoint_and_complete(cells, shards):
    parts = [shard(cells, number, shards) for number in range(1, shards + 1)]
    assert Counter(name for part in parts for name in part) == Counter(cells)
    assert all([name for name in cells if name in part] == part for part in parts)


def test_shards_are_the_same_on_every_machine_and_even():
    cells = [CellName(task, "embbert-base", seed) for task in ("snips", "rte") for seed in range(100)]
    assert CellName("snips", "dummy", 0).number == 0x5D782EFCD25E11A7
    assert 70 < len(shard(cells, 1, 2)) < 130
    # What is asked for besides does not matter.
    assert set(shard(cells[:50], 1, 3)) == set(shard(cells, 1, 3)) & set(cells[:50])
