"""One result: what the system saw, what it answered, and where it came from."""

import json
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import pytest

from embbert.bench import measure
from embbert.bench.cells import read_cell, write_cell
from embbert.bench.interface import Bytes, Work
from embbert.bench.measure import KNOWN, measure_cell
from embbert.bench.tasks import all_cards
from embbert.errors import DataError

for package in ("sklearn", "scipy"):
    pytest.importorskip(package)


@dataclass
class Spy:
    """Right in one precision, wrong in the other; remembers what it was shown."""

    name: str = "spy"
    title: str = "A spy."
    precisions: tuple = ("good", "bad")
    settings: dict = field(default_factory=dict)
    validation: dict = field(default_factory=lambda: {"accuracy": 0.5})
    curve: tuple = (0.25, 0.5)
    seen: list = field(default_factory=list)

    def fit(self, train, *, metric, seed, folder):
        self.seen.append(train)
        self.settings |= {"metric": metric, "seed": seed, "empty": not list(folder.iterdir())}
        return self

    def answers(self, precision, rows):
        self.seen.append(rows)
        right = np.array(["on" in text for text in rows.texts], dtype=np.int64)
        return right if precision == "good" else 1 - right

    def size(self, precision):
        return Bytes(len(precision))

    def work(self, precision, rows):
        return Work(2.0, 3) if precision == "good" else None


@pytest.fixture
def made(own_tasks, tmp_path):
    spy, out, work = Spy(), tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    return spy, out, measure_cell(all_cards(own_tasks)["lights"], spy, 5, out, nullcontext(work))


def test_a_system_never_sees_what_it_is_measured_by(made):
    spy, _, cell = made
    train, *tests = spy.seen
    assert len(train) == cell.data.train.rows == 30
    assert [test.targets for test in tests] == [None, None]
    assert not set(train.texts) & set(tests[0].texts)


def test_a_result_says_everything(made):
    _, out, cell = made
    assert (cell.settings, cell.seed) == ({"metric": "accuracy", "seed": 5, "empty": True}, 5)
    assert (cell.validation, cell.curve) == ({"accuracy": 0.5}, (0.25, 0.5))
    good, bad = cell.precisions["good"], cell.precisions["bad"]
    assert good.tests["lights"].confusion == ((1, 0), (0, 3))
    assert bad.tests["lights"].confusion == ((0, 1), (3, 0))
    assert (good.bytes.constants, bad.bytes.constants) == (4, 3)
    assert (good.work, bad.work) == ({"lights": Work(2.0, 3)}, {"lights": None})
    assert {"embbert", "python", "numpy", "scikit-learn"} <= set(cell.versions)
    assert cell.hardware.cpu
    assert (cell.suite, cell.title, cell.card) == ("own", "Lights", 1)
    assert read_cell(write_cell(out, cell)) == cell


def test_duplicates_are_counted_once(made, own_tasks, tmp_path, monkeypatch):
    _, out, cell = made
    (kept,) = (out / KNOWN).iterdir()
    monkeypatch.setattr(measure, "count_duplicates", None)
    card = all_cards(own_tasks)["lights"]
    again = measure_cell(card, Spy(), 5, out, nullcontext(tmp_path / "work"))
    assert again.data == cell.data
    kept.write_text(json.dumps({"rows": 4}))
    with pytest.raises(DataError, match="exact is missing"):
        measure_cell(card, Spy(), 5, out, nullcontext(tmp_path / "work"))


def test_a_cell_is_of_the_commit_that_it_began_with(monkeypatch):
    monkeypatch.setattr(measure, "commit", lambda: "b")
    assert [measure._unchanged(begun) for begun in ("b", "a", "a+", None)] == ["b", "a+", "a+", None]


def test_processors_of_one_name_are_told_apart(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("".join(f"model name\t: EPYC\ncpu family\t: 25\nmodel\t\t: {n}\n\n" for n in (1, 2)))
    monkeypatch.setattr(measure, "Path", lambda _: info)
    assert measure._cpu() == "EPYC, family 25, model 1"
    info.write_text("Hardware: a board\n")
    assert measure._cpu() == (measure.platform.processor() or measure.platform.machine())
    info.unlink()
    assert measure._cpu() == (measure.platform.processor() or measure.platform.machine())


def test_a_commit_is_that_of_the_package_or_none(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    package = tmp_path / "checkout" / "src" / "embbert"
    (package / "bench").mkdir(parents=True)
    source = package / "bench" / "measure.py"
    source.write_text("1\n")
    monkeypatch.setattr(measure, "__file__", str(source))
    assert measure.commit() is None

    def git(*line):
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ("git", "-C", str(tmp_path / "checkout"), *who, *line), check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    head = git("rev-parse", "HEAD")
    assert measure.commit() == head
    (tmp_path / "checkout" / "notes.txt").write_text("no source\n")
    assert measure.commit() == head
    source.write_text("2\n")
    assert measure.commit() == head + "+"
    # Installed into a folder of somebody else's checkout.
    other = tmp_path / "checkout" / "venv" / "embbert" / "bench"
    other.mkdir(parents=True)
    monkeypatch.setattr(measure, "__file__", str(other / "measure.py"))
    assert measure.commit() is None
