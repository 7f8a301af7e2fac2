"""Rows are those that the card promises, and test rows never train."""

import json
from collections import Counter
from importlib import resources

import pytest

from embbert.bench import load
from embbert.bench.tasks import all_cards, shipped_cards
from embbert.data import Examples, split_validation
from embbert.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(folder, name, **columns):
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBBERT_DATA", str(tmp_path))
    return tmp_path


def mnli(count, start=0):
    sides = {side: [f"{side} {n}" for n in range(start, start + count)] for side in ("premise", "hypothesis")}
    return {**sides, "label": [n % 3 for n in range(count)]}


def test_one_training_has_two_test_sets(mirror):
    folder = mirror / "nyu-mll" / "glue" / "mnli"
    write(folder, "train", **mnli(9))
    write(folder, "validation_matched", **mnli(3, 20))
    write(folder, "validation_mismatched", **mnli(6, 30))
    card = shipped_cards()["mnli"]
    rows = load.load(card)
    assert {name: len(test) for name, test in rows.tests.items()} == {"mnli-m": 3, "mnli-mm": 6}
    assert rows.tests["mnli-mm"].source == "nyu-mll/glue/mnli:validation_mismatched"
    assert rows.labels == ("0", "1", "2")
    assert rows.names == ("entailment", "neutral", "contradiction")
    assert rows.targets(rows.tests["mnli-m"]).tolist() == [0, 1, 2]
    assert (rows.split, rows.partial) == (load.AS_PUBLISHED, card.partial)


def test_partial_rows_are_told_from_whole_ones(mirror):
    texts, names = [f"text {n}" for n in range(53_000)], shipped_cards()["ag_news"]
    folder = mirror / "fancyzhx" / "ag_news"
    write(folder, "train_partial", text=texts[:40], label=[n % 4 for n in range(40)])
    write(folder, "test", text=texts[40:48], label=[n % 4 for n in range(8)])
    found = load.load(names)
    assert found.train.source == "fancyzhx/ag_news:train_partial"
    assert found.partial == names.partial


def test_classes_that_contradict_the_card_are_refused(mirror):
    folder = mirror / "nyu-mll" / "glue" / "mnli"
    for name in ("train", "validation_matched", "validation_mismatched"):
        write(folder, name, **{**mnli(4), "label": [0, 1, 0, 1]})
    with pytest.raises(DataError, match="the classes are 0, 1; the card of mnli has entailment, neutral"):
        load.load(shipped_cards()["mnli"])


def test_rows_are_held_out_where_there_is_no_test_set(own_tasks):
    rows = load.load(all_cards(own_tasks)["held"])
    (test,) = rows.tests.values()
    assert rows.split == load.SEEDED
    assert len(test) + len(rows.train) == 30
    assert not set(test.texts) & set(rows.train.texts)
    assert rows.names == ("off", "on")
    again = load.load(all_cards(own_tasks)["held"])
    assert again.tests["held"].rows == test.rows


def card_of(folder, source, /, **test):
    path = folder / "t.json"
    tests = [{"name": "x", "title": "X", **test}]
    path.write_text(json.dumps({"format": 1, "tasks": [{"name": "x", "source": source, "tests": tests}]}))
    return all_cards(path)["x"]


def test_the_split_of_another_source_is_the_one_that_is_named(mirror):
    """Not its training rows, which would be measured on what was learned."""
    rows = load.load(card_of(mirror, "home", source="home", split="test"))
    assert (rows.tests["x"].source, len(rows.tests["x"])) == ("home:test", 332)
    for name, texts in (("train", "abcd"), ("test", "efg")):
        labels = [text in "aceg" for text in texts]
        write(mirror / "owner" / "name", name, text=list(texts), label=[int(label) for label in labels])
    for source in (None, "owner/name"):
        own = {} if source is None else {"source": source}
        rows = load.load(card_of(mirror, "owner/name", **own, split="test"))
        assert (rows.train.texts, rows.tests["x"].texts) == (tuple("abcd"), tuple("efg"))


def test_training_rows_are_no_test_rows(mirror):
    with pytest.raises(DataError, match="the test rows of 'x' are the training rows"):
        load.load(card_of(mirror, "home", source="home", split="train"))
    (mirror / "rows.csv").write_text("text,label\na,x\nb,y\n")
    with pytest.raises(DataError, match=r"rows\.csv: the test rows of 'x' are the training rows"):
        load.load(card_of(mirror, "rows.csv", source="rows.csv"))


def examples(count):
    texts = tuple(f"text {n}" for n in range(count))
    return Examples(
        texts, None, tuple("ab"[n % 2] for n in range(count)), tuple(range(count)), "x", "classify"
    )


def test_stored_rows_hold_for_the_data_they_belong_to_only(monkeypatch):
    rows = examples(40)
    stored = {"fingerprint": rows.fingerprint(), "test": [3, 8, 21]}
    monkeypatch.setattr(load, "_stored", lambda name: stored)
    kept, held, how = load.hold_out("nlu", rows)
    assert (held, how) == ([3, 8, 21], load.STORED)
    assert kept == [n for n in range(40) if n not in held]
    other = examples(41)
    kept, held, how = load.hold_out("nlu", other)
    assert how == load.SEEDED
    assert (kept, held) == split_validation(other, 0.1, 20_250_214)


@pytest.mark.parametrize(("name", "rows", "held"), [("cyberbullying", 47_692, 4_769), ("nlu", 25_666, 2_567)])
def test_the_shipped_splits_are_a_tenth_by_the_rule(name, rows, held):
    record = load._stored(name)
    assert set(record) == {"format", "task", "source", "fingerprint", "rows", "fraction", "seed", "test"}
    assert (record["format"], record["task"], record["rows"]) == (1, name, rows)
    assert (record["fraction"], record["seed"]) == (load.FRACTION, load.SEED)
    assert record["source"] == f"{shipped_cards()[name].source}:train"
    ids = record["test"]
    assert ids == sorted(set(ids))
    assert 0 <= ids[0] <= ids[-1] < rows
    assert len(ids) == held
    assert len(record["fingerprint"]) == 64
    # A tenth of every stretch, as random rows are.
    tenths = Counter(10 * index // rows for index in ids)
    assert all(0.8 < tenths[n] / (held / 10) < 1.2 for n in range(10))


def test_only_tasks_without_test_rows_have_a_split():
    files = {file.name for file in resources.files("embbert.bench").joinpath("splits").iterdir()}
    needed = {card.name for card in shipped_cards().values() if card.tests[0].split is None}
    assert files == {f"{name}.json" for name in needed}
    assert load._stored("snips") is None


def test_pairs_and_single_texts_do_not_mix(own_tasks):
    cards = json.loads(own_tasks.read_text())
    cards["tasks"][0]["columns"] = {"pair": ["text", "second"], "label": "label"}
    own_tasks.write_text(json.dumps(cards))
    with pytest.raises(DataError, match="no column is called 'second'"):
        load.load(all_cards(own_tasks)["lights"])


def test_systems_see_test_rows_without_targets(own_tasks):
    rows = load.load(all_cards(own_tasks)["lights"]).tests["lights"]
    blind = load.without_labels(rows)
    assert blind.targets is None
    assert blind.texts == rows.texts
