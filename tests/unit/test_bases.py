"""Base folders: round trip, refusals, saves that are cut short, and those that come with the package."""

import hashlib
import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import embbert
import factory
import folders
from embbert import bases, files
from embbert.bases import (
    FILES,
    base_shape,
    check_base_target,
    default_base,
    head_shapes,
    load_base,
    save_base,
    shipped_bases,
    sound_shape,
)
from embbert.errors import ModelError, UsageError
from embbert.shape import backbone_shapes

PNG = b"\x89PNG\r\n\x1a\n"
CHECKED = sorted(FILES - {"README.md", "curve.png"})


def snapshot(path):
    return {item.name: item.read_bytes() for item in sorted(path.iterdir())}


def edit(path, **changes):
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | changes))


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "settings",
    [{}, {"tied": False}, {"residual": True, "causal_conv": False, "pooling": "mean", "expansion": 2}],
)
@pytest.mark.parametrize("pairs", [False, True])
def test_what_was_saved_is_what_is_loaded(tmp_path, settings, pairs):
    parts = folders.base_parts(**settings)
    save_base(tmp_path / "deep" / "base", **parts, pairs=pairs, files={"curve.png": PNG})
    base = load_base(str(tmp_path / "deep" / "base"))
    assert (base.config, base.metrics, base.pairs) == (parts["config"], parts["metrics"], pairs)
    assert base.tokenizer.to_json() == parts["tokenizer"].to_json()
    assert equal(base.weights(), parts["weights"])
    assert base.tied == (parts["head"] is not None)
    assert base.mlm_head() is None if parts["head"] is None else equal(base.mlm_head(), parts["head"])
    assert (base.path / "README.md").read_text() == parts["card"]
    assert {item.name for item in base.path.iterdir()} == FILES
    assert [item.name for item in (tmp_path / "deep").iterdir()] == ["base"]
    shape = base_shape(str(base.path))
    assert (shape.config, shape.tied, shape.pairs) == (base.config, base.tied, pairs)


def test_the_layout_of_the_folder_is_as_documented(tmp_path):
    base = folders.small_base(tmp_path / "b")
    settings = json.loads((base.path / "base.json").read_text())
    assert settings.keys() == {"format", "architecture", "model", "tied", "pairs", "sha256"}
    assert settings["sha256"].keys() == {"tokenizer.json", "model.safetensors", "README.md"}
    assert (settings["format"], settings["architecture"]) == (1, "embbert")
    config = base.config
    assert {name: value.shape for name, value in base.weights().items()} == backbone_shapes(config)
    assert not any(name.startswith("head.") for name in base.weights())
    assert head_shapes(config) == {
        "mlm.narrow.weight": (config.embedding_size, config.hidden_size),
        "mlm.narrow.bias": (config.embedding_size,),
        "mlm.bias": (config.vocab_size,),
    }


def test_saving_twice_gives_the_same_bytes(tmp_path):
    first, second = folders.small_base(tmp_path / "a"), folders.small_base(tmp_path / "b")
    assert snapshot(first.path) == snapshot(second.path)
    assert first.fingerprint() == second.fingerprint()


