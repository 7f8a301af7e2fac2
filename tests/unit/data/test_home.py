"""The shipped data set: its form, its labels, and that no test utterance is a near-copy of a training one."""

import csv
import io
import re
from collections import Counter, defaultdict
from importlib import resources

import pytest

SPLITS = ("train", "test")
INTENTS = {
    "change_volume",
    "device_status",
    "light_off",
    "light_on",
    "lock_door",
    "play_media",
    "set_alarm",
    "set_brightness",
    "set_temperature",
    "set_timer",
    "start_cleaning",
    "stop_media",
    "unlock_door",
    "weather",
}
OUT_OF_SCOPE = "out_of_scope"
SIMILARITY_LIMIT = 0.75

FILLER_PHRASES = re.compile(
    r"\b(?:(?:could|can|would|will) you(?: mind)?|i would like|i d like|i want|thank you|of course)\b"
)
FILLERS = re.compile(
    r"\b(?:uh|uhm|um|hm|hmm|hey|hi|hello|okay|ok|so|well|please|pls|plz|kindly|just|thanks|thx"
    r"|the|a|an|would|could|can|u|ya|you)\b"
)
NUMBER_WORDS = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred)\b"
)


def normalise(text):
    """Lower case, no punctuation, no fillers or politeness, every run of numbers as one '#'."""
    text = re.sub(r"\d+(?:[.:]\d+)*", " # ", text.lower())
    text = " ".join(re.sub(r"[^a-z#]+", " ", text).split())
    text = NUMBER_WORDS.sub("#", FILLERS.sub(" ", FILLER_PHRASES.sub(" ", text)))
    return re.sub(r"#(?: #)+", "#", " ".join(text.split()))


def trigrams(normalised):
    padded = f" {normalised} "
    return {padded[i : i + 3] for i in range(max(1, len(padded) - 2))}


def jaccard(first, second):
    return len(first & second) / len(first | second)


def folder():
    return resources.files("embbert") / "data" / "home"


def raw(split):
    return (folder() / f"{split}.csv").read_bytes()


def read(split):
    return list(csv.DictReader(io.StringIO(raw(split).decode("utf-8"), newline="")))


@pytest.fixture(scope="module")
def rows():
    return {split: read(split) for split in SPLITS}


@pytest.fixture(scope="module")
def everything(rows):
    return rows["train"] + rows["test"]


def test_normalise_drops_what_does_not_tell_utterances_apart():
    assert normalise("Okay so, could you DIM the lamp to 40%, please?") == "dim lamp to #"
    assert normalise("set it to sixty five") == normalise("Set it to 7:30!") == "set it to #"
    assert normalise("I'd like the lights on") == "lights on"


def test_similarity_finds_a_near_copy_and_lets_a_paraphrase_pass():
    base = trigrams(normalise("lock the front door"))
    assert jaccard(base, trigrams(normalise("please relock the front door"))) >= SIMILARITY_LIMIT
    assert jaccard(base, trigrams(normalise("make sure nobody can get in"))) < SIMILARITY_LIMIT


@pytest.mark.parametrize("split", SPLITS)
def test_file_is_plain_csv(split):
    content = raw(split)
    assert b"\r" not in content
    assert content.startswith(b"text,label\n")
    again = io.StringIO(newline="")
    writer = csv.writer(again, lineterminator="\n")
    writer.writerow(["text", "label"])
    writer.writerows((row["text"], row["label"]) for row in read(split))
    assert again.getvalue().encode("utf-8") == content


@pytest.mark.parametrize("split", SPLITS)
def test_every_row_has_a_text_and_a_label(rows, split):
    for row in rows[split]:
        assert set(row) == {"text", "label"}
        assert row["text"]
        assert row["text"] == " ".join(row["text"].split())


@pytest.mark.parametrize("split", SPLITS)
def test_every_label_is_in_both_files(rows, split):
    assert {row["label"] for row in rows[split]} == INTENTS | {OUT_OF_SCOPE}


def test_counts(rows, everything):
    assert len({row["text"].casefold() for row in everything}) == len(everything) >= 1500
    assert 0.18 <= len(rows["test"]) / len(everything) <= 0.22


def test_labels_are_balanced(rows, everything):
    total = Counter(row["label"] for row in everything)
    held_out = Counter(row["label"] for row in rows["test"])
    assert total[OUT_OF_SCOPE] >= 200
    for intent in INTENTS:
        assert 80 <= total[intent] <= 120, intent
    for label, count in total.items():
        assert 0.17 <= held_out[label] / count <= 0.23, label


def test_lengths(everything):
    characters = [len(row["text"]) for row in everything]
    words = [len(row["text"].split()) for row in everything]
    assert min(characters) >= 4
    assert max(characters) <= 200
    assert words.count(1) >= 10
    assert 30 <= max(words) <= 40
    assert 5 <= sum(words) / len(words) <= 8


def test_texts_use_printable_ascii_only(everything):
    assert all(row["text"].isascii() and row["text"].isprintable() for row in everything)


def test_no_two_utterances_are_the_same_once_normalised(everything):
    seen = Counter(normalise(row["text"]) for row in everything)
    assert [form for form, count in seen.items() if count > 1] == []


def test_no_near_copy_of_a_training_utterance_in_test(rows):
    train = defaultdict(list)
    for row in rows["train"]:
        train[row["label"]].append((row["text"], trigrams(normalise(row["text"]))))
    close = [
        (row["text"], text)
        for row in rows["test"]
        for text, grams in train[row["label"]]
        if jaccard(trigrams(normalise(row["text"])), grams) >= SIMILARITY_LIMIT
    ]
    assert close == []


def test_card_states_the_true_counts(rows):
    card = (folder() / "README.md").read_text(encoding="utf-8")
    stated = {
        label: (int(train), int(test))
        for label, train, test in re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| (\d+) \|$", card, re.MULTILINE)
    }
    counts = {split: Counter(row["label"] for row in rows[split]) for split in SPLITS}
    assert stated == {label: (counts["train"][label], counts["test"][label]) for label in counts["train"]}
    assert f"| total | | {len(rows['train'])} | {len(rows['test'])} |" in card
