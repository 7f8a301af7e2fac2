"""The exported folder: complete, reproducible, and never in the way of the user's files."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import architectures
import embbert
import folders
from embbert import footprint
from embbert.emit.c99 import OPERATOR_FILES, check_prefix, contents, export_c, runtime_files
from embbert.emit.render import c_string, shortened, stack_bytes
from embbert.errors import UsageError
from embbert.quant.plan_io import load_plan
from embbert.quant.spec import Op


@pytest.fixture
def model(tmp_path):
    folder = folders.small_folder(tmp_path / "model")
    return folder, load_plan(folder)


def snapshot(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


SCRIPT = """
import sys
from pathlib import Path
from embbert.emit.c99 import export_c
from embbert.quant.plan_io import load_plan
from embbert.store import load_model
folder = load_model(Path(sys.argv[1]))
export_c(folder, load_plan(folder), Path(sys.argv[2]), prefix="net")
"""


def test_same_model_same_bytes(model, tmp_path):
    folder, plan = model
    export_c(folder, plan, tmp_path / "here", prefix="net")
    for seed in ("1", "777"):
        target = tmp_path / f"elsewhere{seed}" / "deep"
        source = str(Path(embbert.__file__).parents[1])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": source, "TZ": f"UTC+{seed[0]}"}
        command = [sys.executable, "-c", SCRIPT, str(folder.path), str(target)]
        subprocess.run(command, check=True, env=environment, cwd="/")
        assert snapshot(target) == snapshot(tmp_path / "here")


def test_files_hold_no_paths_and_only_ascii_c(model, tmp_path):
    folder, plan = model
    export_c(folder, plan, tmp_path / "out")
    for name, data in snapshot(tmp_path / "out").items():
        assert str(tmp_path).encode() not in data
        if name.endswith((".c", ".h")):
            data.decode("ascii")
            assert data.endswith(b"\n")


def test_report_is_the_account_of_the_export(model, tmp_path):
    folder, plan = model
    returned = export_c(folder, plan, tmp_path / "out", prefix="door")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report == returned
    stated = footprint.deployed(folder.config, 3)
    assert (
        report["bytes"]["constants"] == stated.constant_bytes == sum(c["bytes"] for c in report["constants"])
    )
    assert report["bytes"]["arena"] == stated.arena_bytes == sum(r["bytes"] for r in report["arena"])
    header = (tmp_path / "out" / "door.h").read_text()
    assert f"#define DOOR_ARENA_BYTES {stated.arena_bytes}u" in header
    for name, digest in report["files"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    assert set(report["files"]) | {"report.json"} == set(snapshot(tmp_path / "out"))
    sources = (tmp_path / "out" / "CMakeLists.txt").read_text()
    assert all(name in sources for name in report["files"] if name.endswith(".c"))


def test_fewer_tokens_cut_table_and_arena(model):
    folder, plan = model
    full = contents(folder, plan, "model")[1]
    short = contents(folder, shortened(plan, 8), "model")[1]
    rank = folder.config.embedding_size
    assert full["bytes"]["constants"] - short["bytes"]["constants"] == (plan.max_length - 8) * rank
    assert short["bytes"]["arena"] == footprint.deployed(folder.config, 3, 8).arena_bytes
    assert short["model_sha256"] != full["model_sha256"]


@pytest.mark.parametrize("length", [0, 3, 25, -1])
def test_lengths_out_of_range_are_refused(model, tmp_path, length):
    with pytest.raises(UsageError, match="max_length must be between 4 and the model's 24"):
        export_c(*model, tmp_path / "out", max_length=length)
    assert not (tmp_path / "out").exists()


def test_an_earlier_export_is_replaced_only_when_asked(model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export_c(*model, out)
    before = snapshot(out)
    with pytest.raises(UsageError, match="add --overwrite"):
        export_c(*model, out, prefix="other")
    assert snapshot(out) == before
    export_c(*model, out, prefix="other", overwrite=True)
    assert "other.h" in snapshot(out)
    assert "model.h" not in snapshot(out)


def test_files_that_were_changed_since_are_not_replaced(model, tmp_path):
    out = tmp_path / "c"
    export_c(*model, out, target="arduino")
    sketch = out / "examples" / "Classify" / "Classify.ino"
    made = sketch.read_bytes()
    sketch.write_bytes(made.replace(b"\n", b"\r\n"))  # as version control does
    export_c(*model, out, target="arduino", overwrite=True)
    sketch.write_bytes(made + b"// mine\n")
    with pytest.raises(UsageError, match=r"Classify\.ino was changed after the export"):
        export_c(*model, out, overwrite=True)
    assert sketch.read_bytes() == made + b"// mine\n"
    sketch.unlink()
    export_c(*model, out, overwrite=True)


def test_what_comes_into_the_folder_meanwhile_is_not_lost(model, tmp_path, monkeypatch):
    out = tmp_path / "c"
    export_c(*model, out)

    def slow(*arguments, **settings):
        (out / "notes.txt").write_text("mine")
        return contents(*arguments, **settings)

    monkeypatch.setattr("embbert.emit.c99.contents", slow)
    with pytest.raises(UsageError, match=r"also holds notes\.txt"):
        export_c(*model, out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"


def test_an_earlier_export_that_cannot_be_read_is_left_alone(model, tmp_path, monkeypatch):
    out = tmp_path / "c"
    export_c(*model, out)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(UsageError, match=r"c/.* cannot be read: Permission denied; choose another place"):
        export_c(*model, out, overwrite=True)


@pytest.mark.parametrize("place", [".", "..", "deep/.."])
def test_the_folder_that_one_stands_in_is_not_replaced(model, tmp_path, monkeypatch, place):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(UsageError, match="is no name of a folder"):
        export_c(*model, Path(place))
    assert here.samefile(".")


def test_foreign_folders_and_files_are_left_alone(model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not an earlier export"):
        export_c(*model, out, overwrite=True)
    (out / "report.json").write_text('{"embbert_export": 1, "files": {"a": 1}}')
    with pytest.raises(UsageError, match=r"thesis\.txt, which no export wrote"):
        export_c(*model, out, overwrite=True)
    for text in ('{"embbert_export": 1, "files": 3}', "[" * 100_000):
        (out / "report.json").write_text(text)
        with pytest.raises(UsageError, match="not an earlier export"):
            export_c(*model, out, overwrite=True)
    with pytest.raises(UsageError, match="not an earlier export"):
        export_c(*model, out / "thesis.txt", overwrite=True)
    assert (out / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "9a",
        "a-b",
        "a b",
        "int",
        "run",
        "op_head",
        "get_head",
        "check_x",
        "run_",
        "embbert_x",
        "Embbert",
        "EMBBERT_ops",
        "ä",
        "a" * 33,
        "a\n",
    ],
)
def test_what_cannot_begin_a_c_name_is_refused(prefix):
    with pytest.raises(UsageError, match="cannot begin C names"):
        check_prefix(prefix)


@pytest.mark.parametrize(
    ("prefix", "whose"),
    [
        ("all", "CMake"),
        ("Help", "CMake"),
        ("Arduino", "framework"),
        ("aux", "Windows"),
        ("m", "library"),
        ("general", "keyword"),
        ("PUBLIC", "keyword"),
        ("sem", "POSIX"),
    ],
)
def test_words_that_others_have_are_refused(prefix, whose):
    with pytest.raises(UsageError, match=f"the prefix '{prefix}' cannot be used: .*{whose}"):
        check_prefix(prefix)


@pytest.mark.parametrize("prefix", ["stdio", "String", "time", "features", "error"])
def test_a_header_of_the_system_is_not_shadowed(prefix):
    with pytest.raises(
        UsageError, match=rf"would put a {prefix}\.h before the system's <{prefix.lower()}\.h>"
    ):
        check_prefix(prefix)


@pytest.mark.parametrize("prefix", ["model", "Door_2", "x", "opera", "runner_x", "gets"])
def test_identifiers_are_accepted(prefix):
    check_prefix(prefix)


def test_strings_survive_the_c_compiler(tmp_path):
    text = 'quote " back\\slash trigraph ??/ tab\t null\0 é 漢 🙂 \x7f123'
    source = tmp_path / "a.c"
    source.write_text(
        "#include <stdio.h>\nstatic const char s[] = "
        + c_string(text)
        + ";\nint main(void) { return fwrite(s, 1, sizeof s - 1, stdout) == 0; }\n"
    )
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", source, "-o", tmp_path / "a"], check=True)
    done = subprocess.run([tmp_path / "a"], capture_output=True, check=True)
    assert done.stdout == text.encode()


def test_strings_stay_readable():
    printable = "".join(map(chr, range(32, 127)))
    assert c_string(printable) == '"' + re.sub(r'(["\\?])', r"\\\1", printable) + '"'
    assert c_string("\x1f\x7f") == r'"\037\177"'


def test_runtime_files_are_shipped_whole():
    names = set(runtime_files())
    assert {"embbert.h", "embbert_ops.h", "embbert_linear.c", "embbert_tokenizer.c"} <= names
    assert not any("tokenizer" in name for name in runtime_files(tokenizer=False))


COMMON = {"embbert.h", "embbert_ops.h", "embbert_math.h", "embbert_kernels.h", "embbert_scaling.h"}
FORMS = {"dsp", "mve", "scalar", "vector"}
EMBBERT = {"attend", "conv", "embed", "linear", "norm", "pool"}
FILES = {
    "bert": {"attend", "elementwise", "embed_wide", "layer_norm", "linear", "pool"},
    "embedder with a convolution": {"conv", "elementwise", "embed", "linear", "pool", "pool_rms"},
    "embedder alone, wide": {"elementwise", "embed_wide", "linear", "pool", "pool_rms"},
    "efficient": {"attend", "elementwise", "embed", "linear", "norm", "pool"},
}


def sources(names):
    return {name[len("embbert_") : -2] for name in names if name.endswith(".c")}


def test_embbert_comes_with_its_own_operators_only(model):
    names = set(runtime_files(model[1]))
    assert sources(names) == EMBBERT | FORMS | {"status", "tokenizer"}
    assert names >= COMMON
    assert set(runtime_files(model[1], blob=True)) - names == {"embbert_blob.c", "embbert_blob.h"}


@pytest.mark.parametrize("name", FILES)
def test_every_architecture_comes_with_its_own_operators_only(name):
    names = set(runtime_files(architectures.PLANS[name](), tokenizer=False))
    assert sources(names) == FILES[name] | FORMS | {"status"}
    assert names >= COMMON
    more = set(runtime_files(architectures.PLANS[name](), tokenizer=False, blob=True)) - names
    assert more == {"embbert_blob.c", "embbert_blob.h", "embbert_blob_more.c"}


def test_a_file_of_weights_takes_stack_for_the_structures_of_a_stage(model):
    many = architectures.bert(size=40, heads=5)
    assert max(len(stage.ops) for stage in many.stages) == 23
    stated = [stack_bytes(plan, weights) for plan in (model[1], many) for weights in ("constants", "blob")]
    assert stated == [footprint.STACK_BYTES + more for more in (0, 256, 0, 23 * 32)]


def test_many_heads_take_stack():
    wide = architectures.bert(size=50, heads=25)
    most = max(len(stage.ops) for stage in wide.stages)
    assert stack_bytes(wide, "constants") == footprint.STACK_BYTES + 16 * (most - 70) > footprint.STACK_BYTES


def test_every_operator_has_files_that_exist():
    assert set(OPERATOR_FILES) == set(get_args(Op))
    assert {name for names in OPERATOR_FILES.values() for name in names} <= set(runtime_files(blob=True))


def test_weights_can_lie_in_a_file(model, tmp_path):
    folder, plan = model
    plain = export_c(folder, plan, tmp_path / "plain")
    report = export_c(folder, plan, tmp_path / "out", weights="blob")
    files = snapshot(tmp_path / "out")
    data = files["model_weights.bin"]
    assert report["weights"] == "blob"
    assert plain["weights"] == "constants"
    assert (report["bytes"]["constants"], report["bytes"]["blob"]) == (0, len(data))
    assert plain["bytes"]["constants"] < len(data) < plain["bytes"]["constants"] + 700
    assert f"#define MODEL_BLOB_BYTES {len(data)}u" in files["model.h"].decode()
    assert {"model_weights.c", "model_weights.h"}.isdisjoint(files)
    assert set(files) - set(snapshot(tmp_path / "plain")) == {
        "model_weights.bin",
        "embbert_blob.c",
        "embbert_blob.h",
    }
    assert report["model_sha256"] == plain["model_sha256"]
    assert hashlib.sha256(data).hexdigest() == report["files"]["model_weights.bin"]
    export_c(folder, plan, tmp_path / "out", overwrite=True)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "plain")


def test_the_self_test_is_left_out_when_not_wanted(model, tmp_path):
    report = export_c(*model, tmp_path / "out", self_test=False)
    files = snapshot(tmp_path / "out")
    assert "model_self_test.c" not in files
    assert b"self_test" not in files["model.h"] + files["README.md"] + files["CMakeLists.txt"]
    assert report["bytes"]["code_margin"] < export_c(*model, tmp_path / "with")["bytes"]["code_margin"]


def test_a_charset_makes_the_tables_smaller(model, tmp_path):
    plain = export_c(*model, tmp_path / "plain")
    latin = export_c(*model, tmp_path / "latin", charset="latin")
    assert (plain["charset"], latin["charset"]) == ("unicode", "latin")
    assert latin["bytes"]["tokenizer"] <= plain["bytes"]["tokenizer"]
    assert "charset latin" in (tmp_path / "latin" / "model_tokenizer.c").read_text()
    assert "charset `latin`" in (tmp_path / "latin" / "README.md").read_text()


@pytest.mark.parametrize("choice", [{"weights": "floppy"}, {"charset": "klingon"}])
def test_unknown_choices_name_what_exists(model, tmp_path, choice):
    with pytest.raises(UsageError, match="there are: "):
        export_c(*model, tmp_path / "out", **choice)
    assert not (tmp_path / "out").exists()


def test_the_readme_names_every_label(model):
    labels = ('say "hi"', "café?", "a`b")
    files, _ = contents(dataclasses.replace(model[0], labels=labels), model[1], "model")
    text = files["README.md"].decode()
    assert [line for line in text.splitlines() if line[:3] in ("0. ", "1. ", "2. ")] == [
        '0. `say "hi"`',
        "1. `café?`",
        "2. `a'b`",
    ]
