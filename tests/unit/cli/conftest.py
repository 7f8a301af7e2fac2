"""Runs command lines in this process, on small model folders."""

import io
from types import SimpleNamespace

import pytest

import folders
from embbert.cli import run


@pytest.fixture
def cli(capfd, monkeypatch):
    """Run a command line; returns code, out and err. `stdin` is bytes."""

    def call(*arguments, stdin=None):
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=code, out=out, err=err)

    return call


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return folders.small_folder(tmp_path_factory.mktemp("models") / "classify").path


@pytest.fixture(scope="session")
def pair_model(tmp_path_factory):
    return folders.small_folder(tmp_path_factory.mktemp("models") / "pair", pair=True).path


@pytest.fixture(scope="session")
def regress_model(tmp_path_factory):
    return folders.small_folder(tmp_path_factory.mktemp("models") / "regress", "regress").path