def test_name_and_fingerprint_are_those_of_folder_and_weights(tmp_path, monkeypatch):
    base = folders.small_base(tmp_path / "mine")
    data = (base.path / "model.safetensors").read_bytes()
    assert base.fingerprint() == hashlib.sha256(data).hexdigest()
    assert base.fingerprint() != folders.small_base(tmp_path / "other", seed=1).fingerprint()
    monkeypatch.chdir(base.path)
    assert load_base(".").name == base.name == "mine"
    (base.path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        base.fingerprint()


# -- shapes of models that start from it -------------------------------------------------------------------


def test_length_and_pooling_are_free_and_the_rest_is_not(tmp_path):
    base = folders.small_base(tmp_path / "b", residual=True, pooling="mean")
    assert base.fitted() == base.config
    shape = base.fitted(max_length=8, pooling="cls")
    assert (shape.max_length, shape.pooling, shape.residual) == (8, "cls", True)
    assert base.fitted(max_length=24).max_length == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_length": 25}, r"(?s)the base b reads at most 24 tokens, not 25.*--max-length 24.*--base none"),
        ({"max_length": 3}, "max_length must be between 4"),
        ({"pooling": "max"}, "pooling must be 'cls' or 'mean'"),
    ],
)
def test_a_model_that_the_base_cannot_start_is_refused(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        folders.small_base(tmp_path / "b").fitted(**changes)


# -- names -------------------------------------------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    folder = tmp_path / "package"
    folders.small_base(folder / "embbert-base")
    folders.small_base(folder / "embbert-paper", tied=False)
    folders.ship(folder, monkeypatch)
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_shipped_ones_are_what_is_there(shipped):
    (shipped / "notes.txt").write_text("not a base")
    (shipped / "empty").mkdir()
    shutil.copytree(shipped / "embbert-base", shipped / ".embbert-base.old-00aa")
    assert shipped_bases() == ("embbert-base", "embbert-paper")
    assert default_base() == "embbert-base"
    assert load_base("embbert-paper").path == shipped / "embbert-paper"
    shutil.rmtree(shipped / "embbert-base")
    assert default_base() == "none"
    shutil.rmtree(shipped)
    assert shipped_bases() == ()


def test_a_shipped_name_comes_before_a_folder_and_a_path_is_a_path(shipped, tmp_path):
    folders.small_base(tmp_path / "embbert-base", residual=True)
    assert not load_base("embbert-base").config.residual
    assert load_base("./embbert-base").config.residual


@pytest.mark.parametrize("name", ["../package/embbert-bas", "absent", "none"])
def test_an_unknown_name_is_answered_with_what_exists(shipped, name):
    with pytest.raises(UsageError, match="these come with embbert: embbert-base, embbert-paper") as caught:
        load_base(name)
    assert f"no base {name!r}" in str(caught.value)
    assert "--base none" in str(caught.value)


def test_a_path_that_cannot_be_looked_at_is_refused(shipped, tmp_path, monkeypatch):
    for find in (load_base, base_shape):
        with pytest.raises(ModelError, match="bb cannot be read: File name too long"):
            find("b" * 300)
    folders.small_base(tmp_path / "b")
    stat = Path.stat

    def denied(self, **options):
        if self.name == "base.json":
            raise PermissionError(13, "Permission denied")
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(ModelError, match=r"base\.json cannot be read: Permission denied"):
        load_base(str(tmp_path / "b"))


def test_a_slip_of_the_pen_is_answered_with_the_nearest_name(shipped):
    with pytest.raises(UsageError, match=r"'embert-base' \(did you mean 'embbert-base'\?\)"):
        base_shape("embert-base")


def test_where_none_comes_along_the_message_says_so(tmp_path, monkeypatch):
    folders.ship(tmp_path / "absent", monkeypatch)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"(?s)no base 'embbert-base': none comes with.*--base none"):
        load_base("embbert-base")


def test_those_of_the_package_lie_in_it_and_are_sound_and_small():
    assert bases._shipped_folder() == Path(embbert.__file__).parent / "base_models"
    for name in shipped_bases():
        base = load_base(name)
        base.weights()
        assert (base.path / "README.md").is_file()
        assert {item.name for item in base.path.iterdir()} <= FILES
        assert (base.path / "model.safetensors").stat().st_size <= 1.5e6


# -- places ------------------------------------------------------------------------------------------------


def test_an_existing_base_is_kept_unless_overwriting(tmp_path):
    path = folders.small_base(tmp_path / "b").path
    before = snapshot(path)
    with pytest.raises(UsageError, match="already holds a base; add --overwrite"):
        save_base(path, **folders.base_parts(seed=1))
    assert snapshot(path) == before
    save_base(path, **folders.base_parts(seed=1), overwrite=True)
    assert snapshot(path)["model.safetensors"] != before["model.safetensors"]
    assert [item.name for item in tmp_path.iterdir()] == ["b"]


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "b").mkdir()
    assert folders.small_base(tmp_path / "b").tied


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_a_base_is_never_replaced(tmp_path, overwrite):
    file = tmp_path / "file"
    file.write_text("mine")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "base.json").write_text('{"architectures": ["Other"]}')
    extended = folders.small_base(tmp_path / "b").path
    (extended / "thesis.txt").write_text("mine")
    model = folders.small_folder(tmp_path / "m").path
    before = {path: snapshot(path) for path in (foreign, extended, model)}
    for path in (file, foreign, extended, model):
        with pytest.raises(UsageError, match="choose another place"):
            save_base(path, **folders.base_parts(), overwrite=overwrite)
        with pytest.raises(UsageError, match="choose another place"):
            check_base_target(path, overwrite=overwrite)
    assert file.read_text() == "mine"
    assert {path: snapshot(path) for path in before} == before


