from __future__ import annotations

import sys
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embbert.data import Columns, task_card
from embbert.data.cards import known_sources
from embbert.data.hub import mirrored
from embbert.data.readers import read_examples
from embbert.errors import DataError, MissingExtraError, UsageError


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror in EMBBERT_DATA, to put splits into; the hub is out of reach."""

    def put(name: str, **columns) -> None:
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)

    monkeypatch.setenv("EMBBERT_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "datasets", None)
    return put


class Split(dict):
    """As much of a `datasets.Dataset` as is used."""

    column_names = property(list)

    def __len__(self) -> int:
        return len(next(iter(self.values())))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in for `datasets`; its `answer` is returned, or raised; `calls` are what it was asked."""
    module = ModuleType("datasets")
    module.calls = []
    module.bars = True

    def load_dataset(*names: str, split: str):
        module.calls.append((*names, split))
        if isinstance(module.answer, Exception):
            raise module.answer
        return module.answer

    module.load_dataset = load_dataset
    module.disable_progress_bars = lambda: setattr(module, "bars", False)
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.delenv("EMBBERT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return module


def refusal(source: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_examples(source, **options)
    assert caught.value.remedy
    return str(caught.value)


def test_the_mirror_is_read_by_the_card(mirror):
    mirror("IBM/limit/train", id=[7, 8], sentence=[" a", "b"], motion=["yes", "no"], label=[0, 0])
    mirror("IBM/limit/test", id=[9], sentence=["c"], motion=["no"])
    examples = read_examples("IBM/limit")
    assert (examples.texts, examples.targets, examples.rows) == ((" a", "b"), ("yes", "no"), (1, 2))
    assert examples.source == "IBM/limit:train"
    assert read_examples("IBM/limit", split="test").texts == ("c",)


def test_columns_asked_for_go_before_the_card(mirror):
    mirror("nyu-mll/glue/mrpc/train", sentence1=["a"], sentence2=["b"], label=[1], other=["c"])
    paired = read_examples("nyu-mll/glue/mrpc")
    assert (paired.texts, paired.pairs, paired.targets) == (("a",), ("b",), ("1",))
    single = read_examples("nyu-mll/glue/mrpc", Columns(text="sentence2", label="other"))
    assert (single.texts, single.pairs, single.targets) == (("b",), None, ("c",))


def test_sets_without_a_card_are_read_by_their_names_and_splits(mirror):
    mirror("me/own.set/odd", utterance=["a", "b"], intent=[-1, 0], n=[1, 2])
    examples = read_examples("me/own.set", split="odd")
    assert (examples.texts, examples.targets, examples.source) == (("a", "b"), ("-1", "0"), "me/own.set:odd")


@pytest.mark.parametrize("folder", ["dair-ai/emotion", "dair-ai/emotion/split"])
@pytest.mark.parametrize("source", ["dair-ai/emotion", "dair-ai/emotion/split"])
def test_a_cards_configuration_may_be_left_out_in_id_and_mirror(mirror, folder, source):
    mirror(f"{folder}/validation", text=["a"], label=[3])
    assert read_examples(source, split="validation").targets == ("3",)


def test_a_split_is_found_where_the_mirror_holds_it(mirror, tmp_path, monkeypatch):
    mirror("dair-ai/emotion/split/train", text=["a"])
    mirror("me/own/train", text=["a"])
    assert mirrored("dair-ai/emotion", "train") == tmp_path / "dair-ai/emotion/split/train.parquet"
    assert mirrored("me/own", "train") == tmp_path / "me/own/train.parquet"
    assert mirrored("me/own", "test") is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMBBERT_DATA")
    assert mirrored("me/own", "train") is None


def test_glue_is_tested_on_the_rows_that_have_labels(mirror):
    mirror("nyu-mll/glue/stsb/validation", sentence1=["a"], sentence2=["b"], label=[2.5])
    examples = read_examples("nyu-mll/glue/stsb", split="test", task="regress")
    assert (examples.targets, examples.source) == ((2.5,), "nyu-mll/glue/stsb:validation")
    message = refusal("nyu-mll/glue/stsb", split="validation", task="regress")
    assert message.startswith(
        "nyu-mll/glue/stsb: this data set has no validation rows of its own; it has train, test"
    )
    assert message.endswith("\n  Hold rows out of its train split.")


def test_labels_that_are_kept_back_are_refused(mirror):
    mirror("stanfordnlp/imdb/unsupervised", text=["a"], label=[-1])
    message = refusal("stanfordnlp/imdb", split="unsupervised")
    assert message.startswith("stanfordnlp/imdb:unsupervised, row 1: label -1 means that")


def test_a_damaged_mirror_file_is_refused_by_its_path(mirror, tmp_path):
    path = tmp_path / "benayas" / "snips" / "train.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no")
    assert refusal("benayas/snips").startswith(f"{path}: is not a Parquet file")


def test_a_mirror_that_is_no_folder_is_a_usage_error(monkeypatch, tmp_path):
    monkeypatch.setenv("EMBBERT_DATA", str(tmp_path / "no"))
    with pytest.raises(
        UsageError, match=r"EMBBERT_DATA names .*/no, which is no folder: correct it or unset it"
    ):
        read_examples("benayas/snips")


def test_without_the_mirror_the_hub_is_asked(hub):
    hub.answer = Split(text=["a", "b"], category=["x", "y"])
    examples = read_examples("benayas/snips", split="test")
    assert (examples.texts, examples.targets, examples.source) == (
        ("a", "b"),
        ("x", "y"),
        "benayas/snips:test",
    )
    assert hub.calls == [("benayas/snips", "test")]
    assert not hub.bars


def test_configurations_are_passed_on(hub):
    hub.answer = Split(text=["a"], sentence=["b"], label=[1])
    assert read_examples("nyu-mll/glue/cola", split="test").texts == ("b",)
    assert read_examples("dair-ai/emotion").targets == ("1",)
    read_examples("me/own/part")
    assert hub.calls == [
        ("nyu-mll/glue", "cola", "validation"),
        ("dair-ai/emotion", "split", "train"),
        ("me/own", "part", "train"),
    ]


def test_the_hub_is_asked_for_what_the_mirror_lacks(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("EMBBERT_DATA", str(tmp_path))
    hub.answer = Split(text=["a"], category=["x"])
    assert read_examples("benayas/snips").texts == ("a",)


@pytest.mark.parametrize(
    "error", [ConnectionError("no route\nmore"), ValueError("no route"), RuntimeError("no route")]
)
def test_whatever_the_hub_raises_becomes_a_message(hub, error):
    hub.answer = error
    assert refusal("benayas/snips") == (
        "benayas/snips:train: is neither a file here nor under EMBBERT_DATA (not set), "
        "and the hub did not give it: no route\n"
        "  Check the name and the network, or put benayas/snips/train.parquet into a folder "
        "that the environment variable EMBBERT_DATA names."
    )


def test_the_mirror_that_was_searched_and_the_nearest_known_id_are_named(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("EMBBERT_DATA", str(tmp_path))
    hub.answer = ConnectionError()
    message = refusal("benayas/snip")
    assert f"nor under EMBBERT_DATA ({tmp_path}), and the hub did not give it: ConnectionError" in message
    assert "(did you mean 'benayas/snips'?)" in message


def test_without_datasets_the_install_line_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.delenv("EMBBERT_DATA", raising=False)
    with pytest.raises(MissingExtraError) as caught:
        read_examples("benayas/snips")
    assert str(caught.value) == (
        "benayas/snips:train is neither a file here nor under EMBBERT_DATA (not set); "
        'loading it from the hub needs more packages: run  pip install "embbert[train]"'
    )


def test_hub_rows_are_checked_like_all_others(hub):
    hub.answer = Split(text=["a", ""], category=["x", "y"])
    assert refusal("benayas/snips").startswith(
        "benayas/snips:train, row 2: column 'text' holds an empty text"
    )
    hub.answer = Split(text=[], category=[])
    assert refusal("benayas/snips").startswith("benayas/snips:train: there are no rows")


def test_a_folder_that_looks_like_an_id_is_refused(hub, tmp_path):
    (tmp_path / "data" / "reviews").mkdir(parents=True)
    assert refusal("data/reviews").startswith(
        "data/reviews: is a folder here, not a file\n  Name a file inside it"
    )
    assert not hub.calls


def test_every_card_is_whole():
    assert len(known_sources()) == 16
    for source in known_sources():
        card = task_card(source)
        assert card.columns.label
        assert (card.columns.text is None) != (card.columns.pair is None)
        assert card.splits["train"] == "train"
        assert set(card.splits) <= {"train", "validation", "test"}
        assert len(set(card.splits.values())) == len(card.splits)
        assert card.task == ("regress" if source.endswith("stsb") else "classify")


def test_only_known_ids_have_a_card():
    assert task_card("dair-ai/emotion/split") == task_card("dair-ai/emotion")
    assert [
        task_card(source) for source in ("dair-ai/emotion/unsplit", "benayas/snips/x", "snips", "home", "")
    ] == [None] * 5
