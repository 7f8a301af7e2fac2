"""The same model gives the same bytes, whatever process, folder, locale, umask and time it is exported in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import embbert

SCRIPT = """
import os
import sys
import time
from pathlib import Path
os.umask(int(sys.argv[3], 8))
import locale
locale.setlocale(locale.LC_ALL, "")
from embbert.emit import c99, render
from embbert.quant.plan_io import load_plan
from embbert.store import load_model
plain = c99.render
FAULTS = {
    "hash": lambda: " ".join({"one", "two", "three", "four", "five", "six"}),
    "folder": os.getcwd,
    "time": lambda: str(time.time_ns()),
    "user": lambda: os.environ["USER"],
}
def rendered(fault):
    def render(*arguments, **settings):
        files = plain(*arguments, **settings)
        return {name: text + f"/* {fault()} */" for name, text in files.items()}
    return render
folder = load_model(Path(sys.argv[1]))
plan = load_plan(folder)
for weights in ("constants", "blob"):
    c99.export_c(folder, plan, Path(sys.argv[2], weights), prefix="net", weights=weights)
for name, fault in FAULTS.items():
    c99.render = rendered(fault)
    c99.export_c(folder, plan, Path(sys.argv[2], name), prefix="net")
"""
PLACES = (
    {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC", "USER": "one", "umask": "022"},
    {"PYTHONHASHSEED": "777", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "USER": "two", "umask": "077"},
)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """A folder of exports for each of two surroundings."""
    found = []
    for index, settings in enumerate(PLACES):
        work = tmp_path_factory.mktemp(f"surroundings{index}")
        out = work / ("deep/" * index) / "out"
        environment = {**os.environ, **settings, "PYTHONPATH": str(Path(embbert.__file__).parents[1])}
        arguments = [str(model[0].path), str(out), settings["umask"]]
        subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=True, env=environment, cwd=work)
        found.append(out)
    return found


def files(exported, name):
    """Bytes by name of a file, in each of the surroundings."""
    return [{path.name: path.read_bytes() for path in (out / name).iterdir()} for out in exported]


@pytest.mark.parametrize("weights", ["constants", "blob"])
def test_the_same_bytes_wherever_it_is_exported(exported, weights):
    one, other = files(exported, weights)
    assert len(one) > 15
    assert one == other


@pytest.mark.parametrize("fault", ["hash", "folder", "time", "user"])
def test_what_depends_on_the_surroundings_is_found(exported, fault):
    one, other = files(exported, fault)
    assert one.keys() == other.keys()
    assert one["net.c"] != other["net.c"]
