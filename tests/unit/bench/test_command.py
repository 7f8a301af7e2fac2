"""`embbert bench`: what is asked is checked, results go to stdout, people read stderr."""

import json
import subprocess
import sys

import pytest

from embbert.bench.cells import write_cell
from embbert.bench.tables import all_tables, markdown


@pytest.fixture
def results(cell, tmp_path):
    (tmp_path / "r").mkdir()
    for made in (cell(), cell(seed=1, value=0.7), cell("limit")):
        write_cell(tmp_path / "r", made)
    return tmp_path / "r"


@pytest.mark.parametrize("line", [["bench"], ["bench", "run"], ["bench", "ls"], ["bench", "table"]])
def test_help_needs_no_heavy_package(line):
    program = (
        f"import sys\nfrom embbert.cli import run\nassert run({[*line, '--help']!r}) == 0\n"
        "print(*sorted(name for name in sys.modules if '.' not in name))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = set(done.stdout.splitlines()[-1].split())
    assert "embbert" in names
    assert names.isdisjoint({"numpy", "scipy", "sklearn", "torch", "matplotlib", "pyarrow"})


def test_tasks_and_systems_are_listed(cli, own_tasks):
    done = cli("bench", "ls", "--tasks-file", own_tasks)
    assert done.code == 0
    assert not done.err
    words = done.out.split()
    assert {"snips", "mnli", "lights", "held", "dummy", "embbert-scratch"} <= set(words)
    assert "imdb" not in cli("bench", "ls", "--tasks", "rte").out


def test_tasks_whose_rows_are_in_the_mirror_are_told(cli, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    names = ("dair-ai/emotion/split/train", "fancyzhx/ag_news/train_partial", "benayas/snips/split/train")
    for name in names:
        path = mirror / f"{name}.parquet"
        path.parent.mkdir(parents=True)
        path.touch()

    def where(tasks="snips,emotion,ag_news", *more):
        out = cli("bench", "ls", "--tasks", tasks, *more).out
        rows = [[cell.strip() for cell in line.split("│")] for line in out.splitlines()]
        return {row[2]: row[6] for row in rows if len(row) > 6}

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("EMBBERT_DATA", str(mirror))
    assert where() == {"snips": "hub", "emotion": "here", "ag_news": "here, train_partial"}
    # Unset, there is no mirror: the rows are not looked for where the command happens to be run.
    monkeypatch.delenv("EMBBERT_DATA")
    monkeypatch.chdir(mirror)
    assert where() == dict.fromkeys(("snips", "emotion", "ag_news"), "hub")
    extra = [{"name": "there", "source": "a.csv"}, {"name": "gone", "source": "b.csv"}]
    (mirror / "t.json").write_text(
        json.dumps({"format": 1, "tasks": [*extra, {"name": "h", "source": "home"}]})
    )
    (mirror / "a.csv").touch()
    found = where("there,gone,h", "--tasks-file", mirror / "t.json")
    assert found == {"there": "file", "gone": "missing", "h": "here"}
    monkeypatch.setenv("EMBBERT_DATA", str(mirror / "gone"))
    done = cli("bench", "ls")
    assert (done.code, "which is no folder: correct it or unset it" in done.err) == (2, True)


def test_results_are_listed(cli, results):
    (results / "rte.dummy.0.error.txt").write_text("x")
    (results / "limit.dummy.0.error.txt").write_text("made elsewhere, and copied here")
    done = cli("bench", "ls", results, "--tasks", "snips")
    lines = [" ".join(line.replace("│", " ").split()) for line in done.out.splitlines()]
    assert "snips 0, 1" in lines
    assert "limit 0" in lines
    assert f"failed: {results / 'rte.dummy.0.error.txt'}" in done.out.replace("\n", "")
    assert done.out.count("failed:") == 1


def test_duplicates_are_counted_where_there_are_rows(cli, own_tasks):
    pytest.importorskip("scipy")
    rows = own_tasks.with_name("test.csv")
    rows.write_text(
        "text,label\nlamp on,on\nturn the kitchen light on,on\n"
        "Turn the kitchen light: off,off\nturn the light on,on\n"
    )
    done = cli("bench", "ls", "--duplicates", "--tasks-file", own_tasks, "--tasks", "lights,held,gone")
    assert done.code == 3
    lines = [" ".join(line.replace("│", " ").split()) for line in done.out.splitlines()]
    assert any(line.startswith("lights 30 4 1 2 2 splits of") for line in lines)
    assert any(line.startswith("held 27 3 0 0 0 seeded") for line in lines)
    assert "gone: " in done.err
    assert "gone.csv" in done.err
    assert "nothing was counted of gone" in done.err
    assert cli("bench", "ls", "--duplicates", "--tasks-file", own_tasks, "--tasks", "lights").code == 0


def test_names_are_shown_as_they_are(cli, own_tasks):
    cards = json.loads(own_tasks.read_text())
    cards["tasks"][0] |= {"licence": "[/b] :cat: mine"}
    own_tasks.write_text(json.dumps(cards))
    done = cli("bench", "ls", "--tasks-file", own_tasks)
    assert done.code == 0
    shown = "".join(done.out.split())
    assert "[/b]" in shown
    assert ":cat:" in shown


@pytest.mark.parametrize("line", [("ls",), ("table",), ("run", "-o", "r", "--bases")])
def test_a_name_that_is_too_long_is_refused(cli, line):
    done = cli("bench", *line, "x" * 300)
    assert done.code in (2, 3)
    assert "File name too long" in done.err


def test_tables_go_to_stdout_or_into_a_page(cli, results, tmp_path, cell):
    made = [cell("limit"), cell(), cell(seed=1, value=0.7)]
    assert cli("bench", "table", results).out == "\n".join(map(markdown, all_tables(made)))
    other = cli("bench", "table", results, "--as-published").out
    assert other == "\n".join(map(markdown, all_tables(made, as_published=True)))
    done = cli("bench", "table", results, "--html", tmp_path / "page.html")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_plots_are_named_on_stdout(cli, results, tmp_path):
    pytest.importorskip("matplotlib")
    done = cli("bench", "plot", results, "-o", tmp_path / "p")
    assert done.out == "".join(f"{tmp_path / 'p' / kind}-shared.png\n" for kind in ("bytes", "work"))


def test_a_family_and_instructions_are_drawn_if_asked_for(cli, results, tmp_path, cell):
    pytest.importorskip("matplotlib")
    ours = {"precision": "int8", "settings": {"architecture": "embbert"}, "curve": (0.25, 0.5)}
    write_cell(results, cell(system="small", **ours))
    line = ["bench", "plot", results, "-o", tmp_path / "p", "--core", "cortex-m4", "--family", "small,dummy"]
    done = cli(*line, "--cell", "limit.dummy.0")
    assert [line.rsplit("/", 1)[1] for line in done.out.splitlines()] == [
        "bytes-shared.png",
        "work-shared.png",
        "instructions-cortex-m4-shared.png",
        "curves-snips.png",
        "family.png",
        "confusion-limit-dummy-0-float.png",
    ]
    done = cli("bench", "plot", results, "-o", tmp_path / "q", "--family", "small")
    assert (done.code, (tmp_path / "q").exists()) == (2, False)
    assert "--family names nothing" in cli("bench", "plot", results, "-o", "q", "--family", "").err
    assert "--family takes the names of two systems or more" in done.err
    assert "no core is called 'm4'" in cli("bench", "plot", results, "-o", "q", "--core", "m4").err


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (["run", "-o", "x", "--tasks", "snps"], 2, "no task is called 'snps' (did you mean 'snips'?)"),
        (["run", "-o", "x", "--tasks", "", "--time-budget", "0s"], 2, "--tasks names nothing: give names"),
        (["run", "-o", "x", "--tasks", " , ", "--time-budget", "0s"], 2, "--tasks names nothing"),
        (["run", "-o", "x", "--systems", "", "--time-budget", "0s"], 2, "--systems names nothing"),
        (["ls", "--tasks", ""], 2, "--tasks names nothing"),
        (["run", "-o", "x", "--systems", "bert"], 2, "no system is called 'bert'"),
        (["run", "-o", "x", "--seeds", "0;1"], 2, "--seeds are whole numbers such as 0,1,2, not '0;1'"),
        (["run", "-o", "x", "--shard", "3/2"], 2, "--shard is a part such as 1/2 or 2/2, not '3/2'"),
        (["run", "-o", "x", "--shard", "0/2"], 2, "--shard is a part such as 1/2 or 2/2, not '0/2'"),
        (["run", "-o", "x", "--time-budget", "soon"], 2, "--time-budget is a time such as 90s"),
        (["run", "-o", "x", "--tasks-file", "no.json"], 3, "no.json cannot be read"),
        (["table", "no-folder"], 3, "no-folder: there is no such folder"),
        (["plot", "no-folder", "-o", "x"], 3, "no-folder: there is no such folder"),
        (["ls", "no-folder"], 3, "no-folder: there is no such folder"),
        (["rum"], 2, "No such command 'rum'"),
    ],
)
def test_what_cannot_be_is_refused(cli, tmp_path, monkeypatch, line, code, message):
    monkeypatch.chdir(tmp_path)
    done = cli("bench", *line)
    assert done.code == code
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_page_has_both_tables_anyway(cli, results, tmp_path):
    done = cli("bench", "table", results, "--html", tmp_path / "p.html", "--as-published")
    assert (done.code, (tmp_path / "p.html").exists()) == (2, False)
    assert "cannot be written" in cli("bench", "table", results, "--html", tmp_path / "no" / "p.html").err


def test_a_run_says_what_failed(cli, own_tasks, tmp_path):
    out = tmp_path / "out"
    line = [
        "bench",
        "run",
        "--tasks",
        "gone",
        "--systems",
        "dummy",
        "--seeds",
        "0",
        "--tasks-file",
        own_tasks,
    ]
    done = cli(*line, "-o", out)
    assert done.code == 1
    assert "1 of 1 results to make" in done.err
    assert "error: 1 of 1 cells failed" in done.err
    assert not done.out
    done = cli(*line, "-o", out, "--time-budget", "0s")
    assert done.code == 0
    assert "the time is up: 1 cells are left" in done.err
    # The other half of the matrix is empty.
    parts = [cli(*line, "-o", out, "--time-budget", "0s", "--shard", f"{n}/2").err for n in (1, 2)]
    assert sum("0 of 0 results" in part for part in parts) == 1
