"""Exports of a small model, and every compiler that there is."""

import importlib.util
import shutil
import sys

import pytest

import folders
import joints
import linears
from embbert.emit.c99 import export_c
from embbert.quant.plan_io import load_plan


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """(folder, plan) of a small classifier."""
    folder = folders.small_folder(tmp_path_factory.mktemp("model") / "model")
    return folder, load_plan(folder)


@pytest.fixture(scope="session")
def exports(model, tmp_path_factory):
    """Folders of C by how weights are carried, of a linear model and of both; damage is done to copies."""
    place = tmp_path_factory.mktemp("exports")
    for weights in ("constants", "blob"):
        export_c(*model, place / weights, weights=weights)
    linear = linears.linear_folder(place / "model", pair=True)
    export_c(linear, load_plan(linear), place / "linear", weights="blob")
    joint = joints.joint_folder(place / "both", pair=True)
    export_c(joint, load_plan(joint), place / "joint")
    return {name: place / name for name in ("constants", "blob", "linear", "joint")}


@pytest.fixture(scope="session")
def need():
    """Skips with the reason where a program, or zig, is missing; zig's command begins with Python's."""

    def check(*programs):
        for program in programs:
            if program == sys.executable and importlib.util.find_spec("ziglang") is None:
                pytest.skip('zig is not installed: pip install "embbert[emulate]"')
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")

    return check
