"""Models are kept for the cells of one task, seed and commit."""

import threading

import pytest

from embbert import __version__
from embbert.bench import kept
from embbert.bench.kept import model_folder, revision
from embbert.errors import UsageError


@pytest.fixture
def commit(monkeypatch):
    """Says of which commit the sources are."""
    return lambda found: monkeypatch.setattr(kept, "commit", lambda: found)


def test_the_commit_or_the_version_tells_the_code(commit):
    commit("abc")
    assert revision() == "abc"
    commit(None)
    assert revision() == f"v{__version__}"
    commit("abc+")
    with pytest.raises(UsageError, match=r"differ from their commit.*\n.*leave --models out"):
        revision()


def test_a_folder_for_task_seed_and_commit_or_none(tmp_path, commit):
    commit("abc")
    with model_folder(None, "snips", 3, tmp_path / "work") as folder:
        assert folder == tmp_path / "work"
    assert not list(tmp_path.iterdir())
    with model_folder(tmp_path / "kept", "snips", 3, tmp_path / "work") as folder:
        assert folder == tmp_path / "kept" / "abc" / "snips.3"
        assert folder.is_dir()
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match="cannot be a folder of models"),
        model_folder(tmp_path / "file", "snips", 3, tmp_path),
    ):
        pytest.fail("there is none")


def test_one_process_at_a_time(tmp_path, commit, capsys):
    pytest.importorskip("torch")  # the lock belongs to training
    commit("abc")
    entered = threading.Event()

    def second():
        with model_folder(tmp_path, "rte", 0, tmp_path):
            entered.set()

    with model_folder(tmp_path, "rte", 0, tmp_path):
        other = threading.Thread(target=second)
        other.start()
        assert not entered.wait(0.2)
        with model_folder(tmp_path, "rte", 1, tmp_path):
            pass
    assert entered.wait(10)
    other.join()
    assert capsys.readouterr().out == "waiting for another process that is training on rte with seed 0\n"
