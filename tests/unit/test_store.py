"""Model folders: round trip, refusals, and saves that are cut short."""

import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import factory
import folders
import joints
from embbert import files
from embbert.card import model_card
from embbert.errors import ModelError, UsageError
from embbert.quant.build import quantize
from embbert.quant.plan_io import plan_to_arrays
from embbert.store import FILES, check_target, load_model, save_model, weight_shapes
from embbert.text.tokenizer import train_tokenizer


def snapshot(path):
    return {item.name: item.read_bytes() for item in sorted(path.iterdir())}


def edit(path, **changes):
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | changes))


@pytest.mark.parametrize(
    ("task", "settings"),
    [("classify", {}), ("classify", {"pair": True, "residual": True}), ("regress", {"pooling": "mean"})],
)
def test_what_was_saved_is_what_is_loaded(tmp_path, task, settings):
    parts = folders.parts(task, **settings)
    save_model(tmp_path / "deep" / "model", **parts)
    folder = load_model(tmp_path / "deep" / "model")
    for name in ("config", "task", "labels", "pair", "metrics"):
        assert getattr(folder, name) == parts[name]
    assert folder.tokenizer.to_json() == parts["tokenizer"].to_json()
    weights, (arrays, description) = folder.weights(), folder.integer()
    assert weights.keys() == parts["weights"].keys()
    assert all(np.array_equal(weights[name], parts["weights"][name]) for name in weights)
    assert arrays.keys() == parts["integer"][0].keys()
    for name, array in parts["integer"][0].items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
    assert description == json.loads(json.dumps(parts["integer"][1]))
    named = {name: parts[name] for name in ("config", "task", "labels", "pair", "metrics")}
    assert (folder.path / "README.md").read_text() == model_card(**named)
    assert {item.name for item in folder.path.iterdir()} == FILES
    assert [item.name for item in (tmp_path / "deep").iterdir()] == ["model"]


def test_saving_twice_gives_the_same_bytes(tmp_path):
    first = folders.small_folder(tmp_path / "a").path
    assert snapshot(first) == snapshot(folders.small_folder(tmp_path / "b").path)


def test_weights_that_lie_scattered_in_memory_are_stored_by_value(tmp_path):
    parts = folders.parts(quantized=False)
    name = "layers.0.query.weight"
    parts["weights"][name] = np.asfortranarray(parts["weights"][name])
    save_model(tmp_path / "m", **parts)
    assert np.array_equal(load_model(tmp_path / "m").weights()[name], parts["weights"][name])


def test_a_folder_that_is_not_quantised_says_how_to(tmp_path):
    folder = folders.small_folder(tmp_path / "m", quantized=False)
    with pytest.raises(ModelError, match="not quantised yet: run  embbert quantize"):
        folder.integer()


# -- places ----------------------------------------------------------------------------------------------


def test_an_existing_model_is_kept_unless_overwriting(tmp_path):
    path = folders.small_folder(tmp_path / "m").path
    before = snapshot(path)
    with pytest.raises(UsageError, match="already holds a model; add --overwrite"):
        save_model(path, **folders.parts("regress"))
    assert snapshot(path) == before
    save_model(path, **folders.parts("regress", quantized=False), overwrite=True)
    assert load_model(path).task == "regress"
    assert "quant.json" not in snapshot(path)
    assert [item.name for item in tmp_path.iterdir()] == ["m"]


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "m").mkdir()
    assert folders.small_folder(tmp_path / "m").task == "classify"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_a_model_is_never_replaced(tmp_path, overwrite):
    file = tmp_path / "file"
    file.write_text("mine")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "thesis.txt").write_text("mine")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"architectures": ["Other"]}')
    model = folders.small_folder(tmp_path / "m").path
    (model / "thesis.txt").write_text("mine")
    for path in (Path(), Path("..")):
        with pytest.raises(UsageError, match="is no name of a folder"):
            check_target(path, overwrite=overwrite)
    for path in (file, notes, foreign, model):
        with pytest.raises(UsageError, match="choose another place"):
            save_model(path, **folders.parts(), overwrite=overwrite)
        with pytest.raises(UsageError, match="choose another place"):
            check_target(path, overwrite=overwrite)
    assert file.read_text() == "mine"
    assert (notes / "thesis.txt").read_text() == (model / "thesis.txt").read_text() == "mine"
    assert foreign.is_dir()


