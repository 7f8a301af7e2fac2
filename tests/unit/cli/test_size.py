"""`embbert size`."""

import dataclasses
import json
import os
import subprocess
import sys

from embbert import footprint
from embbert.config import preset
from embbert.store import load_model


def test_both_accountings_stand_side_by_side(cli):
    done = cli("size", "embbert")
    assert done.code == 0
    cells = [line.replace("│", " ").split() for line in done.out.splitlines()]
    deployed = footprint.deployed(preset("embbert"), 2)
    assert ["total", "1,953,280", "781,056", f"{deployed.total:,}"] in cells
    assert "embbert: 357,248 parameters, 2 logits, 256 tokens" in done.out
    assert f"x0 {deployed.arena['x0']:,}" in done.out
    assert f"{footprint.macs(preset('embbert'), 2, 64) / 1e6:.1f} M at 64 tokens" in done.out


def test_json_holds_every_number(cli):
    done = cli("size", "tiny", "--classes", "7", "--max-length", "64", "--residual", "--json")
    result = json.loads(done.out)
    config = dataclasses.replace(preset("tiny"), residual=True)
    deployed = footprint.deployed(config, 7, 64)
    assert result["deployed"]["constants"] == deployed.constants
    assert result["deployed"]["arena"] == deployed.arena
    assert result["deployed"]["total"] == deployed.total
    assert result["paper"]["total"] == footprint.paper(config).total
    assert result["macs"] == {str(n): footprint.macs(config, 7, n) for n in (16, 64)}
    assert not done.err


def test_a_folder_brings_its_own_shape(cli, model):
    folder = load_model(model)
    result = json.loads(cli("size", model, "--json").out)
    assert result["deployed"]["constants"] == footprint.deployed(folder.config, 3).constants
    done = cli("size", model, "--classes", "3")
    assert done.code == 2
    assert "for presets" in done.err


def test_a_name_that_is_nothing_is_refused(cli, tmp_path):
    done = cli("size", "embert")
    assert (done.code, "did you mean 'embbert'" in done.err) == (2, True)
    done = cli("size", tmp_path / "none")
    assert (done.code, "is not a model folder" in done.err) == (3, True)
    done = cli("size", "nano", "--max-length", "500")
    assert (done.code, "between 4 and the model's 256" in done.err) == (2, True)


def test_it_needs_less_than_half_a_second_of_processor_time():
    line = [sys.executable, "-c", "from embbert.cli import main; main()", "size", "embbert"]
    best = 9.0
    for _ in range(3):
        before = os.times()
        subprocess.run(line, check=True, capture_output=True)
        after = os.times()
        spent = after.children_user - before.children_user + after.children_system - before.children_system
        best = min(best, spent)
    assert best < 0.5
