"""`embbert export` and `embbert verify` from the command line."""

import json

import pytest

import folders
from embbert.cli.app import run


@pytest.fixture
def model(tmp_path):
    folders.small_folder(tmp_path / "model")
    return str(tmp_path / "model")


def test_export_says_what_it_wrote(model, tmp_path, capsys):
    out = tmp_path / "c"
    assert run(["export", "c", model, "-o", str(out), "--prefix", "door", "--max-length", "9"]) == 0
    assert (out / "door.h").is_file()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "bytes of constants" in shown.err
    assert run(["export", "c", model, "-o", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["export", "c", model, "-o", str(out), "--overwrite"]) == 0
    assert not (out / "door.h").exists()


def test_unknown_formats_and_targets_name_what_exists(model, tmp_path, capsys):
    assert run(["export", "rust", model, "-o", str(tmp_path / "c")]) == 2
    assert "there are: c" in capsys.readouterr().err
    assert run(["verify", model, "--on", "mars"]) == 2
    assert "there are: host" in capsys.readouterr().err
    assert run(["verify", model, "--compiler", "no-such-cc"]) == 2
    assert "apt-get install" in capsys.readouterr().err


def test_models_without_integer_weights_are_told_so(tmp_path, capsys):
    folders.small_folder(tmp_path / "model", quantized=False)
    assert run(["export", "c", str(tmp_path / "model"), "-o", str(tmp_path / "c")]) == 3
    assert "embbert quantize" in capsys.readouterr().err


def test_verify_prints_json_or_a_table(model, tmp_path, capsys):
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nturn the lights on\nplay some music\n")
    assert run(["verify", model, "--texts", str(texts), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ok"]
    assert result["difference"] is None
    assert result["sizes"]["constants"] == result["stated"]["constants"]
    assert run(["verify", model, "--texts", str(texts)]) == 0
    shown = capsys.readouterr().out
    assert "identical" in shown
    assert "constants" in shown


def test_a_failed_check_exits_with_1_and_names_the_layer(model, tmp_path, capsys, monkeypatch):
    from embbert.verify import compare

    honest = compare.run

    def other_reference(plan, ids, trace=None):
        def bent(name, rows):
            trace(name, rows + (name == "layer0.norm"))

        return honest(plan, ids, bent if trace else None)

    monkeypatch.setattr(compare, "run", other_reference)
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nturn the lights on\n")
    assert run(["verify", model, "--texts", str(texts)]) == 1
    shown = capsys.readouterr()
    assert "DIFFERENT" in shown.out
    assert "FAILED: text 0: layer0.norm differs first at row 0, index 0" in shown.err
