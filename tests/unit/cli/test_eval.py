"""`embbert eval`."""

import json

import numpy as np
import pytest

import folders
from embbert.cli.eval import _show_classes, confusion
from embbert.cli.inference import Predictor
from embbert.console import plain_console
from embbert.data import Examples
from embbert.store import load_model, save_model

ROWS = [("lights on", "lights"), ("play music", "music"), ("is it cold", "weather"), ("stop", "music")]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS))
    return path


def test_accuracy_is_that_of_the_answers(cli, model, table):
    predictor = Predictor(load_model(model), floating=False)
    right = sum(predictor.answer(text).label == label for text, label in ROWS)
    done = cli("eval", model, table)
    assert done.code == 0
    scores = dict(line.split("\t") for line in done.out.splitlines())
    assert scores["accuracy"] == f"{right / len(ROWS):.4f}"
    assert "macro_f1" in scores
    assert "else taken for" in done.err


def test_json_holds_scores_and_confusion(cli, model, table):
    result = json.loads(cli("eval", model, table, "--json").out)
    assert (result["examples"], result["arithmetic"]) == (4, "int8")
    counts = np.array(result["confusion"])
    assert counts.sum(axis=1).tolist() == [1, 2, 1]
    assert result["accuracy"] == np.trace(counts) / 4
    assert result["labels"] == ["lights", "music", "weather"]
    assert json.loads(cli("eval", model, table, "--json", "--float").out)["arithmetic"] == "float32"


def test_columns_and_pairs(cli, pair_model, model, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("a,b,kind\nlights,on,lights\nmusic,off,music\n")
    done = cli("eval", pair_model, path, "--pair", "a", "b", "--label", "kind", "--json")
    assert json.loads(done.out)["examples"] == 2
    done = cli("eval", pair_model, path, "--text", "a", "--label", "kind")
    assert (done.code, "name both columns with --pair" in done.err) == (2, True)
    done = cli("eval", model, path, "--pair", "a", "b", "--label", "kind")
    assert (done.code, "name one column with --text" in done.err) == (2, True)


def test_regression_scores(cli, regress_model, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("text,label\nlights on,0.5\nplay music,1.5\nis it cold,-1\n")
    predictor = Predictor(load_model(regress_model), floating=False)
    values = np.array([predictor.logits(text)[0] for text in ("lights on", "play music", "is it cold")])
    truth = np.array([0.5, 1.5, -1.0])
    result = json.loads(cli("eval", regress_model, path, "--json").out)
    assert result["mse"] == pytest.approx(np.mean((values - truth) ** 2))
    assert result["pearson"] == pytest.approx(np.corrcoef(values, truth)[0, 1])
    assert "confusion" not in result
    predictor = Predictor(load_model(regress_model), floating=True)
    real = np.array([predictor.logits(text)[0] for text in ("lights on", "play music", "is it cold")])
    assert not np.array_equal(real, values)
    result = json.loads(cli("eval", regress_model, path, "--json", "--float").out)
    assert result["mse"] == pytest.approx(np.mean((real - truth) ** 2))


def test_the_split_that_is_asked_for_is_measured(cli, model, monkeypatch):
    asked = []

    def read(source, columns, *, task, split):
        asked.append((source, task, split))
        texts, labels = zip(*ROWS, strict=True)
        return Examples(texts, None, labels, (1, 2, 3, 4), source, task)

    monkeypatch.setattr("embbert.data.read_examples", read)
    for options in ((), ("--split", "validation")):
        assert cli("eval", model, "owner/name", *options).code == 0
    assert asked == [("owner/name", "classify", split) for split in ("test", "validation")]


def test_a_label_that_training_lacked_is_refused_with_its_row(cli, model, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("text,label\nlights on,lights\nboil eggs,cooking\n")
    done = cli("eval", model, path)
    assert done.code == 3
    assert "row 3" in done.err
    assert "cooking" in done.err


def test_without_scikit_learn_it_says_what_to_install_before_it_works(cli, model, table, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(Predictor, "logits", None)
    done = cli("eval", model, table)
    assert (done.code, 'pip install "embbert[train]"' in done.err) == (2, True)


def test_confusion_counts_true_class_by_answer():
    counts = confusion(np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 2]]


def test_each_label_says_how_often_it_is_found_and_what_it_is_taken_for(capsys):
    counts = np.diag(np.full(20, 6))
    counts[3, [5, 7, 9, 11]] = 1, 4, 2, 1
    counts[4] = 0
    _show_classes(plain_console(), counts, tuple(f"[c{i}]" for i in range(20)))
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert lines[6] == ["[c3]", "14", "0.43", "1.00", "[c7]", "4,", "[c9]", "2,", "[c5]", "1"]
    assert lines[7] == ["[c4]", "0", "–", "–"]
    assert lines[10] == ["[c7]", "6", "1.00", "0.60"]


def test_labels_are_shown_as_they_are(capsys):
    _show_classes(plain_console(), np.eye(2, dtype=np.int64), (":smile:", "[red]"))
    shown = capsys.readouterr().out
    assert ":smile:" in shown
    assert "[red]" in shown


def test_values_beyond_the_integer_model_are_refused(cli, regress_model, tmp_path):
    path = tmp_path / "far.csv"
    path.write_text("text,label\nlights,1e200\n")
    done = cli("eval", regress_model, path, "--json")
    assert (done.code, done.out) == (3, "")
    assert "far.csv, row 2: the target 1e+200 is beyond ±32000" in done.err


def test_labels_that_look_like_scores_are_those_of_the_model(cli, tmp_path):
    save_model(tmp_path / "m", **{**folders.parts(), "labels": ("1.0", "2.0", "beta")})
    (tmp_path / "a.csv").write_text("text,label\nlights on,1.0\nplay music,2.0\n")
    done = cli("eval", tmp_path / "m", tmp_path / "a.csv", "--json")
    assert (done.code, json.loads(done.out)["examples"]) == (0, 2)
    (tmp_path / "b.csv").write_text("text,label\nlights on,1.0\nplay music,2\n")
    done = cli("eval", tmp_path / "m", tmp_path / "b.csv")
    assert (done.code, "row 3: the model was not trained on the label '2'" in done.err) == (3, True)
