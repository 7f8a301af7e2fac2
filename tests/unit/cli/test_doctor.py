"""`embbert doctor`."""

import json
import shutil
from importlib.metadata import version

import pytest

import embbert
import folders
from embbert.cli import doctor


def test_it_reports_versions_and_a_working_compiler(cli):
    done = cli("doctor", "--json")
    report = json.loads(done.out)
    assert done.code == 0
    assert report["ok"] is True
    assert report["embbert"] == embbert.__version__
    assert report["core"]["numpy"] == version("numpy")
    name = next(name for name in ("gcc", "cc", "clang") if shutil.which(name))
    assert report["compilers"][name]["works"] is True


def test_the_table_shows_what_the_report_holds(cli):
    done = cli("doctor")
    assert done.code == 0
    rows = [line.replace("│", " ").split() for line in done.out.splitlines()]
    assert ["numpy", version("numpy"), "every", "command"] in rows


def test_absent_extras_are_no_failure_but_come_with_advice(cli, monkeypatch):
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "torch" else real(name))
    done = cli("doctor")
    assert done.code == 0
    assert "not installed" in done.out
    assert 'pip install "embbert[train]"' in done.out


def test_a_broken_core_is_a_failure(cli, monkeypatch):
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "numpy" else real(name))
    done = cli("doctor")
    assert done.code == 1
    assert "the core lacks numpy" in done.out


@pytest.mark.parametrize("packages", [(), ("unicorn", "wasmtime", "ziglang")])
def test_absent_cross_compilers_come_with_advice(cli, monkeypatch, packages):
    real = doctor._version
    monkeypatch.setattr(
        doctor, "_version", lambda name: real(name) if name in packages + doctor.CORE else None
    )
    monkeypatch.setattr(doctor, "_program", lambda name: None if "qemu" in name else "gcc 12")
    done = cli("doctor")
    assert done.code == 0
    assert "apt-get install qemu-system-arm qemu-system-misc" in done.out
    assert ('pip install "embbert[emulate]"' in done.out) == (packages == ())


def test_complete_cross_compilers_need_no_advice(cli, monkeypatch):
    monkeypatch.setattr(doctor, "_program", lambda name: f"{name} 12")
    report = json.loads(cli("doctor", "--json").out)
    assert report["cross"]["qemu-system-arm"] == "qemu-system-arm 12"
    assert not any("apt-get install qemu" in line for line in report["advice"])


def test_webassembly_needs_packages_even_beside_cross_compilers(cli, monkeypatch):
    real = doctor._version
    monkeypatch.setattr(doctor, "_program", lambda name: f"{name} 12")
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "wasmtime" else real(name))
    line = 'embbert verify --on wasm32 needs zig and wasmtime: run  pip install "embbert[emulate]"'
    report = json.loads(cli("doctor", "--json").out)
    assert report["emulate"]["wasmtime"] is None
    assert line in report["advice"]
    monkeypatch.setattr(doctor, "_version", lambda name: "1.0")
    assert line not in json.loads(cli("doctor", "--json").out)["advice"]


BROKEN = "#!/bin/sh\n[ $1 = --version ] && echo cc 1.0 || exit 1\n"


@pytest.mark.parametrize("script", [None, BROKEN, "not a program"])
def test_no_compiler_that_works_comes_with_advice(cli, monkeypatch, tmp_path, script):
    if script is not None:
        (tmp_path / "cc").write_text(script)
        (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = cli("doctor")
    assert done.code == 0
    assert "apt-get install gcc" in done.out
    assert ("cannot compile C99" in done.out) == (script is not None)


def test_base_models_that_come_along_are_listed_with_their_parameters(cli, monkeypatch, tmp_path):
    folders.ship(tmp_path, monkeypatch)
    assert json.loads(cli("doctor", "--json").out)["bases"] == {}
    base = folders.small_base(tmp_path / "embbert-base")
    folders.small_base(tmp_path / "embbert-paper", residual=True, num_layers=1)
    done = cli("doctor")
    rows = [line.replace("│", " ").split() for line in done.out.splitlines()]
    assert done.code == 0
    count = base.config.parameter_count
    assert ["embbert-base", f"{count:,}", "parameters", "train", "--base"] in rows
    assert json.loads(cli("doctor", "--json").out)["bases"]["embbert-base"] == count
    for name in ("model.safetensors", "tokenizer.json"):
        path = tmp_path / "embbert-paper" / name
        sound = path.read_bytes()
        path.write_bytes(sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:])
        assert json.loads(cli("doctor", "--json").out)["bases"]["embbert-paper"] is None
        path.write_bytes(sound)
    assert cli("doctor").code == 0
    (tmp_path / "embbert-paper" / "base.json").write_text("{")
    done = cli("doctor")
    assert done.code == 1
    assert "damaged" in done.out
    assert "a base model is damaged: run  pip install" in done.out
