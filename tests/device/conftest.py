"""Which cores and tools there are; a test of one that is absent says so and is skipped."""

import pytest

import folders
from embbert.errors import UsageError
from embbert.quant.plan_io import load_plan
from embbert.verify.device.cores import find_core
from embbert.verify.device.tools import find_tools


@pytest.fixture
def tools():
    """Tools for a core, or the reason why there are none."""

    def find(core, name):
        try:
            return find_tools(find_core(core), name)
        except UsageError as error:
            pytest.skip(str(error))

    return find


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """(folder, plan) of a small classifier."""
    folder = folders.small_folder(tmp_path_factory.mktemp("models") / "classify")
    return folder, load_plan(folder)