def test_a_mount_point_is_refused_before_it_is_needed(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path / "disk")
    with pytest.raises(UsageError, match=r"disk is where a file system is mounted.*such as .*disk/new$"):
        check_target(tmp_path / "disk", overwrite=False)
    check_target(tmp_path / "disk" / "new", overwrite=False)


def test_a_card_that_somebody_changed_is_not_replaced(tmp_path):
    path = folders.small_folder(tmp_path / "m").path
    check_target(path, overwrite=True)
    card = path / "README.md"
    card.write_bytes(card.read_bytes().replace(b"\n", b"\r\n"))  # as version control does
    check_target(path, overwrite=True)
    card.write_text(card.read_text() + "\nApproved.\n")
    before = snapshot(path)
    load_model(path)
    for _ in range(2):
        with pytest.raises(UsageError, match=r"README\.md is not what embbert wrote, .*move it away first"):
            save_model(path, **folders.parts(), overwrite=True)
        assert snapshot(path) == before
        values = json.loads((path / "config.json").read_text())
        values.pop("sha256", None)  # a folder from before there were any
        (path / "config.json").write_text(json.dumps(values))
        before = snapshot(path)
    card.unlink()
    check_target(path, overwrite=True)


def test_a_place_that_cannot_be_made_is_refused_before_it_is_needed(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("mine")
    for path in (tmp_path / "a.csv" / "m", tmp_path / "a.csv" / "deep" / "m"):
        with pytest.raises(UsageError, match=r"m cannot be made: .*a\.csv is not a folder"):
            check_target(path, overwrite=False)
    for length in (300, 250):  # the second is too long while it is written
        with pytest.raises(UsageError, match="cannot be made: File name too long"):
            check_target(tmp_path / ("m" * length), overwrite=False)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "loop", tmp_path / "loop" / "m"):
        with pytest.raises(UsageError, match="cannot be made: Too many levels"):
            check_target(path, overwrite=False)
    (tmp_path / "root").symlink_to("/")
    with pytest.raises(UsageError, match="root is where a file system is mounted"):
        check_target(tmp_path / "root", overwrite=True)
    check_target(tmp_path / "deep" / "m", overwrite=False)
    model = folders.small_folder(tmp_path / "m").path
    asked = []

    def read_only(path, mode):
        asked.append(path)
        return not mode & os.W_OK

    monkeypatch.setattr(os, "access", read_only)
    for path in (tmp_path / "deep" / "m", model):
        with pytest.raises(UsageError, match=f"m cannot be made: {tmp_path} may not be written to; choose"):
            check_target(path, overwrite=True)
    assert asked == [tmp_path] * 2
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^m cannot be made: "):
        check_target(Path("m"), overwrite=True)


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(UsageError, match="cannot be made: Permission denied"):
        check_target(tmp_path, overwrite=True)


