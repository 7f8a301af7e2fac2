"""The linear system: its budgets are kept, its bytes are the export's, its C answers."""

import pytest

import linears
from embbert.bench.linear import LINEAR, Linear, LinearModel
from embbert.bench.systems import SYSTEMS
from embbert.data import Examples
from embbert.errors import ModelError
from embbert.store import load_model

ROWS = tuple(
    f"{word} the {thing} {n}"
    for word in ("open", "close")
    for thing in ("door", "gate", "box")
    for n in ("now", "here", "please")
)
LABELS = tuple(row.split()[0] for row in ROWS)


def rows(targets=LABELS, task="classify"):
    return Examples(ROWS, None, targets, tuple(range(1, len(ROWS) + 1)), "x.csv", task)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    place = tmp_path_factory.mktemp("linear")
    return Linear("linear-16k", "A test.", 16 << 10).fit(rows(), metric="accuracy", seed=3, folder=place)


def test_systems_are_registered():
    assert [system.name for system in LINEAR] == ["linear-64k", "linear-256k", "linear-512k"]
    assert [system.budget for system in LINEAR] == [65_536, 262_144, 524_288]
    assert all(SYSTEMS[system.name] is system for system in LINEAR)


def test_the_budget_holds_everything_but_the_code(fitted):
    size = fitted.size("int8")
    total = size.total - size.code
    assert total == fitted.folder.metrics["bytes"]["total"]
    assert total <= 16 << 10
    tokenizer = fitted.folder.tokenizer
    grams = 2 * (tokenizer.vocab_size + (1 << tokenizer.bucket_bits) + 1)
    assert size.constants == fitted.folder.metrics["bytes"]["constants"] + grams
    floating = fitted.size("float")
    assert floating.constants == 4 * 2 * (tokenizer.vocab_size + 1) + grams
    assert floating.tokenizer == size.tokenizer


def test_answers_in_both_precisions(fitted):
    unlabelled = rows(targets=None)
    floats, integers = (fitted.answers(precision, unlabelled) for precision in fitted_precisions())
    assert floats.tolist() == integers.tolist()
    assert [("close", "open")[number] for number in integers] == list(LABELS)
    assert fitted.settings["rows_compared_with_specification"] == len(ROWS)


def fitted_precisions():
    return LINEAR[0].precisions


def test_settings_say_how_it_was_made(fitted):
    settings = fitted.settings
    assert settings["architecture"] == "linear"
    assert settings["protocol"]["seed"] == 3
    assert settings["protocol"]["score"] == "accuracy"
    assert set(fitted.validation) == {"accuracy", "loss"}
    assert fitted.curve == ()


def test_work_is_additions_per_ngram(fitted):
    work = fitted.work("int8", rows())
    assert work.tokens > 5
    assert work.macs == round(work.tokens) * 2


def test_values_with_any_metric(tmp_path):
    values = tuple(float("open" in row) for row in ROWS)
    model = Linear("linear-16k", "A test.", 16 << 10).fit(
        rows(values, "regress"), metric="pearson_spearman", seed=0, folder=tmp_path
    )
    answers = model.answers("int8", rows(None, "regress"))
    assert answers.shape == (len(ROWS),)
    assert answers[:9].min() > answers[9:].max()


def test_another_folder_is_refused(tmp_path):
    import folders

    folder = folders.small_folder(tmp_path / "m")
    with pytest.raises(ModelError, match="is no linear model"):
        LinearModel(folder).size("int8")
    assert LinearModel(load_model(linears.linear_folder(tmp_path / "l").path)).size("int8").arena > 0
