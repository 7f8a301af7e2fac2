"""The shipped cards say what TinyNLP and GLUE are, and a user's cards are checked."""

import json

import pytest

from embbert.bench.tasks import EvalSet, all_cards, choose, shipped_cards, shipped_means
from embbert.data.cards import known_sources
from embbert.errors import DataError, ModelError, UsageError

CARDS = shipped_cards()


def test_the_suites_are_seven_and_ten_columns():
    columns = {
        suite: [test.name for card in CARDS.values() if card.suite == suite for test in card.tests]
        for suite in ("tinynlp", "glue")
    }
    assert columns["tinynlp"] == ["imdb", "ag_news", "cyberbullying", "limit", "emotion", "nlu", "snips"]
    assert columns["glue"] == [
        *("cola", "sst2", "mrpc", "stsb", "qqp", "mnli-m", "mnli-mm", "qnli", "rte", "wnli"),
    ]
    assert len(CARDS) == 16


def test_metrics_are_those_of_glue():
    metrics = {name: card.metrics for name, card in CARDS.items()}
    others = {
        "cola": ("mcc",),
        "mrpc": ("accuracy", "f1"),
        "qqp": ("accuracy", "f1"),
        "stsb": ("spearman", "pearson"),
    }
    assert metrics == dict.fromkeys(CARDS, ("accuracy",)) | others
    published = {name: card.published for name, card in CARDS.items() if card.published}
    assert published == {
        "mrpc": "weighted_f1",
        "qqp": "weighted_f1",
        "stsb": "spearman",
        "wnli": "one_minus_accuracy",
    }
    assert [name for name, card in CARDS.items() if not card.averaged] == ["wnli"]


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_every_card_is_whole(card):
    assert card.source in known_sources()
    assert card.licence
    assert (card.kind == "regress") == (not card.labels)
    assert len(set(card.labels)) == len(card.labels)
    assert len(card.seeds) == {"small": 5, "large": 3}[card.size]
    tests = {test.name for test in card.tests if test.split is not None}
    assert set(card.rows) == {"train", *tests}
    assert (card.rows["train"] > 40_000) <= (card.size == "large")


def test_means_are_of_tests_that_exist():
    columns = {test.name for card in CARDS.values() for test in card.tests}
    (five,) = shipped_means()
    assert five.tests == ("cola", "sst2", "mrpc", "stsb", "rte")
    assert set(five.tests) <= columns


def test_the_whole_training_split_is_preferred_to_a_part(tmp_path, monkeypatch):
    card, folder = CARDS["ag_news"], tmp_path / "fancyzhx" / "ag_news"
    folder.mkdir(parents=True)
    monkeypatch.setenv("EMBBERT_DATA", str(tmp_path))
    assert card.training_split == "train"  # of the hub
    (folder / "train_partial.parquet").touch()
    assert card.training_split == "train_partial"
    (folder / "train.parquet").touch()
    assert card.training_split == "train"


def test_without_a_mirror_the_first_training_split_is_taken(tmp_path, monkeypatch):
    card, folder = CARDS["ag_news"], tmp_path / "fancyzhx" / "ag_news"
    folder.mkdir(parents=True)
    (folder / "train_partial.parquet").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBBERT_DATA", "")
    assert card.training_split == "train"
    monkeypatch.delenv("EMBBERT_DATA")
    assert card.training_split == "train"
    monkeypatch.setenv("EMBBERT_DATA", str(tmp_path / "gone"))
    assert CARDS["snips"].training_split == "train"
    with pytest.raises(UsageError, match=r"EMBBERT_DATA names .*gone, which is no folder"):
        _ = card.training_split


def test_own_cards_stand_beside_the_shipped_ones(own_tasks):
    cards = all_cards(own_tasks)
    assert list(cards)[:16] == list(CARDS)
    assert list(cards)[16:] == ["lights", "held", "gone"]
    lights, held = cards["lights"], cards["held"]
    assert lights.source == str(own_tasks.parent / "train.csv")
    assert lights.tests == (EvalSet("lights", "Lights", source=str(own_tasks.parent / "test.csv")),)
    assert (lights.metrics, lights.suite, lights.primary) == (("accuracy",), "own", "accuracy")
    assert (held.tests, held.title) == ((EvalSet("held", "held"),), "held")