# -- crashes -----------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing after it runs, except what an exception would run."""


@pytest.mark.parametrize("fatal", range(1, 7))
def test_a_crash_while_writing_loses_nothing_and_leaves_no_half_base(tmp_path, monkeypatch, fatal):
    path = folders.small_base(tmp_path / "b").path
    before, written = snapshot(path), []
    write = files.write_flushed

    def write_some(target, data):
        written.append(target)
        if len(written) == fatal:
            write(target, data[: len(data) // 2])
            raise PowerCut
        write(target, data)

    monkeypatch.setattr(files, "write_flushed", write_some)
    parts = folders.base_parts(seed=1) | {"files": {"curve.png": PNG}}
    for target in (path, tmp_path / "new"):
        written.clear()
        with pytest.raises(PowerCut):
            save_base(target, **parts, overwrite=True)
    assert snapshot(path) == before
    assert [item.name for item in tmp_path.iterdir()] == ["b"]


def test_a_machine_that_dies_between_the_renames_leaves_the_old_base_findable(tmp_path, monkeypatch):
    path = folders.small_base(tmp_path / "b").path
    before, replace = snapshot(path), os.replace

    def dead(*_):
        raise PowerCut

    def replace_once(source, target):
        monkeypatch.setattr(os, "replace", dead)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_once)
    monkeypatch.setattr(Path, "rename", dead)
    with pytest.raises(PowerCut):
        save_base(path, **folders.base_parts(seed=1), overwrite=True)
    with pytest.raises(UsageError, match="an interrupted save left the former one at") as caught:
        load_base(str(path))
    former = Path(str(caught.value).splitlines()[0].rsplit(" ", 1)[1])
    assert snapshot(former) == before


def without(weights, name):
    return {key: value for key, value in weights.items() if key != name}


def test_parts_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    parts = folders.base_parts()
    weights, head, name = parts["weights"], parts["head"], "layers.0.query.weight"
    for changes, complaint in [
        ({"tokenizer": folders.small_tokenizer(40)}, "tokenizer.json has 40 entries, base.json says 37"),
        ({"weights": without(weights, name)}, f"lacks tensor {name}"),
        ({"weights": weights | {"head.bias": weights[name]}}, "unexpected tensor 'head.bias'"),
        (
            {"weights": weights | {name: weights[name][:5]}},
            r"has shape \(5, 12\), the config says \(12, 12\)",
        ),
        ({"weights": weights | {name: weights[name].astype(np.float16)}}, f"{name} is F16, not F32"),
        ({"weights": weights | {name: weights[name] * np.float32("inf")}}, "values that are not finite"),
        ({"head": without(head, "mlm.bias")}, "lacks tensor mlm.bias"),
        ({"head": {**head, "mlm.bias": head["mlm.bias"] * np.float32("nan")}}, "mlm.bias holds values"),
        ({"metrics": {"loss": float("nan")}}, "cannot be stored as JSON"),
        ({"files": {"../curve.png": PNG}}, "no place for ../curve.png"),
    ]:
        with pytest.raises(ModelError, match=complaint):
            save_base(tmp_path / "b", **{**parts, **changes})
    assert list(tmp_path.iterdir()) == []


# -- damage ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return folders.small_base(tmp_path_factory.mktemp("sound") / "b").path


@pytest.fixture
def copy(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "b"))


@pytest.mark.parametrize("name", CHECKED)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_base(str(copy)).weights()


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_named(copy, name, keep):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: min(int(len(data) * keep), len(data) - 2)])
    with pytest.raises(ModelError, match=name):
        load_base(str(copy)).weights()


def test_a_card_that_somebody_changed_is_not_replaced(copy):
    check_base_target(copy, overwrite=True)
    card = copy / "README.md"
    made = card.read_bytes()
    card.write_bytes(made.replace(b"\n", b"\r\n"))  # as version control does
    check_base_target(copy, overwrite=True)
    card.write_text("Approved.\n")
    with pytest.raises(UsageError, match=r"README\.md is not what embbert wrote, .*move it away first"):
        save_base(copy, **folders.base_parts(), overwrite=True)
    assert card.read_text() == "Approved.\n"
    card.unlink()
    check_base_target(copy, overwrite=True)


