"""The software that metrics name."""

import platform
from importlib.metadata import version

import torch

import embbert
from embbert.train.versions import PACKAGES, versions


def test_every_package_that_decides_the_numbers_is_named():
    found = versions()
    assert list(found) == ["embbert", "python", *PACKAGES]
    assert (found["embbert"], found["python"]) == (embbert.__version__, platform.python_version())
    assert found["torch"] == version("torch")
    assert torch.__version__.startswith(found["torch"].partition("+")[0])
