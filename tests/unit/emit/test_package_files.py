"""What comes with a package: what the makers of its formats require, and that every path in it exists."""

import configparser
import csv
import fnmatch
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from embbert.emit import packages
from embbert.emit.packages import KIB
from embbert.footprint import STACK_BYTES
from packaged import EXAMPLES, STUBS, files, package


def test_library_properties(models, tmp_path):
    package(models, tmp_path, "arduino", prefix="Door_2", overwrite=True)
    lines = (tmp_path / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    assert len(fields) == len(lines)
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url"}
    assert set(fields) == required | {"architectures", "includes", "dot_a_linkage"}
    assert all(value == value.strip() != "" for value in fields.values())
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]*", fields["name"])
    assert not fields["name"].lower().startswith("arduino")
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", fields["version"])
    assert fields["category"] == "Data Processing"
    assert fields["architectures"] == "*"
    assert fields["dot_a_linkage"] == "true"
    assert (tmp_path / "src" / fields["includes"]).is_file()
    assert fields["url"].startswith("https://")
    sketch = tmp_path / EXAMPLES["arduino"]
    assert sketch.stem == sketch.parent.name


def test_keywords_are_those_of_the_header(models, tmp_path):
    package(models, tmp_path / "out", "arduino", prefix="door")
    words = {}
    for line in (tmp_path / "out" / "keywords.txt").read_text().splitlines():
        if not line.startswith("#"):
            word, kind = line.split("\t")
            words[word] = kind
    assert words["door_classify"] == words["door_label"] == words["door_self_test"] == "KEYWORD2"
    assert words["DOOR_ARENA_BYTES"] == "LITERAL1"
    assert words["embbert_status"] == "KEYWORD1"
    header = (tmp_path / "out" / "src" / "door.h").read_text()
    assert all(word in header for word in words)
    assert "DOOR_H" not in words


def test_library_json(models, tmp_path):
    out = tmp_path / "out"
    package(models, out, "platformio", prefix="Door_2")
    fields = json.loads((out / "library.json").read_text())
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"])
    assert len(fields["name"]) <= 50
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert 0 < len(fields["description"]) <= 255
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", word) for word in fields["keywords"])
    assert (out / fields["build"]["includeDir"] / fields["headers"]).is_file()
    assert (out / fields["build"]["srcDir"] / "Door_2.c").is_file()
    for example in fields["examples"]:
        for name in example["files"]:
            assert (out / example["base"] / name).is_file()
    project = configparser.ConfigParser()
    project.read(out / "examples/classify/platformio.ini")
    assert f"env:{project['platformio']['default_envs']}" in project
    boards = [section for section in project if section.startswith("env:")]
    assert all({"platform", "board"} <= set(project[section]) for section in boards)
    link = project["env"]["lib_deps"].removeprefix("symlink://")
    assert (out / "examples/classify" / link / "library.json").is_file()


