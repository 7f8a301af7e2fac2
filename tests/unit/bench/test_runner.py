"""Runs make what is missing, survive being killed, and keep going when a cell fails."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from embbert.bench import runner
from embbert.bench.cells import CellName, read_cells, write_cell
from embbert.bench.runner import duration, matrix, run_cells
from embbert.bench.tasks import all_cards, shipped_cards
from embbert.errors import DataError, UsageError

for package in ("sklearn", "scipy"):
    pytest.importorskip(package)

RUN = [sys.executable, "-m", "embbert", "bench", "run", "--systems", "dummy"]


def test_the_matrix_begins_with_one_seed_of_everything():
    cards = shipped_cards()
    names = matrix(cards, ["snips", "sst2"], ["a", "b"], None)
    assert names[:4] == [CellName(task, system, 0) for task in ("snips", "sst2") for system in "ab"]
    assert len(names) == len(set(names)) == 2 * 5 + 2 * 3
    assert matrix(cards, ["rte"], ["a"], [4, 9]) == [CellName("rte", "a", 4), CellName("rte", "a", 9)]


def test_cells_that_fail_are_kept_with_their_reason_and_others_go_on(own_tasks, tmp_path):
    cards, out, said = all_cards(own_tasks), tmp_path / "results", []
    names = matrix(cards, ["gone", "lights", "held"], ["dummy"], [0])
    done = run_cells(names, out, processes=3, tasks_file=own_tasks, say=said.append)
    assert sorted(done.made) == [CellName("held", "dummy", 0), CellName("lights", "dummy", 0)]
    assert done.failed == (CellName("gone", "dummy", 0),)
    assert not done.left
    reason = (out / "gone.dummy.0.error.txt").read_text()
    assert reason.startswith(f"error: {own_tasks.parent / 'gone.csv'}: ")
    assert reason.endswith("the process ended with 1\n")
    assert said[0] == "3 of 3 results to make"
    assert any("gone.dummy.0" in line and "FAILED" in line and "gone.csv" in line for line in said)
    assert any(line.startswith("3/3 ") and line.endswith("about 0 s left") for line in said)

    held, lights = read_cells(out)
    assert lights.precisions["float"].tests["lights"].metrics["accuracy"] == 0.75
    assert lights.precisions["float"].tests["lights"].confusion == ((0, 1), (0, 3))
    assert (lights.data.labels, lights.metric, held.metric) == (("off", "on"), "accuracy", "mcc")
    assert lights.data.tests["lights"].duplicates.rows == 4
    assert lights.hardware.threads == 1
    assert held.data.split == "seeded rule on other rows"

    # Again: what is there stays, what failed is tried again.
    stamp = (out / "lights.dummy.0.json").stat().st_mtime_ns
    (own_tasks.parent / "gone.csv").write_text((own_tasks.parent / "train.csv").read_text())
    again = run_cells(names, out, tasks_file=own_tasks)
    assert again.made == (CellName("gone", "dummy", 0),)
    assert not (out / "gone.dummy.0.error.txt").exists()
    assert (out / "lights.dummy.0.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("change", [{"version": 2}, {"metrics": ["mcc", "accuracy"]}])
def test_results_of_another_version_of_a_card_are_refused(own_tasks, tmp_path, change):
    names = [CellName("lights", "dummy", 0)]
    assert run_cells(names, tmp_path / "r", tasks_file=own_tasks).made
    cards = json.loads(own_tasks.read_text())
    cards["tasks"][0] |= change
    own_tasks.write_text(json.dumps(cards))
    with pytest.raises(
        DataError, match=r"measured by version 1 of its card \(accuracy\), which now is"
    ) as caught:
        run_cells(names, tmp_path / "r", tasks_file=own_tasks)
    assert "lights.dummy.0.json" in str(caught.value)


def workers(folder):
    """Processes of cells that run now, of those runs that keep their temporary files in the folder."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            settings = (entry / "environ").read_bytes().split(b"\0")
            ours = any(each.startswith(f"TMPDIR={folder}/".encode()) for each in settings)
            if ours and runner.WORKER.encode() in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
    return found


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def check_whole(out):
    for path in out.glob("*.json"):
        json.loads(path.read_text())
    assert not list(out.glob("*.error.txt"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_an_interrupted_run_leaves_nothing_half_and_is_resumed(own_tasks, tmp_path, how):
    out = tmp_path / "results"
    line = [*RUN, "--tasks", "lights", "--seeds", "0,1", "-o", str(out), "--tasks-file", str(own_tasks)]
    settings = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings)
    wait_for(lambda: (out / "lights.dummy.0.json").exists() and workers(tmp_path))
    run.send_signal(how)
    _, err = run.communicate(timeout=60)
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert err.endswith("interrupted\n")
    wait_for(lambda: not workers(tmp_path))  # nobody is left behind
    assert not list(tmp_path.glob("embbert-bench-*"))
    assert "Traceback" not in err
    check_whole(out)
    stamp = (out / "lights.dummy.0.json").stat().st_mtime_ns
    there = len(list(out.glob("*.json")))
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stderr.startswith(f"{2 - there} of 2 results to make")
    assert [cell.seed for cell in read_cells(out)] == [0, 1]
    assert (out / "lights.dummy.0.json").stat().st_mtime_ns == stamp


WRITES = """
import json, pathlib, shutil, sys
asked = json.loads(sys.stdin.readline())
shutil.copytree("others", asked["results"], dirs_exist_ok=True)
raise SystemExit("error: too late")
"""


def test_what_another_run_writes_meanwhile_is_kept_and_not_made_again(cell, tmp_path, monkeypatch):
    """While the first of three works, the second is copied into the folder, and the first as well."""
    (tmp_path / "others").mkdir()
    for seed in (0, 1):
        write_cell(tmp_path / "others", cell(seed=seed))
    (tmp_path / "copies.py").write_text(WRITES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(runner, "WORKER", "copies")
    monkeypatch.chdir(tmp_path)
    names, said = [CellName("snips", "dummy", seed) for seed in range(3)], []
    done = run_cells(names, tmp_path / "results", say=said.append)
    assert (done.made, done.there, done.failed) == ((), tuple(names[:2]), (names[2],))
    assert "written by another run, which is kept: accuracy float 50.00" in said[1]
    assert "FAILED" in said[2]
    assert "snips.dummy.2" in said[2]
    assert not (tmp_path / "results" / "snips.dummy.0.error.txt").exists()


@pytest.fixture
def no_worker(monkeypatch):
    """Workers end at once, without a result."""
    monkeypatch.setattr(runner, "WORKER", "embbert.bench.nothing")


def test_no_cell_is_begun_after_the_time(no_worker, tmp_path):
    names = [CellName("snips", "dummy", seed) for seed in range(3)]
    done = run_cells(names, tmp_path, time_budget=0.0)
    assert (done.made, done.failed, done.left) == ((), (), tuple(names))


def test_a_worker_that_dies_is_a_failed_cell(no_worker, tmp_path):
    names = [CellName("snips", "dummy", 0)]
    done = run_cells(names, tmp_path)
    assert done.failed == tuple(names)
    assert "embbert.bench.nothing" in (tmp_path / "snips.dummy.0.error.txt").read_text()


def test_a_damaged_result_is_refused_before_anything_runs(cell, no_worker, tmp_path):
    path = write_cell(tmp_path, cell())
    path.write_text("{}")
    with pytest.raises(DataError, match=r"snips\.dummy\.0\.json: .* is missing"):
        run_cells([CellName("limit", "dummy", 0), CellName("snips", "dummy", 0)], tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_places_and_numbers_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be a folder of results"):
        run_cells([], tmp_path / "file")
    with pytest.raises(UsageError, match="--processes must be at least 1, not 0"):
        run_cells([], tmp_path, processes=0)


def test_kept_models_are_asked_for_and_their_code_must_be_known(tmp_path, monkeypatch):
    (tmp_path / "listener.py").write_text(
        "import json, sys\n"
        "asked = json.loads(sys.stdin.readline())\n"
        "raise SystemExit(f'error: {asked[\"models\"]}')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(runner, "WORKER", "listener")
    names, said = [CellName("snips", "dummy", 0)], []
    for folder, told in ((None, "None"), (tmp_path / "kept", str(tmp_path / "kept"))):
        monkeypatch.setattr(runner, "revision", lambda: "abc")
        run_cells(names, tmp_path / "r", models=folder, say=said.append)
        assert f": {told}; about" in said[-1]

    def unknown():
        raise UsageError("differ")

    monkeypatch.setattr(runner, "revision", unknown)
    run_cells([], tmp_path / "r")
    with pytest.raises(UsageError, match="differ"):
        run_cells(names, tmp_path / "r", models=tmp_path)


def test_processes_do_not_wait_for_each_others_models(no_worker, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "revision", lambda: "abc")
    begun, start = [], runner._Run.start
    monkeypatch.setattr(runner._Run, "start", lambda run, name: begun.append(name) or start(run, name))
    names = [CellName(task, system, 0) for task in ("snips", "rte") for system in ("a", "b")]
    run_cells(names, tmp_path, processes=2)
    assert begun == names
    begun.clear()
    run_cells(names, tmp_path, processes=2, models=tmp_path / "kept")
    assert begun[:2] == [names[0], names[2]]
    assert sorted(begun) == sorted(names)
    run_cells(names[:2], tmp_path, processes=2, models=tmp_path / "kept")
    assert begun[4:] == names[:2]


@pytest.mark.parametrize(("seconds", "text"), [(8.4, "8 s"), (720, "12 min"), (12_240, "3.4 h")])
def test_durations(seconds, text):
    assert duration(seconds) == text
