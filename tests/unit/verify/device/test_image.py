"""Images are built as docs/device.md says."""

import re
from pathlib import Path

import pytest

import folders
from embbert.emit.c99 import export_c
from embbert.errors import UsageError
from embbert.quant.plan_io import load_plan
from embbert.verify.device.cores import CORES
from embbert.verify.device.tools import find_tools

PAGE = Path(__file__).parents[4] / "docs" / "device.md"


def test_the_documented_calls_count_per_operator(tmp_path, monkeypatch, capsys):
    """With the folders that the page names, which are relative."""
    try:
        find_tools(CORES["cortex-m4"])
    except UsageError as error:
        pytest.skip(str(error))
    folder = folders.small_folder(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    export_c(folder, load_plan(folder), Path("c"))
    (calls,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(calls, {})
    counts = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert int(counts["embed.embed"]) > 100
    assert int(counts["layer1.contract"]) > 100