@examples(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_of_tokenizer_and_weights_is_refused(copy, data):
    path = copy / data.draw(st.sampled_from(["model.safetensors", "tokenizer.json"]))
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    path.write_bytes(before[:at] + bytes([before[at] ^ 1 << data.draw(st.integers(0, 7))]) + before[at + 1 :])
    try:
        with pytest.raises(ModelError, match=path.name):
            load_base(str(copy)).weights()
        with pytest.raises(ModelError, match=path.name):
            sound_shape(str(copy))
    finally:
        path.write_bytes(before)
    assert sound_shape(str(copy)) == base_shape(str(copy))


def test_a_base_from_before_there_were_sums_is_loaded(copy):
    settings = json.loads((copy / "base.json").read_text())
    del settings["sha256"]
    (copy / "base.json").write_text(json.dumps(settings))
    assert load_base(str(copy)).weights()


@pytest.mark.parametrize("name", CHECKED)
def test_a_file_of_something_else_is_named(copy, name):
    for data in (b"\xff\xfe\x00", b"[" * 100_000, b"null", b"PK\x03\x04" + bytes(100)):
        (copy / name).write_bytes(data)
        with pytest.raises(ModelError, match=name):
            load_base(str(copy)).weights()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": 2}, "format 2, this version reads 1: upgrade"),
        ({"architecture": "bart"}, "of architecture 'bart'; this version knows embbert, bert"),
        ({"architecture": 3}, "not the configuration"),
        ({"tied": 1}, "tied must be true or false, not 1"),
        ({"pairs": None}, "pairs must be true or false, not None"),
        ({"model": []}, "model must be a JSON object"),
        ({"model": {"hidden_size": 12}}, "lacks 'causal_conv'"),
        ({"colour": 1}, "unknown setting 'colour'"),
    ],
)
def test_a_wrong_setting_is_named(copy, changes, complaint):
    edit(copy / "base.json", **changes)
    for load in (load_base, base_shape):
        with pytest.raises(ModelError, match=complaint) as caught:
            load(str(copy))
        assert "base.json" in str(caught.value)


def test_weights_of_another_shape_are_refused(copy):
    settings = json.loads((copy / "base.json").read_text())
    edit(copy / "base.json", tied=False)
    with pytest.raises(ModelError, match=r"unexpected tensor 'mlm\."):
        load_base(str(copy)).weights()
    edit(copy / "base.json", tied=True, model=settings["model"] | {"num_layers": 3})
    with pytest.raises(ModelError, match=r"lacks tensor layers\.2"):
        load_base(str(copy)).weights()
    edit(copy / "base.json", model=settings["model"] | {"max_length": 256})
    with pytest.raises(ModelError, match=r"position\.weight has shape \(24, 4\), the config says \(256, 4\)"):
        load_base(str(copy)).mlm_head()


def test_a_fine_tuned_model_is_no_base(tmp_path):
    model = folders.small_folder(tmp_path / "m").path
    with pytest.raises(ModelError, match=r"is a fine-tuned model, not a base: it has no base\.json"):
        load_base(str(model))
    with pytest.raises(ModelError, match="is not a base folder"):
        load_base(str(tmp_path))


def test_loading_runs_no_code_and_needs_no_network(copy, tmp_path, monkeypatch):
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n"
    for name in ("model.py", "__init__.py", "conftest.py"):
        (copy / name).write_text(trap)

    def blocked(*_, **__):
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr(socket, "socket", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    folders.ship(tmp_path, monkeypatch)
    assert load_base("b").weights()
    assert not (tmp_path / "sprung").exists()


def test_a_base_has_no_ngrams(tmp_path):
    config = factory.small_config(ngrams=9, max_ngrams=3)
    parts = folders.base_parts() | {"config": config}
    with pytest.raises(ModelError, match=r"base\.json: a base has tokens, and no n-grams beside them"):
        save_base(tmp_path / "b", **parts)
    assert list(tmp_path.iterdir()) == []
