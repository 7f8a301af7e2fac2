"""The commands of the README exist and parse, its links lead somewhere, and the cheap commands run."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

import folders
from embbert.cli import run
from embbert.cli.app import COMMANDS, app
from embbert.emit.c99 import export_c
from embbert.quant.plan_io import load_plan

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
LINES = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines() if line.strip()]
OURS = [line[1:] for line in LINES if line[0] == "embbert"]
CHEAP = [line for line in OURS if line[0] in ("doctor", "--version", "size") and "model/" not in line]


def test_the_readme_shows_the_whole_way():
    assert {line[0] for line in OURS} >= {"train", "predict", "eval", "size", "export", "verify", "doctor"}
    assert {line[0] for line in LINES} <= {"embbert", "make", "pip"}
    assert len(CHEAP) >= 3


@pytest.mark.parametrize("line", OURS, ids=" ".join)
def test_every_command_line_parses(line):
    group = typer.main.get_command(app)
    if line[0] not in COMMANDS:
        assert f"{line[0]}" in {option for parameter in group.params for option in parameter.opts}
        return
    with group.make_context("embbert", list(line), resilient_parsing=True) as root:
        command = group.get_command(root, line[0])
        command.make_context(line[0], list(line[1:]), parent=root)


@pytest.mark.parametrize("line", CHEAP, ids=" ".join)
def test_cheap_commands_run(line, capfd):
    assert run(line) == 0
    out, err = capfd.readouterr()
    assert out
    assert not err


@pytest.mark.parametrize("target", [line[1] for line in LINES if line[0] == "make"])
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_extras_exist():
    project = (ROOT / "pyproject.toml").read_text()
    extras = set(re.findall(r"embbert\[(\w+)\]", README))
    assert extras
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras)


def test_the_c_of_the_readme_compiles_against_an_export(tmp_path):
    folder = folders.small_folder(tmp_path / "m")
    export_c(folder, load_plan(folder), tmp_path / "c")
    (snippet,) = re.findall(r"^```c\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    header, body = snippet.split("\n", 1)
    source = f"#include <stdio.h>\n#include <string.h>\n{header}\nvoid use(const char *text);\n"
    source += f"void use(const char *text) {{\n{body}}}\n"
    line = [
        "gcc",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        "-I",
        tmp_path / "c",
        "-xc",
        "-",
    ]
    done = subprocess.run(line, input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page):
    for name in re.findall(r"`((?:src|tests|docs)/[\w./-]+)`", page.read_text()):
        assert (ROOT / name).exists(), name
