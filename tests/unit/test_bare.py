"""The wheel in an environment that holds the core dependencies and nothing else.

Built and installed without a network: the core packages are linked from the environment that runs the tests.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

import embbert
import folders
from embbert.cli.app import COMMANDS

pytestmark = pytest.mark.slow

NAME = re.compile(r"[A-Za-z0-9._-]+")
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
LINES = ["--help", "--version", "size embbert", "doctor", *(f"{name} --help" for name in COMMANDS)]


def needed(requirements):
    """Names of required packages that are installed here; those for extras and other systems are not."""
    for requirement in requirements or ():
        wanted, _, marker = requirement.partition(";")
        name = NAME.match(wanted).group()
        if "extra" not in marker and next(Distribution.discover(name=name), None) is not None:
            yield name.lower()


def core_packages(wheel):
    """The packages that the wheel requires, and those that they require."""
    metadata = zipfile.ZipFile(wheel).read(f"embbert-{embbert.__version__}.dist-info/METADATA").decode()
    todo, seen = list(needed(re.findall(r"^Requires-Dist: (.*)$", metadata, flags=re.MULTILINE))), set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += needed(distribution(name).requires)
    return sorted(seen)


@pytest.fixture(scope="module")
def bare(tmp_path_factory, wheel):
    """Folder of a fresh environment with the wheel and the core packages."""
    path = tmp_path_factory.mktemp("bare") / "env"
    venv.create(path, symlinks=True, with_pip=False)
    site = path / SITE
    for name in core_packages(wheel):
        dist = distribution(name)
        for top in {Path(file).parts[0] for file in dist.files if not str(file).startswith("..")}:
            if top != "__pycache__" and not (site / top).exists():
                (site / top).symlink_to(dist.locate_file(top))
    pip = [sys.executable, "-m", "pip", "--python", str(path / "bin/python")]
    install = [*pip, "install", "--no-index", "--no-deps", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return path


@pytest.fixture(scope="module")
def program(bare, tmp_path_factory):
    """Run the installed `embbert`, far from the sources; returns the finished process."""
    home = tmp_path_factory.mktemp("home")
    settings = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def call(*arguments):
        line = [str(bare / "bin/embbert"), *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=home, env=settings)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


def python(bare, code):
    line = [bare / "bin/python", "-I", "-c", code]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_wheel_holds_code_data_and_runtime_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "embbert/py.typed" in names
    assert {"embbert/data/home/train.csv", "embbert/data/home/test.csv"} <= set(names)
    assert any(name.startswith("embbert/emit/runtime/") and name.endswith(".c") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} == {"embbert", f"embbert-{embbert.__version__}.dist-info"}
    kinds = {Path(name).suffix for name in names if name.startswith("embbert/")}
    assert kinds <= {".py", ".typed", ".csv", ".json", ".c", ".h", ".j2", ".md", ".safetensors", ".png"}


def test_the_wheel_holds_the_base_models_of_the_sources(wheel):
    package = Path(embbert.__file__).parent
    files = {str(path.relative_to(package.parent)) for path in package.glob("base_models/*/*")}
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "/base_models/" in name}
    assert names == files


def test_it_is_bare(bare):
    done = python(bare, "import embbert; print(embbert.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(bare)
    for package in ("torch", "accelerate", "datasets", "sklearn", "scipy", "pytest"):
        assert "ModuleNotFoundError" in python(bare, f"import {package}").stderr


def test_every_module_of_the_core_can_be_imported(bare):
    code = (
        "import importlib, pathlib, embbert\n"
        "EXTRA = ('unicorn', 'wasm')\n"
        "root = pathlib.Path(embbert.__file__).parent\n"
        "for path in sorted(root.rglob('*.py')):\n"
        "    name = '.'.join(('embbert', *path.relative_to(root).with_suffix('').parts))\n"
        "    if name.split('.')[1] not in ('models', 'train') and name.split('.')[-1] not in EXTRA:\n"
        "        importlib.import_module(name.removesuffix('.__init__'))\n"
    )
    done = python(bare, code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", LINES)
def test_it_answers(program, line):
    done = program(*line.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_base_models_are_found_beside_the_installed_code_and_load_without_torch(bare, program):
    shipped = bare / SITE / "embbert" / "base_models"
    code = (
        "import socket\n"
        "socket.socket = None\n"
        "from embbert.bases import load_base, shipped_bases\n"
        "bases = [load_base(name) for name in shipped_bases()]\n"
        "print(*(f'{base.name}={len(base.weights())}' for base in bases))"
    )
    base = folders.small_base(shipped / "a-small-one")
    count = len(base.weights())
    try:
        done = python(bare, code)
        said = program("doctor").stdout
    finally:
        shutil.rmtree(base.path)
    assert f"a-small-one={count}" in done.stdout.split(), done.stderr
    assert f"{base.config.parameter_count:,} parameters" in said
    assert "a-small-one" not in program("doctor").stdout


def test_training_says_what_to_install(program, tmp_path):
    done = program("train", "home", "-o", tmp_path / "m")
    assert done.returncode == 2
    assert 'pip install "embbert[train]"' in done.stderr
    assert not (tmp_path / "m").exists()


def test_the_integer_model_works_without_torch(program, tmp_path):
    model = folders.small_folder(tmp_path / "m").path
    done = program("predict", model, "turn the lights on")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\tturn the lights on\n")
    for line in (
        ("quantize", model, "--calibrate", "home"),
        ("export", "c", model, "-o", tmp_path / "c"),
        ("verify", model, "--on", "host"),
    ):
        done = program(*line)
        assert done.returncode == 0, done.stderr
