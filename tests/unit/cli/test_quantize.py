"""`embbert quantize`."""

import numpy as np

import folders
from embbert.data import read_examples
from embbert.quant.build import quantize
from embbert.quant.plan_io import load_plan, plan_to_arrays
from embbert.store import load_model, save_model


def write_texts(path):
    path.write_text("text\n" + "".join(f"{text}\n" for text in folders.TEXTS))
    return path


def test_the_plan_is_that_of_the_float_weights_and_the_texts(cli, tmp_path):
    folder = folders.small_folder(tmp_path / "m", quantized=False)
    done = cli("quantize", folder.path, "--calibrate", write_texts(tmp_path / "texts.csv"))
    assert done.code == 0
    assert "quantised with 5 texts" in done.err
    ids = folder.tokenizer.encode_batch(folders.TEXTS, max_length=folder.config.max_length)
    expected, _ = plan_to_arrays(quantize(folder.config, folder.weights(), 3, ids))
    found, _ = plan_to_arrays(load_plan(load_model(folder.path)))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_everything_else_stays_but_the_former_integer_metrics(cli, tmp_path):
    folder = folders.small_folder(tmp_path / "m")
    assert cli("quantize", folder.path, "--calibrate", write_texts(tmp_path / "texts.csv")).code == 0
    again = load_model(folder.path)
    assert (again.metrics["float"], again.metrics["seed"]) == ({"accuracy": 0.75}, 3)
    assert "int8" not in again.metrics
    assert (again.config, again.labels, again.task) == (folder.config, folder.labels, folder.task)
    weights = again.weights()
    assert all(np.array_equal(value, weights[name]) for name, value in folder.weights().items())
    assert "| accuracy | 0.7500 |" in (folder.path / "README.md").read_text()


def test_a_failure_keeps_the_folder_as_it_was(cli, tmp_path):
    path = folders.small_folder(tmp_path / "m").path
    before = {item.name: item.read_bytes() for item in path.iterdir()}
    done = cli("quantize", path, "--calibrate", tmp_path / "none.csv")
    assert (done.code, "none.csv" in done.err) == (3, True)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("a,b\nx,y\n")
    assert cli("quantize", path, "--calibrate", pairs, "--pair", "a", "b").code == 2
    assert cli("quantize", path).code == 2
    assert {item.name: item.read_bytes() for item in path.iterdir()} == before


def test_the_card_says_what_the_ranges_come_from(cli, tmp_path):
    parts = folders.parts()
    alone = {"embbert": {"float": {"accuracy": 0.25}, "int8": {"accuracy": 0.125}}}
    parts["metrics"] |= {
        "protocol": {"calibration_rows": 777, "seed": 3},
        "both": {"share": 0.5, "alone": alone, "shares": [{"share": 0.5}]},
    }
    save_model(tmp_path / "m", **parts)
    texts = write_texts(tmp_path / "texts.csv")
    assert cli("quantize", tmp_path / "m", "--calibrate", texts).code == 0
    examples = read_examples(str(texts), labelled=False)
    assert load_model(tmp_path / "m").metrics == {
        "float": {"accuracy": 0.75},
        "seed": 3,
        "protocol": {"calibration_rows": 5, "seed": 3},
        "both": {
            "share": 0.5,
            "alone": {"embbert": {"float": {"accuracy": 0.25}}},
            "shares": [{"share": 0.5}],
        },
        "calibrated_on": {
            "source": str(texts),
            "role": "calibration",
            "rows": 5,
            "fingerprint": examples.fingerprint(),
        },
    }
    card = (tmp_path / "m" / "README.md").read_text()
    assert "calibration_rows: 5\n" in card
    assert f"source: {texts}\n" in card
    assert "777" not in card
    assert "0.125" not in card


def test_a_card_that_somebody_changed_is_not_written_anew(cli, tmp_path):
    path = folders.small_folder(tmp_path / "m").path
    texts = write_texts(tmp_path / "texts.csv")
    card = path / "README.md"
    made = card.read_bytes()
    card.write_bytes(made.replace(b"\n", b"\r\n"))  # as version control does
    assert cli("quantize", path, "--calibrate", texts).code == 0
    card.write_text(card.read_text() + "\nApproved.\n")
    before = {item.name: item.read_bytes() for item in path.iterdir()}
    done = cli("quantize", path, "--calibrate", texts)
    assert (done.code, "README.md is not what embbert wrote" in done.err) == (2, True)
    assert {item.name: item.read_bytes() for item in path.iterdir()} == before
    card.unlink()
    assert cli("quantize", path, "--calibrate", texts).code == 0
    assert card.is_file()


def test_what_could_not_be_replaced_is_said_before_the_work(cli, tmp_path, monkeypatch):
    path = folders.small_folder(tmp_path / "m").path
    (path / "notes.txt").write_text("mine")
    done = cli("quantize", path, "--calibrate", tmp_path / "none.csv")
    assert (done.code, "also holds notes.txt" in done.err, "move it away" in done.err) == (2, True, True)
    monkeypatch.chdir(path)
    done = cli("quantize", ".", "--calibrate", tmp_path / "none.csv")
    assert (done.code, "run it from outside" in done.err) == (2, True)
