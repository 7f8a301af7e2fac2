"""Checkpoints: replaced in one step, read without running code, bound to their settings."""

import os
import pickle
import subprocess
import sys

import pytest
import torch

from embbert.errors import ModelError, UsageError
from embbert.train import checkpoint as module
from embbert.train.checkpoint import discard_checkpoint, read_checkpoint, write_checkpoint

SETTINGS = {"seed": 1, "data": "a" * 64}


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "m.partial" / "checkpoint.pt"
    assert read_checkpoint(path, SETTINGS) is None
    write_checkpoint(path, SETTINGS, {"model": {"w": torch.arange(3)}, "history": [{"loss": 0.5}]})
    state = read_checkpoint(path, SETTINGS)
    assert state["model"]["w"].tolist() == [0, 1, 2]
    assert state["history"] == [{"loss": 0.5}]
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_the_names_of_a_new_file_and_of_its_folder_are_brought_to_the_disk(tmp_path, monkeypatch):
    path, flushed = tmp_path / "m.partial" / "checkpoint.pt", []
    monkeypatch.setattr(module, "flush_folder", lambda folder: flushed.append((folder, path.exists())))
    path.parent.mkdir()  # as by the lock
    write_checkpoint(path, SETTINGS, {})
    assert flushed == [(path.parent, True), (tmp_path, True)]
    write_checkpoint(path, SETTINGS, {})
    assert flushed[2:] == [(path.parent, True)]


def test_other_settings_are_refused_by_name(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, SETTINGS, {})
    with pytest.raises(UsageError, match=r"(?s)seed 1, not 2.*--restart"):
        read_checkpoint(path, {**SETTINGS, "seed": 2})
    with pytest.raises(UsageError, match="seed 1, not None"):
        read_checkpoint(path, {"data": SETTINGS["data"]})


def test_another_number_of_processes_is_refused_and_one_is_what_is_not_said(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, SETTINGS, {})
    assert read_checkpoint(path, {**SETTINGS, "processes": 1}) == {}
    with pytest.raises(UsageError, match="processes 1, not 2"):
        read_checkpoint(path, {**SETTINGS, "processes": 2})
    write_checkpoint(path, {**SETTINGS, "processes": 2}, {})
    with pytest.raises(UsageError, match="processes 2, not 1"):
        read_checkpoint(path, SETTINGS)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"nonsense", None])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, SETTINGS, {"model": {"w": torch.zeros(100)}})
    path.write_bytes(path.read_bytes()[:300] if damage is None else damage)
    with pytest.raises(ModelError, match=r"(?s)checkpoint.pt.*--restart"):
        read_checkpoint(path, SETTINGS)


def test_reading_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "checkpoint.pt"
    torch.save({"format": 1, "settings": SETTINGS, "state": Trap()}, path)
    with pytest.raises(ModelError):
        read_checkpoint(path, SETTINGS)
    path.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(ModelError):
        read_checkpoint(path, SETTINGS)
    assert not (tmp_path / "sprung").exists()


def test_a_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save({"format": 2, "settings": SETTINGS, "state": {}}, path)
    with pytest.raises(ModelError, match="format 2"):
        read_checkpoint(path, SETTINGS)


def test_discarding_leaves_what_is_not_ours(tmp_path):
    path = tmp_path / "m.partial" / "checkpoint.pt"
    discard_checkpoint(path)
    write_checkpoint(path, SETTINGS, {})
    discard_checkpoint(path)
    assert not path.parent.exists()
    write_checkpoint(path, SETTINGS, {})
    (path.parent / "notes.txt").write_text("mine")
    discard_checkpoint(path)
    assert [file.name for file in path.parent.iterdir()] == ["notes.txt"]


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, SETTINGS, {"a": torch.zeros(3)})
    command = (
        "import resource, signal, sys; from pathlib import Path; import torch\n"
        "from embbert.train.checkpoint import write_checkpoint\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write_checkpoint(Path(sys.argv[1]), {}, {'a': torch.zeros(100_000)})\n"
    )
    done = subprocess.run([sys.executable, "-c", command, path], capture_output=True, text=True, check=False)
    assert f"UsageError: {path} cannot be written: File too large\n" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert read_checkpoint(path, SETTINGS)["a"].shape == (3,)


def test_what_torch_says_of_a_foreign_file_is_kept_back(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="cannot be resumed from") as refused:
        read_checkpoint(path, SETTINGS)
    assert "weights_only" not in str(refused.value)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_checkpoint(tmp_path / "file" / "checkpoint.pt", SETTINGS, {})