def test_a_former_folder_that_stays_is_told(tmp_path, monkeypatch, capsys):
    """As one that holds files of somebody else."""
    path = tmp_path / "model"
    save_model(path, **folders.parts())
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors: None)
    save_model(path, **folders.parts(), overwrite=True)
    (former,) = tmp_path.glob(".model.old-*")
    assert f"what {path} held before could not be removed: {former}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["what is 2**3 really", "a[b", "**", "?"])
def test_a_name_is_no_pattern(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".others.old-0a1b2c3d").mkdir()
    with pytest.raises(ModelError) as caught:
        load_model(Path(name))
    assert str(caught.value) == f"{name} is not a model folder"
    former = tmp_path / f".{name}.old-0a1b2c3d"
    former.mkdir()
    with pytest.raises(ModelError, match="left the former one at") as caught:
        load_model(Path(name))
    assert str(caught.value).endswith(str(former))


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="mm cannot be read: File name too long"):
        load_model(tmp_path / ("m" * 300))

    def denied(self, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(ModelError, match="m cannot be read: Permission denied"):
        load_model(tmp_path / "m")


def test_a_link_to_a_model_is_followed(tmp_path):
    folders.small_folder(tmp_path / "m")
    (tmp_path / "link").symlink_to(tmp_path / "m")
    save_model(tmp_path / "link", **folders.parts("regress"), overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert load_model(tmp_path / "m").task == "regress"


# -- crashes ---------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing after it runs, except what an exception would run."""


@pytest.mark.parametrize("fatal", range(1, 9))
def test_a_crash_while_writing_loses_nothing_and_leaves_no_half_model(tmp_path, monkeypatch, fatal):
    path = folders.small_folder(tmp_path / "m").path
    before, written = snapshot(path), []
    write = files.write_flushed

    def write_some(target, data):
        written.append(target)
        if len(written) == fatal:
            write(target, data[: len(data) // 2])
            raise PowerCut
        write(target, data)

    monkeypatch.setattr(files, "write_flushed", write_some)
    for target in (path, tmp_path / "new"):
        written.clear()
        with pytest.raises(PowerCut):
            save_model(target, **folders.parts("regress"), overwrite=True)
    assert snapshot(path) == before
    assert not (tmp_path / "new").exists()
    assert [item.name for item in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("fatal", [1, 2])
def test_a_crash_in_a_rename_puts_the_old_model_back(tmp_path, monkeypatch, fatal):
    path = folders.small_folder(tmp_path / "m").path
    before, calls, replace = snapshot(path), [], os.replace

    def replace_some(source, target):
        calls.append(source)
        if len(calls) == fatal:
            raise PowerCut
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_some)
    with pytest.raises(PowerCut):
        save_model(path, **folders.parts("regress"), overwrite=True)
    assert snapshot(path) == before
    assert [item.name for item in tmp_path.iterdir()] == ["m"]


def test_a_machine_that_dies_between_the_renames_leaves_the_old_model_findable(tmp_path, monkeypatch):
    path = folders.small_folder(tmp_path / "m").path
    before, replace = snapshot(path), os.replace

    def replace_once(source, target):
        monkeypatch.setattr(os, "replace", dead)
        replace(source, target)

    def dead(*_):
        raise PowerCut

    monkeypatch.setattr(os, "replace", replace_once)
    monkeypatch.setattr(Path, "rename", dead)
    with pytest.raises(PowerCut):
        save_model(path, **folders.parts("regress"), overwrite=True)
    assert not path.exists()
    with pytest.raises(ModelError, match="an interrupted save left the former one at") as caught:
        load_model(path)
    former = Path(str(caught.value).rsplit(" ", 1)[1])
    assert snapshot(former) == before


def test_a_full_disk_is_reported_and_harmless(tmp_path, monkeypatch):
    path = folders.small_folder(tmp_path / "m").path
    before = snapshot(path)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="m cannot be written: No space left on device"):
        save_model(path, **folders.parts("regress"), overwrite=True)
    assert snapshot(path) == before


def test_parts_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "m"
    for changes, complaint in [
        ({"labels": ("a", "a", "b")}, r"m/labels.json: label 'a' is repeated"),
        ({"labels": ("a",)}, "has 1 labels"),
        ({"labels": ("a", "b")}, r"head.bias has shape \(3,\), the config says \(2,\)"),
        ({"labels": ("a", "b", "\ud800")}, "cannot be stored"),
        ({"labels": ("a", "b", "")}, "cannot be a label"),
        ({"labels": ("a", "b", "ä" * 501)}, "has more than 1,000 bytes"),
        ({"task": "regress"}, "must be empty"),
        ({"tokenizer": folders.small_tokenizer(40)}, "has 40 entries, config.json says 37"),
        ({"metrics": {"loss": float("nan")}}, "cannot be stored as JSON"),
    ]:
        with pytest.raises(ModelError, match=complaint):
            save_model(path, **{**folders.parts(), **changes})
    weights = folders.parts()["weights"]
    weights["head.bias"] = weights["head.bias"] * np.float32("nan")
    with pytest.raises(ModelError, match=r"head\.bias holds values that are not finite"):
        save_model(path, **{**folders.parts(), "weights": weights})
    assert list(tmp_path.iterdir()) == []


# -- damage ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return folders.small_folder(tmp_path_factory.mktemp("sound") / "m").path


@pytest.fixture
def copy(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "m"))


def load_all(path):
    folder = load_model(path)
    folder.weights()
    folder.integer()


@pytest.mark.parametrize("name", sorted(FILES - {"README.md"}))
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_all(copy)


@pytest.mark.parametrize("name", sorted(FILES - {"README.md"}))
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_named(copy, name, keep):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: min(int(len(data) * keep), len(data) - 2)])
    with pytest.raises(ModelError, match=name):
        load_all(copy)