def test_a_hub_id_stays_one(tmp_path):
    path = tmp_path / "t.json"
    card = {"name": "a", "source": "owner/name", "kind": "regress"}
    path.write_text(json.dumps({"format": 1, "tasks": [card]}))
    assert all_cards(path)["a"].source == "owner/name"
    assert all_cards(path)["a"].metrics == ("spearman", "pearson")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"name": "a"}, "tasks[0].source is missing"),
        (
            {"name": "a", "source": "x.csv", "lables": []},
            "tasks[0].lables is not known (did you mean 'labels'?)",
        ),
        ({"name": "A b", "source": "x.csv"}, "'A b' must be of a-z, 0-9, _ and -"),
        ({"name": "a", "source": "x.csv", "metrics": ["f1"]}, "f1 is that of the second of two classes"),
        ({"name": "a", "source": "x.csv", "metrics": ["pearson"]}, "pearson does not measure classes"),
        ({"name": "a", "source": "x", "kind": "regress", "metrics": ["mcc"]}, "mcc does not measure values"),
        (
            {"name": "a", "source": "x.csv", "metrics": ["bleu"]},
            "tasks[0].metrics[0] must be one of accuracy",
        ),
        ({"name": "a", "source": "x.csv", "labels": ["b"]}, "labels must be two or more"),
        ({"name": "a", "source": "x.csv", "train": []}, "train must name a split"),
        ({"name": "a", "source": "x.csv", "suite": "my/shop"}, "'my/shop' must be of a-z, 0-9, _ and -"),
        ({"name": "a", "source": "x.csv", "suite": ""}, "'' must be of a-z"),
        ({"name": "a", "source": "x.csv", "rows": {"trian": 5}}, "rows has 'trian'; it counts train and a"),
        ({"name": "a", "source": "-"}, "standard input can be read only once"),
        ({"name": "a", "source": "x.csv", "train": ["dev"]}, "the source is a file, which has none"),
        (
            {"name": "a", "source": "x.csv", "tests": [{"name": "a", "title": "A", "split": "test"}]},
            "'a' is split 'test' of a file, and files have none\n  Name a file of test rows",
        ),
        (
            {
                "name": "a",
                "source": "o/n",
                "tests": [{"name": "a", "title": "A", "source": "y.csv", "split": "test"}],
            },
            "'a' is split 'test' of a file",
        ),
        (
            {"name": "a", "source": "x.csv", "tests": [{"name": "a", "title": "A", "source": "home"}]},
            "'a' must name the split of home",
        ),
        (
            {
                "name": "a",
                "source": "o/n",
                "tests": [{"name": "b", "title": "B"}, {"name": "c", "title": "C"}],
            },
            "'b' and 'c' would be the same rows, as neither names any\n  Name a source",
        ),
    ],
)
def test_cards_that_make_no_sense_are_refused(tmp_path, card, message):
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"format": 1, "tasks": [card]}))
    with pytest.raises(DataError) as caught:
        all_cards(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_names_are_unique(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"format": 1, "tasks": [{"name": "snips", "source": "x.csv"}]}))
    with pytest.raises(UsageError, match="'snips' is taken"):
        all_cards(path)
    tests = [{"name": "mnli-m", "title": "x", "source": "y.csv"}]
    path.write_text(json.dumps({"format": 1, "tasks": [{"name": "a", "source": "x.csv", "tests": tests}]}))
    with pytest.raises(UsageError, match="two test sets are called 'mnli-m'"):
        all_cards(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        all_cards(tmp_path / "t.json")


def test_names_are_chosen_once_and_slips_answered():
    assert choose(["rte", "cola", "rte"], CARDS, "task") == ["rte", "cola"]
    with pytest.raises(UsageError, match=r"no task is called 'snps' \(did you mean 'snips'\?\)"):
        choose(["snps"], CARDS, "task")
