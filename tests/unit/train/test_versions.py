"""The software that metrics name."""

import platform
from importlib.metadata import version

import torch

import embbert
from embbert.data.examples import Examples
from embbert.files import json_bytes
from embbert.train.versions import PACKAGES, source_of, versions


def test_every_package_that_decides_the_numbers_is_named():
    found = versions()
    assert list(found) == ["embbert", "python", *PACKAGES]
    assert (found["embbert"], found["python"]) == (embbert.__version__, platform.python_version())
    assert found["torch"] == version("torch")
    assert torch.__version__.startswith(found["torch"].partition("+")[0])


def test_a_file_of_any_name_can_be_told_of():
    rows = Examples(("a",), None, ("b",), (1,), "t\udce9.csv", "classify")
    stated = source_of(rows, "training")
    assert stated["source"] == r"t\udce9.csv"
    assert b"udce9.csv" in json_bytes(stated)