@pytest.mark.parametrize("name", sorted(FILES - {"README.md"}))
def test_a_file_of_something_else_is_named(copy, name):
    for data in (b"\xff\xfe\x00", b"[" * 100_000, b"null", b"PK\x03\x04" + bytes(100)):
        (copy / name).write_bytes(data)
        with pytest.raises(ModelError, match=name):
            load_all(copy)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": 2}, "format 2, this version reads 1: upgrade"),
        ({"format": 0}, "format 0, this version reads 1: it is damaged"),
        ({"format": True}, "format True, this version reads 1: it is damaged"),
        ({"architecture": "bart"}, "of architecture 'bart'; this version knows embbert, bert"),
        ({"architecture": 3}, "not the configuration"),
        ({"task": "rank"}, "task must be 'classify' or 'regress', not 'rank'"),
        ({"task": ["classify"]}, "task must be"),
        ({"pair": 1}, "pair must be true or false"),
        ({"model": []}, "model must be a JSON object"),
        ({"colour": 1}, "unknown setting 'colour'"),
    ],
)
def test_a_wrong_setting_is_named(copy, changes, complaint):
    edit(copy / "config.json", **changes)
    with pytest.raises(ModelError, match=complaint) as caught:
        load_model(copy)
    assert "config.json" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"hidden_size": 0}, "hidden_size must be between"),
        ({"hidden_size": "12"}, "hidden_size must be a whole number"),
        ({"norm_epsilon": "x"}, r"config\.json: norm_epsilon must be in \[0, 1\), not 'x'"),
        ({"norm_epsilon": None}, r"config\.json: norm_epsilon must be in \[0, 1\), not None"),
        ({"depth": 2}, "unknown setting 'depth'"),
    ],
)
def test_a_wrong_shape_is_named(copy, changes, complaint):
    model = json.loads((copy / "config.json").read_text())["model"]
    edit(copy / "config.json", model=model | changes)
    with pytest.raises(ModelError, match=complaint):
        load_model(copy)


def test_a_shape_with_a_hole_is_refused(copy):
    model = json.loads((copy / "config.json").read_text())["model"]
    del model["kernel_size"]
    edit(copy / "config.json", model=model)
    with pytest.raises(ModelError, match="lacks 'kernel_size'"):
        load_model(copy)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": 1}', "list of texts"),
        ("[1, 2, 3]", "list of texts"),
        ('["a"]', "has 1 labels"),
        ('["a", "b", "a"]', "label 'a' is repeated"),
        ('["a", "b", "\\ud800"]', "cannot be a label"),
        ('["a", "b", "c\\u0000"]', "cannot be a label"),
        ('["a", "b", NaN]', "NaN is not a JSON number"),
        ('["a", "b", 1e999]', "1e999 is not a finite number"),
        ('["a", "b", -1E+400]', r"-1E\+400 is not a finite number"),
    ],
)
def test_a_wrong_label_list_is_named(copy, text, complaint):
    (copy / "labels.json").write_text(text)
    with pytest.raises(ModelError, match=complaint) as caught:
        load_model(copy)
    assert "labels.json" in str(caught.value)


