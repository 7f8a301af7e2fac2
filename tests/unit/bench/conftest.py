"""Tiny tasks in files, results made by hand, and command lines run in this process."""

import json
from types import SimpleNamespace

import pytest

from embbert.bench.cells import Cell, Data, Hardware, Measured, Origin, Tested
from embbert.bench.duplicates import Duplicates
from embbert.bench.interface import Bytes, Work
from embbert.bench.metrics import Interval, Scores
from embbert.cli import run

LABELS = ("off", "on")


@pytest.fixture
def cli(capfd):
    """Run a command line; returns code, out and err."""

    def call(*arguments):
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=code, out=out, err=err)

    return call


@pytest.fixture
def own_tasks(tmp_path):
    """A file of cards: `lights` with a test file, `held` without one, `gone` whose file is not there."""
    folder = tmp_path / "own"
    folder.mkdir()
    words = ("kitchen", "hall", "porch", "attic", "cellar", "garage", "garden", "study", "bath", "stairs")
    rows = [f"turn the {word} light {state},{state}\n" for word in words for state in (*LABELS, "on")]
    (folder / "train.csv").write_text("text,label\n" + "".join(rows))
    (folder / "test.csv").write_text("text,label\nlamp on,on\nlamp off,off\nall on,on\nnow on,on\n")
    tests = [{"name": "lights", "title": "Lights", "source": "test.csv"}]
    cards = [
        {"name": "lights", "title": "Lights", "source": "train.csv", "tests": tests, "labels": list(LABELS)},
        {"name": "held", "source": "train.csv", "metrics": ["mcc"], "suite": "held"},
        {"name": "gone", "source": "gone.csv"},
    ]
    path = folder / "tasks.json"
    path.write_text(json.dumps({"format": 1, "tasks": cards}))
    return path


def make_cell(
    task="snips",
    system="dummy",
    seed=0,
    value=0.5,
    *,
    published=None,
    precision="float",
    suite="tinynlp",
    metric="accuracy",
    tests=None,
    size=1000,
    partial=None,
    split="splits of the source",
    rows="r",
    averaged=True,
    card=1,
    confusion=((1, 2), (3, 4)),
    title=None,
    curve=(),
    macs=7,
    settings=None,
    interval=(0.0, 1.0),
):
    names = tests or {task: value}
    scores = {
        name: Scores(
            10, {metric: score}, Interval(*interval), score if published is None else published, confusion
        )
        for name, score in names.items()
    }
    origins = {
        name: Tested(title or name, Origin(f"{name}:test", 10, f"{rows}-{name}"), Duplicates(10, 0, 1, 2))
        for name in names
    }
    return Cell(
        format=1,
        task=task,
        card=card,
        title=title or task,
        suite=suite,
        metric=metric,
        averaged=averaged,
        system=system,
        seed=seed,
        settings={"answer": 1} if settings is None else settings,
        validation={},
        curve=curve,
        data=Data(Origin("x:train", 20, "t"), origins, split, LABELS, partial),
        precisions={
            precision: Measured(
                Bytes(size, arena=10, stack=None, tokenizer=5),
                dict.fromkeys(names, None if macs is None else Work(4.0, macs)),
                scores,
                0.5,
            )
        },
        train_seconds=1.5,
        versions={"embbert": "0"},
        commit=None,
        hardware=Hardware("cpu", 1, None),
    )


@pytest.fixture(scope="session")
def cell():
    """Makes a result."""
    return make_cell
