"""`embbert predict`."""

import json

import numpy as np
import pytest

import factory
import folders
from embbert.models.heads import SequenceModel, load_arrays
from embbert.quant.float_model import forward
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import run
from embbert.store import load_model


def expected(path, text, pair=None):
    """Logits of the integer model, by the reference itself."""
    folder = load_model(path)
    ids = folder.tokenizer.encode(text, pair, max_length=folder.config.max_length)
    return folder, run(load_plan(folder), ids).astype(np.int64) / 65536


def test_a_line_is_label_confidence_text(cli, model):
    done = cli("predict", model, "turn the lights on", "play\tsome\nmusic")
    assert done.code == 0
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[2] for line in lines] == ["turn the lights on", "play some music"]
    folder, logits = expected(model, "turn the lights on")
    share = np.exp(logits) / np.exp(logits).sum()
    assert lines[0][:2] == [folder.labels[logits.argmax()], f"{share.max():.4f}"]


def test_json_lines_hold_the_logits(cli, model):
    texts = ["stop the music", "né | ☃"]
    rows = [json.loads(line) for line in cli("predict", model, *texts, "--json").out.splitlines()]
    assert [row["text"] for row in rows] == texts
    for row in rows:
        folder, logits = expected(model, row["text"])
        assert row["logits"] == logits.tolist()
        assert row["label"] == folder.labels[logits.argmax()]
        assert row["confidence"] == pytest.approx((np.exp(logits) / np.exp(logits).sum()).max())


def test_float_weights_on_request(cli, model):
    folder, integer = expected(model, "lights off")
    ids = folder.tokenizer.encode("lights off", max_length=folder.config.max_length)
    row = json.loads(cli("predict", model, "lights off", "--json", "--float").out)
    assert row["logits"] == pytest.approx(forward(folder.config, folder.weights(), ids).tolist())
    assert row["logits"] != integer.tolist()


def test_standard_input_is_answered_line_by_line(cli, model):
    done = cli("predict", model, stdin=b"lights on\r\n\nmusic")
    assert [line.split("\t")[2] for line in done.out.splitlines()] == ["lights on", "", "music"]
    one = cli("predict", model, "lights on").out
    assert done.out.startswith(one)
    assert not done.err


def test_a_byte_order_mark_is_no_part_of_the_first_line(cli, model):
    mark = "\ufeff".encode()
    done = cli("predict", model, stdin=mark + b"lights on\n" + mark + b"music\n")
    assert [line.split("\t")[2] for line in done.out.splitlines()] == ["lights on", "\ufeffmusic"]


def test_arguments_that_are_no_text_are_refused_by_their_place(cli, model, pair_model):
    # What Python makes of the byte 0xE9 in a command line.
    done = cli("predict", model, "lights", "caf\udce9", "--json")
    assert (done.code, done.out) == (3, "")
    assert "TEXT 2: not valid UTF-8\n  Convert it" in done.err
    done = cli("predict", pair_model, "lights", "--pair-text", "caf\udce9")
    assert (done.code, done.out) == (3, "")
    assert "--pair-text 1: not valid UTF-8" in done.err


def test_no_lines_no_answers(cli, model):
    done = cli("predict", model, stdin=b"")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_bytes_that_are_no_text_are_refused_with_their_line(cli, model):
    done = cli("predict", model, stdin=b"lights\n\xff\xfe\n")
    assert done.code == 3
    assert "stdin, row 2: not valid UTF-8" in done.err
    assert done.out.endswith("\tlights\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_from_latin_1(cli, model, encoding):
    done = cli("predict", model, stdin="lights on\n".encode(encoding))
    assert (done.code, done.out) == (3, "")
    assert "stdin, row 1: a NUL byte or the mark of UTF-16" in done.err
    assert "iconv -f utf-16 -t utf-8" in done.err


def test_pairs_as_arguments_and_as_lines(cli, pair_model):
    seconds = ("--pair-text", "off", "--pair-text", "stop")
    done = cli("predict", pair_model, "lights on", "music", *seconds, "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [(row["text"], row["pair"]) for row in rows] == [("lights on", "off"), ("music", "stop")]
    assert rows[0]["logits"] == expected(pair_model, "lights on", "off")[1].tolist()
    lines = cli("predict", pair_model, "--json", stdin=b"lights on\toff\nmusic\tstop\n")
    assert lines.out == done.out
    plain = cli("predict", pair_model, "lights on", "--pair-text", "off").out
    assert plain.split("\t")[2:] == ["lights on", "off\n"]


def test_texts_and_pairs_must_match_the_model(cli, model, pair_model):
    done = cli("predict", model, "a", "--pair-text", "b")
    assert (done.code, "reads single texts" in done.err) == (2, True)
    done = cli("predict", pair_model, "a", "b", "--pair-text", "c")
    assert (done.code, "2 texts need as many --pair-text" in done.err) == (2, True)
    for path in (model, pair_model):
        done = cli("predict", path, "--pair-text", "b", stdin=b"a\tb\n")
        assert (done.code, done.out) == (2, "")
        assert "--pair-text needs a TEXT for each; on standard input a tab separates the two" in done.err
    done = cli("predict", pair_model, stdin=b"a\tb\nno tab\n")
    assert (done.code, "stdin, row 2: no tab" in done.err) == (3, True)


def test_regression_answers_a_number(cli, regress_model):
    value = expected(regress_model, "lights")[1][0]
    assert cli("predict", regress_model, "lights").out == f"{value:.4f}\tlights\n"
    row = json.loads(cli("predict", regress_model, "lights", "--json").out)
    assert row == {"text": "lights", "value": value}


def test_a_folder_that_is_no_model_is_refused(cli, tmp_path):
    done = cli("predict", tmp_path / "none", "x")
    assert (done.code, "is not a model folder" in done.err) == (3, True)


@pytest.mark.parametrize("text", ["what is 2**3 really", "turn the lights on " * 20])
def test_a_text_in_the_place_of_the_model_is_refused(cli, text):
    done = cli("predict", text)
    assert done.code == 3
    assert "is not a model folder" in done.err or "cannot be read: File name too long" in done.err


def test_what_runs_in_float_only_says_so_and_answers_with_float(cli, tmp_path):
    torch = pytest.importorskip("torch")
    folder = folders.small_folder(tmp_path / "m", config=factory.MAMBA, quantized=False)
    done = cli("predict", tmp_path / "m", "stop the music")
    assert done.code == 2
    assert "mamba runs in float only" in done.err
    assert "--float" in done.err
    done = cli("predict", "--float", tmp_path / "m", "stop the music", "--json")
    network = SequenceModel(folder.config, 3).eval()
    load_arrays(network, folder.weights())
    with torch.no_grad():
        logits = network(torch.tensor([folder.tokenizer.encode("stop the music", max_length=24)]))[0]
    assert json.loads(done.out)["logits"] == pytest.approx(logits.tolist())
