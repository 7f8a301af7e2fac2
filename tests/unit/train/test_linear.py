"""The linear model, from labelled rows to a folder: what is chosen, what it takes, that it repeats."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from embbert.data import Examples
from embbert.errors import DataError, UsageError
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import predict
from embbert.quant.spec import LOGIT_ONE
from embbert.store import load_model
from embbert.train import linear_fit, ngram_counts
from embbert.train.linear import LinearRequest, train_linear
from embbert.train.ngram_counts import count, count_ids, learn_counts, spelled

THINGS = ("door", "window", "lamp", "gate", "box", "jar")
ROWS = tuple(
    f"{word} the {thing} {place}"
    for word in ("open", "close", "ignore")
    for thing in THINGS
    for place in ("now", "please", "over there", "here")
)
LABELS = tuple(row.split()[0] for row in ROWS)


def rows(texts=ROWS, targets=LABELS, pairs=None, task="classify"):
    return Examples(texts, pairs, targets, tuple(range(1, len(texts) + 1)), "made.csv", task)


def asked(tmp_path, **changes):
    return LinearRequest(
        **{"train": rows(), "test": None, "out": tmp_path / "m", "budget": 32 << 10, **changes}
    )


def test_a_folder_that_answers(tmp_path, capsys):
    metrics = train_linear(asked(tmp_path, test=rows().take(range(len(ROWS) - 1))))
    assert metrics["float"]["accuracy"] == metrics["int8"]["accuracy"] == 1.0
    assert metrics["measured_on"]["role"] == "test"
    assert metrics["measured_on"]["also_in_training"] == len(ROWS) - 1
    assert metrics["protocol"]["training_rows"] + metrics["protocol"]["validation_rows"] == len(ROWS)
    folder = load_model(tmp_path / "m")
    assert folder.config.architecture == "linear"
    assert folder.metrics == json.loads(json.dumps(metrics))
    assert folder.labels == ("close", "ignore", "open")
    ids = folder.tokenizer.encode_batch(["please open it", ""], max_length=folder.config.max_length)
    assert predict(load_plan(folder), ids)[0].argmax() == 2
    assert ids[1] == []
    said = capsys.readouterr()
    assert "the budget pays for" in said.err
    assert "measuring on the validation rows" not in said.err
    assert not said.out


def test_what_it_takes_is_what_the_export_states(tmp_path):
    from embbert.emit.c99 import contents

    all_of_them = train_linear(asked(tmp_path, out=tmp_path / "all"))["bytes"]["total"]
    budget = all_of_them - 300
    metrics = train_linear(asked(tmp_path, budget=budget))
    folder = load_model(tmp_path / "m")
    stated = contents(folder, load_plan(folder), "model")[1]["bytes"]
    assert {name: stated[name] for name in ("constants", "tokenizer", "arena", "stack")} == {
        name: count for name, count in metrics["bytes"].items() if name != "total"
    }
    assert metrics["bytes"]["total"] == sum(stated[n] for n in ("constants", "tokenizer", "arena", "stack"))
    assert budget - 10 < metrics["bytes"]["total"] <= budget


def test_twice_is_the_same(tmp_path):
    for name in "ab":
        train_linear(asked(tmp_path, out=tmp_path / name))
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.slow
def test_another_order_of_sets_changes_nothing(tmp_path):
    csv = "".join(f"{text},{label}\n" for text, label in zip(ROWS, LABELS, strict=True))
    (tmp_path / "rows.csv").write_text("text,label\n" + csv)
    line = [sys.executable, "-m", "embbert", "train", "rows.csv", "--arch", "linear", "--budget", "8k", "-o"]
    for seed in "12":
        settings = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([*line, seed], check=True, cwd=tmp_path, env=settings, capture_output=True)
    for file in (tmp_path / "1").iterdir():
        assert file.read_bytes() == (tmp_path / "2" / file.name).read_bytes()


def test_pairs_compare_nothing_but_read_both(tmp_path):
    texts = tuple("same words" for _ in ROWS)
    metrics = train_linear(asked(tmp_path, train=rows(texts, LABELS, ROWS)))
    assert metrics["int8"]["accuracy"] == 1.0
    folder = load_model(tmp_path / "m")
    assert folder.pair
    assert all(ngram.second for ngram in folder.tokenizer.ngrams if ngram.text == "open")


def test_values(tmp_path):
    targets = tuple(100.0 * ("open" in row) + 10 * ("door" in row) for row in ROWS)
    metrics = train_linear(asked(tmp_path, train=rows(ROWS, targets, task="regress")))
    assert metrics["int8"]["pearson"] > 0.95
    assert metrics["validation"]["spearman"] > 0.5
    assert load_model(tmp_path / "m").labels == ()


def test_rare_classes_can_count_more(tmp_path):
    train = rows().take([*range(24), *range(24, 30), *range(48, 60)])
    plain = train_linear(asked(tmp_path, train=train))
    heavy = train_linear(asked(tmp_path, train=train, class_weights=True, out=tmp_path / "w"))
    assert heavy["protocol"]["class_weights"]
    assert not plain["protocol"]["class_weights"]
    logits = []
    for name in ("m", "w"):
        folder = load_model(tmp_path / name)
        ids = folder.tokenizer.encode_batch(ROWS, max_length=folder.config.max_length)
        logits.append(predict(load_plan(folder), ids).mean(axis=0) / LOGIT_ONE)
    plain_odds, heavy_odds = (each[0] - each[1:].mean() for each in logits)
    assert heavy_odds > plain_odds + 0.1  # the rare class is close


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"budget": 3000}, UsageError, "3,000 bytes are too few for a linear model"),
        ({"score": "spearman"}, UsageError, "a classification has no spearman"),
        ({"max_length": 0}, UsageError, "max_length must be"),
        (
            {"train": rows(ROWS, tuple(map(float, range(len(ROWS)))), task="regress"), "class_weights": True},
            UsageError,
            "a regression has none",
        ),
        ({"train": rows(targets=("a",) * len(ROWS))}, DataError, "one class only"),
        ({"test": rows(ROWS[:3], LABELS[:3], ROWS[:3])}, DataError, "pairs and these are not"),
        ({"test": rows(ROWS[:1], ("other",))}, DataError, "not trained on the label 'other'"),
        ({"train": rows(("a a", "b b", "a", "b"), ("x", "y", "x", "y"))}, DataError, "6 are the fewest"),
    ],
)
def test_what_cannot_be(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        train_linear(asked(tmp_path, **changes))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("changes", [{"score": "spearman"}, {"max_length": 0}, {"max_length": 70_000}])
def test_what_cannot_be_is_told_before_anything_is_counted(tmp_path, monkeypatch, changes):
    monkeypatch.setattr("embbert.train.linear.Counted.of", lambda *rows, **how: pytest.fail("counted"))
    with pytest.raises(UsageError):
        train_linear(asked(tmp_path, **changes))


def test_validation_rows_are_said_to_have_chosen(tmp_path, capsys):
    train_linear(asked(tmp_path))
    assert "measuring on the validation rows, which chose the n-grams; --test FILE" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [2, 3])
def test_logits_are_those_of_the_probabilities(classes, monkeypatch):
    from scipy.sparse import csr_matrix
    from scipy.special import softmax
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(3)
    counts = csr_matrix(draw.integers(0, 3, (60, 8)))
    targets = np.arange(60) % classes
    fitted = []
    learn = LogisticRegression.fit

    def record(self, features, labels):
        fitted.append((learn(self, features, labels), features))
        return self

    monkeypatch.setattr(LogisticRegression, "fit", record)
    goal = linear_fit.Goal("classify", classes, "accuracy")
    weights = linear_fit.fit(counts, targets, goal, linear_fit.Setting(True, False, 1.0))
    ((model, features),) = fitted
    assert softmax(weights.logits(counts), axis=1) == pytest.approx(model.predict_proba(features), abs=1e-9)


def test_an_existing_folder_is_kept_unless_told(tmp_path):
    train_linear(asked(tmp_path))
    with pytest.raises(UsageError, match="--overwrite"):
        train_linear(asked(tmp_path))
    train_linear(asked(tmp_path, overwrite=True))


def test_counts_are_those_of_the_texts():
    train = rows(("a b a", "a b", "c"), ("x", "y", "x"))
    characters = frozenset("abc")
    counts = learn_counts(train, characters)
    ngrams = spelled(counts.hashes, train, characters)
    texts = [(ngram.kind, ngram.text) for ngram in ngrams]
    assert counts.matrix.shape == (3, len(texts))
    column = texts.index(("words", "a"))
    assert counts.matrix[:, column].toarray().ravel().tolist() == [2, 1, 0]
    assert counts.words[column]
    other = count(rows(("b a c d", ""), ("x", "y")), characters, counts)
    assert other[:, column].toarray().ravel().tolist() == [1, 0]
    pairs = learn_counts(rows(("a a",), ("x",), ("a",)), characters)
    found = spelled(pairs.hashes, rows(("a a",), ("x",), ("a",)), characters)
    assert {(n.text, n.second) for n in found if n.kind == "words"} == {
        ("a", False), ("a a", False), ("a", True),
    }  # fmt: skip


def test_ids_are_counted(tmp_path):
    train_linear(asked(tmp_path))
    tokenizer = load_model(tmp_path / "m").tokenizer
    counts = count_ids([[3, 3, 0], [], [1]], tokenizer).toarray()
    assert counts.shape == (3, tokenizer.vocab_size)
    assert counts[0, 3] == 2
    assert counts.sum(axis=1).tolist() == [3, 0, 1]


def test_shares_are_over_the_root_of_their_sum():
    from scipy.sparse import csr_matrix

    found = linear_fit.shares(csr_matrix(np.array([[4.0, 0], [0, 0], [1, 3]], np.float32))).toarray()
    assert found.tolist() == [[2, 0], [0, 0], [0.5, 1.5]]


def test_loss_is_cross_entropy_or_squared_error():
    logits = np.array([[0.0, np.log(3)], [1000.0, 0.0]])
    assert linear_fit.loss("classify", np.array([1, 0]), logits) == pytest.approx(-np.log(0.75) / 2)
    assert linear_fit.loss("regress", np.array([1.0, 2.0]), np.array([[0.0], [4.0]])) == 2.5


def test_choosing_prefers_what_validation_likes():
    """Words decide the classes; stretches of characters are noise that the training rows happen to fit."""
    train = rows(("yes aa", "yes bb", "no aa", "no bb", "yes cc", "no cc"), ("y", "y", "n", "n", "y", "n"))
    characters = frozenset("yesnoabc")
    counts = learn_counts(train, characters)
    held = count(rows(("yes dd", "no dd"), ("y", "n")), characters, counts)
    goal = linear_fit.Goal("classify", 2, "accuracy")
    targets = np.array([1, 1, 0, 0, 1, 0])
    chosen = linear_fit.choose(counts, targets, held, np.array([1, 0]), goal, 4)
    assert chosen.score == 1.0
    assert len(chosen.columns) == 4
    best = spelled(counts.hashes[chosen.columns[:2]], train, characters)
    assert {ngram.text.strip() for ngram in best} <= {"yes", "no", "ye", "es", "n", "o"}


CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    "setting",
    [
        linear_fit.Setting(characters, contrast, strength)
        for characters in (False, True)
        for contrast in (False, True)
        for strength in linear_fit.STRENGTHS
    ],
    ids=str,
)
def test_every_setting_can_be_chosen(monkeypatch, setting):
    """Only the fit with this one answers rightly, so it must have been tried."""
    fit = linear_fit.fit

    def only(counts, targets, goal, tried):
        fitted = fit(counts, targets, goal, tried)
        return fitted if tried == setting else linear_fit.Weights(-fitted.weight, -fitted.bias)

    train = rows()
    counts = learn_counts(train, CHARACTERS)
    targets = np.array([("open", "close", "ignore").index(label) for label in LABELS])
    goal = linear_fit.Goal("classify", 3, "accuracy")
    monkeypatch.setattr(linear_fit, "fit", only)
    chosen = linear_fit.choose(counts, targets, counts.matrix, targets, goal, len(counts.hashes))
    assert chosen.setting == setting
    assert chosen.score == 1.0


def test_values_are_fitted_without_contrast(monkeypatch):
    """There are no classes that could use an n-gram differently."""
    seen, fit = [], linear_fit.fit

    def remembering(counts, targets, goal, setting):
        seen.append(setting)
        return fit(counts, targets, goal, setting)

    monkeypatch.setattr(linear_fit, "fit", remembering)
    counts = learn_counts(rows(), CHARACTERS)
    targets = np.linspace(-1.0, 1.0, len(ROWS))
    linear_fit.choose(counts, targets, counts.matrix, targets, linear_fit.Goal("regress", 1, "pearson"), 50)
    assert {setting.characters for setting in seen} == {False, True}
    assert not any(setting.contrast for setting in seen)


def test_endings_are_learned_from_characters_alone():
    """No word comes twice, as among names: there are no words to fit."""
    stems = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "mnprt"]
    known, new = stems[::2], stems[1::2]

    def made(those):
        texts = [stem + ending for stem in those for ending in ("ing", "ed")]
        return texts, ["y", "n"] * len(those)

    train = rows(*map(tuple, made(known)))
    counts = learn_counts(train, CHARACTERS)
    held = count(rows(*map(tuple, made(new))), CHARACTERS, counts)
    targets = np.array([1, 0] * len(known)), np.array([1, 0] * len(new))
    goal = linear_fit.Goal("classify", 2, "accuracy")
    chosen = linear_fit.choose(counts, targets[0], held, targets[1], goal, len(counts.hashes))
    assert chosen.setting.characters
    assert chosen.score == 1.0


def test_a_kind_of_too_few_ngrams_is_not_chosen(tmp_path):
    """He or she and a name: two words alone decide it all, which are fewer than a model may have."""
    names = [f"{a}{b}{c}{d}" for a in "bdfgk" for b in "aeiou" for c in "mnprt" for d in "aei"]
    texts = tuple(f"{('he', 'she')[number % 2]} {name}" for number, name in enumerate(names))
    train = rows(texts, tuple(text.split()[0] for text in texts))
    counts = learn_counts(train, CHARACTERS)
    assert counts.words.sum() == 2
    assert len(counts.hashes) >= 64
    metrics = train_linear(asked(tmp_path, train=train))
    assert metrics["protocol"]["characters"]
    assert metrics["int8"]["accuracy"] == 1.0


def test_flipped_labels_ask_for_a_stronger_penalty():
    """Of settings that score alike the least loss wins: weights that are sure of noise have more."""
    rng = np.random.default_rng(0)
    counts = learn_counts(rows(), CHARACTERS)
    targets = np.array([("open", "close", "ignore").index(label) for label in LABELS])
    noisy = np.where(rng.random(len(targets)) < 0.3, rng.integers(0, 3, len(targets)), targets)
    goal = linear_fit.Goal("classify", 3, "accuracy")
    chosen = [
        linear_fit.choose(counts, learned, counts.matrix, targets, goal, 100).setting.strength
        for learned in (targets, noisy)
    ]
    assert chosen[0] == max(linear_fit.STRENGTHS)
    assert chosen[1] < max(linear_fit.STRENGTHS)


def test_rare_ngrams_count_only_where_there_are_few_others(monkeypatch):
    """With hardly any n-gram in two texts those of one text are all there is."""
    train = rows(("a b", "a c", "d e"), ("x", "y", "x"))
    characters = frozenset("abcde")
    everything = learn_counts(train, characters)
    monkeypatch.setattr(ngram_counts, "FEW", 1)
    often = learn_counts(train, characters)
    assert {ngram.text.strip() for ngram in spelled(often.hashes, train, characters)} == {"a"}
    assert set(often.hashes) < set(everything.hashes)
    monkeypatch.setattr(ngram_counts, "OFTEN", 1)
    assert learn_counts(train, characters).hashes.tolist() == everything.hashes.tolist()


def test_of_too_many_ngrams_the_most_frequent_are_looked_at(monkeypatch):
    texts = ("a b c", "a b", "a")
    train = rows(texts, ("x", "y", "x"))
    monkeypatch.setattr(ngram_counts, "MOST", 1)
    (kept,) = spelled(learn_counts(train, frozenset("abc")).hashes, train, frozenset("abc"))
    assert kept.text.strip() == "a"
