"""`embbert size`."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

import folders
import joints
import linears
from embbert import boards, footprint
from embbert.config import preset
from embbert.emit.tokenizer_c import tokenizer_bytes
from embbert.store import load_model
from embbert.text.tables import tables_of, tokenizer_tables


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


@pytest.mark.parametrize(("length", "counts"), [(8, [8]), (16, [16]), (24, [16, 24]), (256, [16, 64, 256])])
def test_work_is_told_of_the_longest_text_too(cli, length, counts):
    line = ["size", "embbert", "--max-length", length]
    work = {str(n): footprint.macs(preset("embbert"), 2, n) for n in counts}
    assert json.loads(cli(*line, "--json").out)["macs"] == work
    last = cli(*line).out.splitlines()[-1]
    assert last.startswith("Multiply-accumulates: ")
    assert [part.split(" at ")[1] for part in last.rstrip(".").split(", ")] == [f"{n} tokens" for n in counts]


def test_the_papers_count_names_its_length_where_it_is_another(cli):
    assert "256 tokens" not in cli("size", "embbert").out.partition("\n")[2].partition("Deployed")[0]
    table = cli("size", "embbert", "--max-length", "64").out.partition("\n")[2].partition("Deployed")[0]
    assert table.count("256 tokens") == 2
    assert (
        json.loads(cli("size", "embbert", "--max-length", "64", "--json").out)["paper"]["max_length"] == 256
    )


def test_a_folder_whose_integer_model_is_another_is_not_counted(cli, tmp_path):
    path = folders.small_folder(tmp_path / "m").path
    values = json.loads((path / "config.json").read_text())
    values["model"]["kernel_size"] = 3
    (path / "config.json").write_text(json.dumps(values))
    done = cli("size", path)
    assert (done.code, done.out) == (3, "")
    assert "operators are not those that config.json says (layer0.conv)" in done.err
    for name in ("quant.json", "model.int8.safetensors"):
        (path / name).unlink()
    assert cli("size", path).code == 0  # as a shape alone


def test_what_is_neither_preset_nor_folder_is_told_so(cli):
    done = cli("size", "embert")
    assert done.code == 2
    assert "no preset is called 'embert' (did you mean 'embbert'?)" in done.err
    assert "no folder is called so" in done.err


def test_a_folder_brings_its_own_shape(cli, model):
    folder = load_model(model)
    result = json.loads(cli("size", model, "--json").out)
    assert result["deployed"]["constants"] == footprint.deployed(folder.config, 3).constants
    done = cli("size", model, "--classes", "3")
    assert done.code == 2
    assert "for presets" in done.err
    done = cli("size", "embbert", "--classes", "5000")
    assert (done.code, done.out) == (2, "")
    assert "5,000 classes; a model answers with 4,096 at most" in done.err


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


def test_tokenizer_tables_are_counted_for_folders_only(cli, model):
    tokenizer = load_model(model).tokenizer
    expected = {
        charset: tokenizer_bytes(tokenizer_tables(tokenizer.limited_to(charset)))
        for charset in ("unicode", "latin")
    }
    assert json.loads(cli("size", model, "--json").out)["tokenizer_bytes"] == expected
    assert (
        f"Tokenizer tables: {expected['unicode']:,} bytes, {expected['latin']:,} with"
        in cli("size", model).out
    )
    assert json.loads(cli("size", "tiny", "--json").out)["tokenizer_bytes"] == {}


def test_a_board_that_has_room(cli, model):
    done = cli("size", model, "--board", "Nano-33-BLE")
    assert (done.code, done.err) == (0, "")
    folder = load_model(model)
    tables = tokenizer_bytes(tokenizer_tables(folder.tokenizer))
    need = boards.needs(folder.config, 3, tokenizer=tables, labels=folder.labels)
    cells = [line.replace("│", " ").split() for line in done.out.splitlines()]
    flash, ram = sum(need.flash.values()), sum(need.ram.values())
    assert ["flash", f"{flash:,}", "983,040", f"{983_040 - flash:,}"] in cells
    assert ["RAM", f"{ram:,}", "262,144", f"{262_144 - ram:,}"] in cells
    assert "ESTIMATES, not measurements" in done.out
    assert "1.61 instructions per MAC (counted on" in done.out
    assert "3 V x 3.3 mA x time" in done.out
    assert "24 tokens" in done.out
    assert done.out.endswith("fits nano-33-ble.\n")


def test_a_board_that_lacks_room_says_what_would_fit(cli):
    done = cli("size", "tiny", "--board", "uno-r4-minima")
    assert done.code == 1
    config, board = preset("tiny"), boards.find("uno-r4-minima")
    missing = boards.lacking(boards.needs(config, 2), board)
    length = boards.longest(board, config, 2)
    assert (
        f"{missing['RAM']:,} bytes of RAM are missing; it fits with --max-length {length} or less" in done.err
    )
    assert "energy unknown" in done.out
    assert cli("size", "tiny", "--board", "uno-r4-minima", "--max-length", length).code == 0
    assert cli("size", "tiny", "--board", "uno-r4-minima", "--max-length", length + 1).code == 1
    done = cli("size", "big", "--board", "uno-r4-minima")
    assert (done.code, "no --max-length makes it fit" in done.err) == (1, True)


def test_a_smaller_alphabet_is_offered_where_it_is_what_it_takes(cli, model, monkeypatch):
    folder = load_model(model)
    monkeypatch.setattr(
        "embbert.cli.size._tokenizer", lambda model, ngrams: {"unicode": 60_000, "latin": 50_000}
    )
    need = boards.needs(folder.config, 3, tokenizer=50_000, labels=folder.labels)
    exact = boards.Figure(sum(need.flash.values()), "rp2350", "here")
    tight = dataclasses.replace(boards.find("pico-2"), flash_bytes=exact)
    monkeypatch.setattr(boards, "find", lambda name: tight)
    done = cli("size", model, "--board", "pico-2")
    assert done.code == 1
    assert "10,000 bytes of flash are missing; it fits when exported with --charset latin" in done.err
    assert "and --max-length 24 or less" in done.err


def test_json_of_a_board_holds_figures_sources_and_estimates(cli):
    done = cli("size", "embbert", "--board", "nucleo-l476rg", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)["board"]
    assert found["fits"] is True
    assert found["longest_max_length"] == 256
    assert found["flash"]["left"] == found["flash"]["there"] - sum(found["flash"]["parts"].values())
    assert found["current_ma"]["source"]["publisher"] == "STMicroelectronics"
    assert [line["tokens"] for line in found["estimates"]] == [16, 64, 256]
    assert found["estimated_with"]["supply_assumed"] is True
    expected = dataclasses.asdict(boards.estimate(boards.find("nucleo-l476rg"), preset("embbert"), 2, 64))
    assert found["estimates"][1] == expected
    done = cli("size", "embbert", "--residual", "--board", "nucleo-l476rg", "--json")
    assert done.code == 1
    assert json.loads(done.out)["board"]["missing"]["RAM"] > 0
    assert "error: the model does not fit nucleo-l476rg" in done.err


def test_boards_are_listed_without_a_model(cli):
    done = cli("size", "--boards")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(boards.boards())
    assert cli("size", "--board", "list").out == done.out
    found = json.loads(cli("size", "--boards", "--json").out)["boards"]
    assert [board["name"] for board in found] == list(boards.boards())
    assert found[0]["flash_bytes"]["source"]["document"]


def test_slips_are_answered(cli):
    done = cli("size", "nano", "--board", "pico2")
    assert (done.code, "did you mean 'pico-2'" in done.err) == (2, True)
    done = cli("size")
    assert (done.code, "name a model folder or a preset" in done.err) == (2, True)
    assert (cli("size", "nano", "--board", "").code) == 2


def test_a_preset_on_a_board_needs_no_numpy():
    line = (
        "from embbert.cli import run; import sys; assert run(['size', 'embbert', '--board', 'pico-2']) == 0"
    )
    line += "; assert not {'numpy', 'torch', 'tokenizers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", line], check=True, capture_output=True)


def test_a_baseline_that_runs_in_float_only_has_the_papers_bytes_alone(cli):
    result = cli("size", "mamba")
    assert result.code == 0
    assert "219,968 parameters, in float only" in result.out
    assert "1,862,912 in all" in result.out
    found = json.loads(cli("size", "mamba", "--json").out)
    assert found["paper"]["total"] == 1_862_912
    assert "deployed" not in found


@pytest.mark.parametrize("option", [("--max-length", "64"), ("--board", "nucleo-f446re")])
def test_what_is_never_deployed_fits_no_board_and_no_length(cli, option):
    result = cli("size", "mamba", *option)
    assert result.code == 2
    assert f"{option[0]} is about a deployed model, and mamba runs in float only" in result.err


def test_a_setting_of_embbert_alone_is_refused_for_a_baseline(cli):
    result = cli("size", "bert", "--residual")
    assert result.code == 2
    assert "--residual is for EmbBERT: the architecture bert has no such setting" in result.err


def test_baselines_are_counted_like_any_preset(cli):
    found = json.loads(cli("size", "nanobert", "--json").out)
    assert (found["paper"]["total"], found["deployed"]["total"]) == (1_972_520, 359_932)


def test_ngrams_beside_tokens_are_counted(cli, tmp_path):
    folder = joints.joint_folder(tmp_path / "m")
    known = folder.config.ngrams
    done = cli("size", folder.path)
    assert f"parameters, {known} n-grams (12 of a text at most), 3 logits, 24 tokens" in done.out
    result = json.loads(cli("size", folder.path, "--max-length", "9", "--json").out)
    assert result["deployed"]["constants"]["head.weigh"] == 3 * known + 2 * 4 * 3
    assert result["deployed"]["arena"]["ids"] == 2 * (9 + 12) + 6
    assert result["tokenizer_bytes"]["unicode"] == tables_of(folder.tokenizer).bytes


def test_of_a_linear_model_ngrams_are_counted_and_no_time_is_estimated(cli, tmp_path):
    """It looks for n-grams, and hardly multiplies."""
    folder = linears.linear_folder(tmp_path / "m")
    units = f"{folder.config.max_length} n-grams of a text"
    done = cli("size", folder.path)
    assert f", {units}\n" in done.out
    assert f" at {units}." in done.out
    done = cli("size", folder.path, "--board", "nucleo-f446re")
    assert (done.code, "No estimate of time and energy" in done.out) == (0, True)
    assert " ms" not in done.out
    assert f"with at most {units} fits nucleo-f446re." in done.out
    result = json.loads(cli("size", folder.path, "--board", "nucleo-f446re", "--json").out)
    assert result["board"]["estimates"] == []


def test_a_name_that_is_too_long_is_refused(cli):
    done = cli("size", "x" * 300)
    assert (done.code, "cannot be read: File name too long" in done.err) == (3, True)


def test_a_preset_goes_before_a_folder_of_its_name(cli, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nano").mkdir()
    wanted = cli("size", "embbert", "--classes", 8)
    (tmp_path / "embbert").mkdir()
    assert cli("size", "embbert", "--classes", 8) == wanted
    preset = cli("size", "nano", "--json")
    (tmp_path / "nano").rmdir()
    (tmp_path / "nano").symlink_to(model)
    done = cli("size", "nano", "--json")
    assert (done.out, done.err) == (preset.out, "nano is the preset of that name; ./nano is the folder\n")
    there = cli("size", model, "--json")
    assert cli("size", "./nano", "--json").out == there.out.replace(str(model), "./nano")