def test_repeated_keys_are_refused(copy):
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace('"pair": false', '"pair": false, "pair": true'))
    with pytest.raises(ModelError, match="a key is repeated"):
        load_model(copy)


def test_a_huge_json_file_is_not_read(copy, monkeypatch):
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 100)
    with pytest.raises(ModelError, match=r"config\.json has .* too large"):
        load_model(copy)


def rewrite(path, **changes):
    """Change entries of a safetensors header and leave the data alone."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    for name, entry in changes.items():
        value = header.pop(name)
        if entry is not None:
            header[entry.pop("name", name)] = value | entry
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"head.bias": {"name": "head.bios"}}, "lacks tensor head.bias"),
        ({"head.weight": {"shape": [12, 3]}}, r"head.weight has shape \(12, 3\), the config says \(3, 12\)"),
        ({"head.weight": {"shape": [3, 13]}}, "damaged"),
        ({"head.bias": {"dtype": "I32"}}, "head.bias is I32, not F32"),
        ({"head.bias": None}, "damaged|lacks"),
        ({"head.bias": {"data_offsets": [0, 1 << 60]}}, "damaged"),
    ],
)
def test_a_wrong_tensor_header_is_refused(copy, changes, complaint):
    rewrite(copy / "model.safetensors", **changes)
    with pytest.raises(ModelError, match=complaint) as caught:
        load_model(copy).weights()
    assert "model.safetensors" in str(caught.value)


def test_an_unexpected_tensor_is_refused(copy):
    edit(
        copy / "config.json",
        model=json.loads((copy / "config.json").read_text())["model"] | {"num_layers": 1},
    )
    with pytest.raises(ModelError, match=r"unexpected tensor 'layers\.1"):
        load_model(copy).weights()


def test_floats_have_no_place_in_the_integer_model(copy):
    shutil.copy(copy / "model.safetensors", copy / "model.int8.safetensors")
    with pytest.raises(ModelError, match="is F32, not I16 or I32 or I8"):
        load_model(copy).integer()


def read_all(path):
    folder = load_model(path)
    folder.weights()
    folder.integer()


def replaceable(path):
    """Whether a file of the folder could be another sound one, by every other check."""
    settings = json.loads((path / "config.json").read_text())
    del settings["sha256"]
    (path / "config.json").write_text(json.dumps(settings))
    read_all(path)


@pytest.mark.parametrize(
    "name", ["tokenizer.json", "model.safetensors", "model.int8.safetensors", "quant.json"]
)
def test_a_sound_file_of_another_model_is_refused(copy, tmp_path, name):
    parts = folders.parts()
    weights = {key: value * 1.5 for key, value in parts["weights"].items()}
    texts = [[2, 5, 6], [2, 7]]
    plan = quantize(parts["config"], weights, 3, texts)
    tokenizer = train_tokenizer(("another", "text with other words"), parts["config"].vocab_size)
    changes = {"weights": weights, "integer": plan_to_arrays(plan), "tokenizer": tokenizer}
    other = tmp_path / "other"
    save_model(other, **{**parts, **changes})
    read_all(copy)
    shutil.copy(other / name, copy / name)
    with pytest.raises(ModelError, match="damaged or another model's: its SHA-256") as caught:
        read_all(copy)
    assert str(caught.value).startswith(str(copy / name))
    replaceable(copy)


@examples(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_refused(copy, data):
    sums = json.loads((copy / "config.json").read_text())["sha256"].keys() - {"README.md"}
    name = data.draw(st.sampled_from(sorted(sums)))
    path = copy / name
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    changed = bytearray(before)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(changed)
    try:
        with pytest.raises(ModelError, match=name.replace(".", r"\.")):
            read_all(copy)
    finally:
        path.write_bytes(before)


def test_line_ends_may_change_and_folders_without_sums_are_read(copy):
    for name in ("tokenizer.json", "quant.json"):
        (copy / name).write_bytes((copy / name).read_bytes().replace(b"\n", b"\r\n"))
    read_all(copy)
    replaceable(copy)


@pytest.mark.parametrize("sums", [[], {"tokenizer.json": 3}, None])
def test_sums_that_are_none_are_refused(copy, sums):
    edit(copy / "config.json", sha256=sums)
    with pytest.raises(ModelError, match=r"config\.json: sha256 must hold texts by names of files"):
        load_model(copy)


def test_a_file_without_a_sum_is_refused_where_others_have_one(copy):
    sums = json.loads((copy / "config.json").read_text())["sha256"]
    del sums["quant.json"]
    edit(copy / "config.json", sha256=sums)
    with pytest.raises(ModelError, match=r"quant\.json is damaged or another model's"):
        load_model(copy).integer()


def test_loading_runs_no_code_from_the_folder(copy, tmp_path):
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n"
    for name in ("model.py", "configuration_embbert.py", "__init__.py", "conftest.py"):
        (copy / name).write_text(trap)
    load_all(copy)
    assert not (tmp_path / "sprung").exists()


def test_shapes_of_the_default_model_add_up():
    config = folders.parts(quantized=False)["config"]
    shapes = weight_shapes(config, 3)
    assert shapes["layers.1.conv.weight"] == (config.conv_size, 1, config.kernel_size)
    assert "final_norm.weight" not in shapes


# -- n-grams beside tokens -------------------------------------------------------------------------------


def test_a_model_with_ngrams_is_saved_and_loaded(tmp_path):
    parts = joints.parts()
    save_model(tmp_path / "m", **parts)
    again = load_model(tmp_path / "m")
    assert again.config == parts["config"]
    assert again.tokenizer.to_json() == parts["tokenizer"].to_json()
    found = again.weights()
    assert found.keys() == parts["weights"].keys()
    assert found["ngrams.weight"].tolist() == parts["weights"]["ngrams.weight"].tolist()
    assert again.integer()[1]["ngrams"] == parts["config"].ngrams
    settings = json.loads((tmp_path / "m" / "config.json").read_text())
    assert settings["model"]["max_ngrams"] == joints.MAX_NGRAMS


def test_a_model_without_ngrams_says_nothing_of_them(tmp_path):
    path = folders.small_folder(tmp_path / "m").path
    settings = json.loads((path / "config.json").read_text())
    assert not {"ngrams", "max_ngrams"} & settings["model"].keys()
    # Both or neither: what is half told is not guessed.
    settings["model"]["ngrams"] = 0
    (path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=r"config\.json lacks 'max_ngrams'"):
        load_model(path)
    settings["model"]["max_ngrams"] = 0
    (path / "config.json").write_text(json.dumps(settings))
    assert load_model(path).config == factory.small_config()


def test_parts_of_a_model_with_ngrams_must_fit(tmp_path):
    parts = joints.parts()
    other = joints.tokenizer(max_ngrams=13)
    weights = {name: value for name, value in parts["weights"].items() if name != "ngrams.weight"}
    for changes, complaint in [
        ({"tokenizer": parts["tokenizer"].tokens}, "not tokens and n-grams of embbert"),
        ({"tokenizer": parts["tokenizer"].ngrams}, "not tokens and n-grams of embbert"),
        ({"tokenizer": other}, "has 13 n-grams of a text at most, config.json says 12"),
        ({"config": factory.small_config()}, "not a tokenizer of embbert"),
        ({"weights": weights}, r"ngrams\.weight"),
    ]:
        with pytest.raises(ModelError, match=complaint):
            save_model(tmp_path / "m", **{**parts, **changes})
    assert list(tmp_path.iterdir()) == []
