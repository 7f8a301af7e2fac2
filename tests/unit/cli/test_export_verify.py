"""`embbert export` and `embbert verify` from the command line."""

import io
import json

import pytest

import folders
from embbert.cli.app import run
from embbert.config import BertConfig
from embbert.errors import CheckFailed


@pytest.fixture
def model(tmp_path):
    folders.small_folder(tmp_path / "model")
    return str(tmp_path / "model")


def test_export_says_what_it_wrote(model, tmp_path, capsys):
    out = tmp_path / "c"
    assert run(["export", "c", model, "-o", str(out), "--prefix", "door", "--max-length", "9"]) == 0
    assert (out / "door.h").is_file()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "bytes of constants" in shown.err
    assert run(["export", "c", model, "-o", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["export", "c", model, "-o", str(out), "--overwrite"]) == 0
    assert not (out / "door.h").exists()


def test_unknown_formats_and_targets_name_what_exists(model, tmp_path, capsys):
    assert run(["export", "rust", model, "-o", str(tmp_path / "c")]) == 2
    assert "there are: c" in capsys.readouterr().err
    assert run(["verify", model, "--on", "mars"]) == 2
    assert "there are: host" in capsys.readouterr().err
    assert run(["verify", model, "--on", "cortex-m4", "--tools", "tcc"]) == 2
    assert "there are: gcc, zig" in capsys.readouterr().err
    assert run(["verify", model, "--tools", "gcc"]) == 2
    assert "for cores" in capsys.readouterr().err
    assert run(["verify", model, "--compiler", "no-such-cc"]) == 2
    assert "apt-get install" in capsys.readouterr().err


def test_models_without_integer_weights_are_told_so(tmp_path, capsys):
    folders.small_folder(tmp_path / "model", quantized=False)
    assert run(["export", "c", str(tmp_path / "model"), "-o", str(tmp_path / "c")]) == 3
    assert "embbert quantize" in capsys.readouterr().err


@pytest.mark.slow
def test_many_heads_stay_below_the_stated_stack(tmp_path, capsys):
    config = BertConfig(
        vocab_size=37, max_length=24, hidden_size=50, embedding_size=4, num_heads=25, num_layers=2
    )
    folders.small_folder(tmp_path / "model", config=config)
    (tmp_path / "few.csv").write_text("text\nturn the lights on\n")
    code = run(["verify", str(tmp_path / "model"), "--texts", str(tmp_path / "few.csv")])
    assert code == 0, capsys.readouterr().out


def test_verify_prints_json_or_a_table(model, tmp_path, capsys):
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nturn the lights on\nplay some music\n")
    assert run(["verify", model, "--texts", str(texts), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ok"]
    assert result["difference"] is None
    assert result["sizes"]["constants"] == result["stated"]["constants"]
    assert run(["verify", model, "--texts", str(texts)]) == 0
    shown = capsys.readouterr().out
    assert "identical" in shown
    assert "constants" in shown


def test_a_broken_promise_of_the_arena_is_not_shown_as_kept(capsys):
    from embbert.cli.verify import _print
    from embbert.verify.host import HostResult

    stated = {"arena": 1000, "stack": 100}
    told = "a call writes outside of its arena of 1000 bytes"
    for kept, problems, shown in (
        (True, (), "passes, 1 less is refused"),
        (True, ("the stack is deeper than stated",), "passes, 1 less is refused"),
        (False, (told,), "NOT AS STATED"),
    ):
        _print(HostResult("cc", 1, 9, None, stated, 80, None, None, problems=problems, arena_kept=kept))
        out, err = capsys.readouterr()
        assert shown in out
        assert err == "".join(f"FAILED: {problem}\n" for problem in problems)


@pytest.fixture
def on_device(monkeypatch):
    """A device that answers at once; what it was asked is remembered."""
    from embbert.verify.device import check, tools
    from embbert.verify.sizes import Sizes

    asked = {}

    def verify_device(folder, plan, core, texts, pairs, **settings):
        asked.update(settings, core=core, texts=list(texts), pairs=pairs)
        return check.DeviceResult(
            core="Cortex-M4",
            compiler="gcc 12",
            emulator="QEMU 7",
            optimize="-O2",
            texts=13,
            traced=12,
            values=1234,
            difference=None,
            accuracy=0.5,
            counts=asked.get("counts", "instructions"),
            instructions=check.Instructions(7.5, 100.0, 2000.0, 3000, 9, 4000),
            stated={"constants": 1, "tokenizer": 2, "code_margin": 30, "arena": 4096, "stack": 2560},
            stack=1352,
            bounds=(),
            sizes=Sizes(1, 2, 20, 0, (), ()),
            code=25,
            problems=asked.get("problems", ()),
            arena_kept=True,
        )

    monkeypatch.setattr(check, "verify_device", verify_device)
    monkeypatch.setattr(tools, "find_tools", lambda core, name: None)
    return asked


def test_a_core_is_asked_and_its_counts_are_shown(model, tmp_path, capsys, on_device):
    texts = tmp_path / "texts.csv"
    texts.write_text("text,label\nturn the lights on,lights\nplay some music,music\n")
    line = ["verify", model, "--on", "cortex-m4", "--tools", "gcc", "--layers", "1", "--texts", str(texts)]
    assert run(line) == 0
    assert on_device["labels"] == ["lights", "music"]
    assert (on_device["core"], on_device["tools"], on_device["layers"]) == ("cortex-m4", "gcc", 1)
    shown = capsys.readouterr().out
    parts = (
        "50.00 %",
        "1,352 bytes",
        "at most 2,560",
        "2,000",
        "3,000",
        "4,000",
        "run on Cortex-M4 by QEMU 7",
    )
    for part in parts:
        assert part in shown
    assert run([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["instructions"]["most"] == 3000
    on_device["problems"] = ("the stack is deeper than stated",)
    assert run(line) == 1
    assert "FAILED: the stack is deeper than stated" in capsys.readouterr().err


def test_fuel_is_not_taken_for_instructions(model, tmp_path, capsys, on_device):
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nturn the lights on\n")
    line = ["verify", model, "--on", "wasm32", "--texts", str(texts)]
    assert run(line) == 0
    assert "instructions, mean" in capsys.readouterr().out
    on_device["counts"] = "fuel"
    assert run(line) == 0
    shown = capsys.readouterr().out
    assert "wasmtime fuel, mean" in shown
    assert "stack in memory, -O2" in shown
    assert "instructions" not in shown


def test_texts_without_labels_do_on_a_core(model, tmp_path, on_device):
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nturn the lights on\n")
    assert run(["verify", model, "--on", "cortex-m4", "--texts", str(texts)]) == 0
    assert on_device["labels"] is None
    assert on_device["texts"] == ["turn the lights on"]


@pytest.mark.parametrize("on", ["host", "cortex-m4"])
def test_what_is_verified_is_the_export_that_was_asked_for(tmp_path, on, on_device, monkeypatch):
    from embbert.verify import host

    def verify_host(folder, plan, texts, pairs, **settings):
        on_device.update(settings, texts=list(texts), pairs=pairs)
        raise CheckFailed("seen")

    monkeypatch.setattr(host, "verify_host", verify_host)
    folders.small_folder(tmp_path / "pairs", pair=True)
    line = ["verify", str(tmp_path / "pairs"), "--on", on]
    run(line)
    settings = [on_device[name] for name in ("weights", "charset", "max_length")]
    assert settings == ["constants", "unicode", None]
    texts = on_device["texts"]
    assert list(on_device["pairs"]) == [*texts[1:], texts[0]]
    if on == "host":
        assert on_device["compiler"] is None
        line += ["--compiler", "gcc"]
    (tmp_path / "rows.csv").write_text("a,b,label\nlights,on,lights\nmusic,off,music\n")
    line += ["--texts", str(tmp_path / "rows.csv"), "--pair", "b", "a"]
    run([*line, "--weights", "blob", "--charset", "latin", "--max-length", "9"])
    assert (on_device["weights"], on_device["charset"], on_device["max_length"]) == ("blob", "latin", 9)
    assert (on_device["texts"], list(on_device["pairs"])) == (["on", "off"], ["lights", "music"])
    assert on == "cortex-m4" or on_device["compiler"] == "gcc"


def test_texts_come_from_a_column_or_from_standard_input(model, tmp_path, on_device, monkeypatch):
    line = ["verify", model, "--on", "cortex-m4", "--text", "said"]
    (tmp_path / "rows.csv").write_text("text,said\nno,lights on\n")
    assert run([*line, "--texts", str(tmp_path / "rows.csv")]) == 0
    assert on_device["texts"] == ["lights on"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text,said\nno,music off\n")))
    assert run([*line, "--texts", "-"]) == 0
    assert on_device["texts"] == ["music off"]


def test_the_host_s_compiler_is_not_for_cores(model, capsys, on_device):
    assert run(["verify", model, "--on", "cortex-m4", "--compiler", "gcc"]) == 2
    assert "--tools" in capsys.readouterr().err


def test_a_failed_check_exits_with_1_and_names_the_layer(model, tmp_path, capsys, monkeypatch):
    from embbert.verify import compare

    honest = compare.run

    def other_reference(plan, ids, trace=None):
        def bent(name, rows):
            trace(name, rows + (name == "layer0.norm"))

        return honest(plan, ids, bent if trace else None)

    monkeypatch.setattr(compare, "run", other_reference)
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nturn the lights on\n")
    assert run(["verify", model, "--texts", str(texts)]) == 1
    shown = capsys.readouterr()
    assert "DIFFERENT" in shown.out
    assert "FAILED: text 0: layer0.norm differs first at row 0, index 0" in shown.err


def test_export_carries_weights_and_tables_as_asked(model, tmp_path, capsys):
    out = tmp_path / "c"
    command = ["export", "c", model, "-o", str(out), "--prefix", "door", "--weights", "blob"]
    assert run([*command, "--charset", "latin", "--no-self-test"]) == 0
    assert "bytes of weights in door_weights.bin" in capsys.readouterr().err
    report = json.loads((out / "report.json").read_text())
    assert (report["weights"], report["charset"]) == ("blob", "latin")
    assert not (out / "door_self_test.c").exists()
    assert run([*command, "--overwrite", "--weights", "stone"]) == 2
    assert "there are: constants, blob" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("file.csv/c", "file.csv is not a folder; choose another place"),
        ("x" * 300, "cannot be made: File name too long; choose another place"),
    ],
)
def test_a_place_that_no_export_can_have_is_a_slip(model, tmp_path, monkeypatch, capsys, place, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.csv").touch()
    assert run(["export", "c", model, "-o", place]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"model", "file.csv"}


def test_a_compiler_that_is_no_program_is_a_failed_check(model, tmp_path, capsys):
    (tmp_path / "text").write_text("abc")
    (tmp_path / "text").chmod(0o755)
    assert run(["verify", str(model), "--compiler", str(tmp_path / "text")]) == 1
    assert f"error: {tmp_path / 'text'} cannot be run: Exec format error" in capsys.readouterr().err