def test_module_yml_and_sample_yaml(models, tmp_path):
    yaml = pytest.importorskip("yaml")
    out = tmp_path / "out"
    report = package(models, out, "zephyr", prefix="door")
    module = yaml.safe_load((out / "zephyr/module.yml").read_text())
    assert set(module) == {"name", "build", "samples"}
    assert module["name"] == "embbert_door"
    assert set(module["build"]) == {"cmake", "kconfig"}
    assert (out / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (out / module["build"]["kconfig"]).is_file()
    assert all((out / folder).is_dir() for folder in module["samples"])
    sample = yaml.safe_load((out / "samples/classify/sample.yaml").read_text())
    assert set(sample) == {"sample", "tests"}
    assert {type(value) for value in sample["sample"].values()} == {str}
    ((name, test),) = sample["tests"].items()
    assert re.fullmatch(r"[a-zA-Z0-9_.]+", name)
    assert set(test) == {"tags", "min_flash", "min_ram", "integration_platforms", "harness", "harness_config"}
    size = report["bytes"]
    assert test["min_flash"] * KIB > size["constants"] + size["tokenizer"] + size["code_margin"]
    assert test["min_ram"] * KIB > size["arena"] + size["stack"]
    assert test["harness_config"]["type"] == "one_line"
    assert re.match(test["harness_config"]["regex"][0], "ready: a line in, a label out")


def test_kconfig_and_prj_conf(models, tmp_path):
    package(models, tmp_path / "out", "zephyr", prefix="door")
    kconfig = (tmp_path / "out/zephyr/Kconfig").read_text()
    (symbol,) = re.findall(r"^config (\w+)$", kconfig, re.MULTILINE)
    assert re.search(r"^\tbool \".+\"$", kconfig, re.MULTILINE)
    lines = (tmp_path / "out/samples/classify/prj.conf").read_text().splitlines()
    settings = dict(line.split("=") for line in lines if not line.startswith("#"))
    assert settings[f"CONFIG_{symbol}"] == "y"
    assert int(settings["CONFIG_MAIN_STACK_SIZE"]) >= STACK_BYTES + 2048
    waiting = int(settings["CONFIG_CONSOLE_GETCHAR_BUFSIZE"])
    assert waiting & (waiting - 1) == 0


def test_idf_component_yml_and_sdkconfig(models, tmp_path):
    yaml = pytest.importorskip("yaml")
    package(models, tmp_path / "out", "esp-idf")
    manifest = yaml.safe_load((tmp_path / "out/idf_component.yml").read_text())
    assert set(manifest) == {"version", "description", "dependencies"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["dependencies"] == {"idf": {"version": ">=5.0"}}
    project = tmp_path / "out/examples/classify"
    lines = (project / "sdkconfig.defaults").read_text().splitlines()
    settings = dict(line.split("=") for line in lines if not line.startswith("#"))
    assert int(settings["CONFIG_ESP_MAIN_TASK_STACK_SIZE"]) >= STACK_BYTES + 4096
    assert (project / settings["CONFIG_PARTITION_TABLE_CUSTOM_FILENAME"].strip('"')).is_file()


@pytest.mark.parametrize("weights", ["constants", "blob"])
def test_partitions_hold_program_and_weights(models, tmp_path, weights):
    report = package(models, tmp_path / "out", "esp-idf", weights=weights)
    project = tmp_path / "out/examples/classify"
    rows = [
        row
        for row in csv.reader((project / "partitions.csv").read_text().splitlines())
        if not row[0].startswith("#")
    ]
    table = {row[0]: [cell.strip() for cell in row[1:]] for row in rows}
    assert all(len(row) == 5 and len(row[0]) <= 15 for row in rows)
    place = 0x9000  # after boot loader and table
    for name, (_, _, offset, size) in table.items():
        place = int(offset, 16) if offset else place
        assert place % (0x10000 if name in {"factory", "weights"} else 0x1000) == 0
        place += int(size, 16)
    assert ("weights" in table) == (weights == "blob")
    if weights == "blob":
        assert int(table["weights"][3], 16) >= report["bytes"]["blob"]
        assert table["weights"][:2] == ["0x40", "0x00"]
    settings = (project / "sdkconfig.defaults").read_text()
    assert place <= int(re.search(r"FLASHSIZE_(\d+)MB=y", settings)[1]) * KIB * KIB


def test_partitions_grow_with_the_program_and_the_weights():
    page, mib = 64 * KIB, KIB * KIB
    most = mib - packages.ESP_SYSTEM  # of a program in the smallest partition
    for program, weights, app, data, flash_mb in (
        (0, 0, mib, 0, 2),
        (most, 15 * page, mib, 15 * page, 2),  # full to the last byte: 64 KiB, 1 MiB and these
        (most + 1, 0, mib + page, 0, 2),
        (most, 15 * page + 1, mib, 16 * page, 4),
        (most + page + 1, 3 * mib, mib + 2 * page, 3 * mib, 8),
    ):
        found = packages._esp_flash(program, weights)
        assert found == {"app": app, "weights": data, "flash_mb": flash_mb}


@pytest.mark.parametrize("target", EXAMPLES)
def test_the_trees_in_the_documentation_are_those_that_are_written(models, tmp_path, target):
    package(models, tmp_path / "out", target)
    text = (Path(__file__).parents[3] / "docs" / "packages.md").read_text()
    patterns = re.search(rf"^```tree {target}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[1].split()
    written = set(files(tmp_path / "out"))
    assert all(fnmatch.filter(written, pattern) for pattern in patterns)
    assert {name for pattern in patterns for name in fnmatch.filter(written, pattern)} == written


# What CMake makes of the build files.


def configured(source, tmp_path, *flags, **environment):
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    log = tmp_path / "log"
    command = ["cmake", "-S", source, "-B", tmp_path / "build", *flags]
    environment |= {"STUB_LOG": str(log)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    named = {}
    for line in log.read_text().splitlines():
        kind, name = line.split(" ", 1)
        named.setdefault(kind, []).append(name if kind == "library" else Path(name).resolve())
    return named


@pytest.mark.parametrize("weights", ["constants", "blob"])
def test_the_zephyr_module_names_what_is_there(models, tmp_path, weights):
    out, other = tmp_path / "out", tmp_path / "other"
    package(models, out, "zephyr", weights=weights)
    package(models, other, "zephyr", prefix="other")
    sample = out / "samples/classify"
    with (sample / "prj.conf").open("a") as settings:
        settings.write("CONFIG_EMBBERT_OTHER=y\n")
    stub = STUBS / "zephyr"
    named = configured(
        sample, tmp_path, f"-DZephyr_DIR={stub}", f"-DSTUB_MODULES={other}", ZEPHYR_BASE=str(stub)
    )
    own = sorted((out / "src").glob("*.c"))
    assert sorted(path for path in named["source"] if path.parent == out / "src") == own
    # What both models share is compiled once.
    names = [path.name for path in named["source"]]
    assert len(names) == len(set(names))
    assert {"other.c", "model.c", "embbert_linear.c"} <= set(names)
    assert named["library"].count("runtime_embbert_linear") == 1
    assert named["include"] == [out / "include", other / "include"]
    assert named["sample"] == [out / EXAMPLES["zephyr"]]
    assert named.get("binary") == ([sample / "model_weights.bin"] if weights == "blob" else None)
    assert all(path.exists() for kind in ("source", "include") for path in named[kind])


@pytest.mark.parametrize("weights", ["constants", "blob"])
def test_the_esp_idf_component_names_what_is_there(models, tmp_path, weights):
    out = tmp_path / "out"
    package(models, out, "esp-idf", weights=weights)
    named = configured(out / "examples/classify", tmp_path, IDF_PATH=str(STUBS / "esp-idf"))
    assert sorted(named["source"]) == sorted([*(out / "src").glob("*.c"), out / EXAMPLES["esp-idf"]])
    assert out / "include" in named["include"]
    weights_file = out / "examples/classify/model_weights.bin"
    assert named.get("binary") == ([weights_file] if weights == "blob" else None)
    assert weights_file.exists() == (weights == "blob")
