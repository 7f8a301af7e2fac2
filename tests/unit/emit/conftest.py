"""Small models of every kind, made once."""

import pytest

import folders
from embbert.quant.plan_io import load_plan
from packaged import KINDS


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    built = {}
    for kind, settings in KINDS.items():
        folder = folders.small_folder(place / kind, **settings)
        built[kind] = folder, load_plan(folder)
    return built
