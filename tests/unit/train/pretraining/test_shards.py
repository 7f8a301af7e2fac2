"""A corpus in shards: the right tokens and flags, made once, and made anew when damaged."""

import fcntl
import hashlib
import json
import threading
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embbert.data import open_corpus, sentences
from embbert.errors import DataError
from embbert.text import UNK, train_tokenizer
from embbert.train.pretraining import encoder as encoder_module
from embbert.train.pretraining import shards as shards_module
from embbert.train.pretraining.encoder import Encoder
from embbert.train.pretraining.holdout import hold_out
from embbert.train.pretraining.sample import sample_texts
from embbert.train.pretraining.shard_files import ShardWriter, open_shards
from embbert.train.pretraining.shards import shard_corpus
from embbert.train.pretraining.stream import CONTINUES, DOCUMENT, SENTENCE, Stream

TEXTS = [
    "Turn the kitchen lights on. Turn it off, please!",
    "What's on at nine?\nNothing. The kitchen is on.",
]
MARKED = train_tokenizer(TEXTS, 70)
UNMARKED = train_tokenizer(TEXTS, 50, boundary="none")
BOTH = pytest.mark.parametrize("tokenizer", [MARKED, UNMARKED], ids=["continuation", "none"])


@pytest.fixture
def corpus(tmp_path):
    """A corpus of the documents given."""

    def write(documents, name="corpus"):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
        return open_corpus([str(path)])

    return write


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "deep" / "cache"


def silent(line):
    assert line.startswith("tokenising the corpus into ")


def whole(stream):
    return np.concatenate(stream.tokens).tolist(), np.concatenate(stream.flags).tolist()


def by_hand(documents, tokenizer):
    """Tokens and flags, one sentence at a time."""
    tokens, flags = [], []
    for document in documents:
        mark = SENTENCE | DOCUMENT
        for sentence in sentences(document):
            ids, inside = tokenizer.encode_pieces([sentence])[0]
            tokens += ids
            flags += [
                CONTINUES * goes_on + (mark if index == 0 else 0) for index, goes_on in enumerate(inside)
            ]
            mark = SENTENCE if ids else mark
    return tokens, flags


# --- what is in them


@BOTH
@given(text=st.one_of(st.text(max_size=60), st.text(st.sampled_from("on the\n,.☃é\xa0ÀK"), max_size=60)))
def test_pieces_have_the_ids_of_encode_and_begin_where_words_do(tokenizer, text):
    ids, inside = tokenizer.encode_pieces([text])[0]
    assert ids == tokenizer.encode(text, max_length=10_000)[1:]
    assert len(inside) == len(ids)
    assert not any(inside[:1])
    if tokenizer.boundary == "continuation":
        marks = [tokenizer.token(index).startswith("##") for index in ids]
        assert all(
            mark == goes_on for mark, goes_on, index in zip(marks, inside, ids, strict=True) if index != UNK
        )


@BOTH
def test_unknown_characters_inside_a_word_go_on_too(tokenizer):
    ids, inside = tokenizer.encode_pieces(["Turn it-on☃t, " + "t" * 70])[0]
    text = "".join(
        ("" if goes_on else " ") + tokenizer.token(index).removeprefix("##")
        for index, goes_on in zip(ids, inside, strict=True)
    )
    assert text == " turn it [UNK] on[UNK]t , " + "t" * 64 + " " + "t" * 6  # a longer run is cut


@BOTH
@settings(max_examples=30)
@given(
    rows=st.lists(
        st.lists(st.text(st.sampled_from("onthe ☃,.K"), max_size=12), min_size=1, max_size=4), max_size=4
    )
)
def test_the_encoder_gives_what_the_tokenizer_gives(tokenizer, rows):
    encoder = Encoder(tokenizer)
    for batch in [*rows, *rows]:  # the second time everything is known
        tokens, flags, lengths = encoder.encode(batch)
        pieces = tokenizer.encode_pieces(batch)
        assert tokens.tolist() == [index for ids, _ in pieces for index in ids]
        assert flags.tolist() == [CONTINUES * goes_on for _, inside in pieces for goes_on in inside]
        assert lengths.tolist() == [len(ids) for ids, _ in pieces]


def test_the_encoder_asks_once_per_chunk_and_forgets_when_it_knows_too_much(monkeypatch):
    asked = []

    class Listening:
        def encode_pieces(self, texts):
            asked.append(list(texts))
            return MARKED.encode_pieces(texts)

    encoder = Encoder(Listening())
    encoder.encode(["turn it on", "on it"])
    encoder.encode(["it on nine"])
    assert asked == [["turn", "it", "on"], ["nine"]]
    monkeypatch.setattr(encoder_module, "_CHUNKS", 3)
    monkeypatch.setattr(encoder_module, "_CHUNKS_PER_CALL", 2)
    assert encoder.encode(["it on turn"]).tokens.tolist() == MARKED.encode("it on turn", max_length=99)[1:]
    assert asked[2:] == [["it", "on"], ["turn"]]


@BOTH
@pytest.mark.parametrize("characters", [1, 70, 10_000])
def test_shards_hold_every_sentence_with_its_flags(corpus, cache, tokenizer, characters, monkeypatch):
    monkeypatch.setattr(shards_module, "_BATCH_CHARACTERS", characters)
    # A document and sentences without a token: the tokenizer drops control characters.
    documents = [*TEXTS, "\x01", "\x01\nOn it.\n\x01\n☃", "Off.", "What?"]
    batches, tokenise = [], shards_module._tokenise
    monkeypatch.setattr(
        shards_module, "_tokenise", lambda held, encoder: batches.append(held) or tokenise(held, encoder)
    )
    stream = shard_corpus(corpus(documents), tokenizer, cache, say=silent)
    assert whole(stream) == by_hand(documents, tokenizer)
    assert len(stream) > 40
    assert len(batches) == {1: 6, 70: 2, 10_000: 1}[characters]
    assert [type(array) for array in (stream.tokens[0], stream.flags[0])] == [np.memmap] * 2
    assert (stream.tokens[0].dtype, stream.flags[0].dtype) == (np.uint16, np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        stream.tokens[0][0] = 1
    index = json.loads(next(cache.glob("*/index.json")).read_text())
    assert (index["documents"], index["sentences"], index["tokens"]) == (5, 9, [len(stream)])
    assert (index["format"], index["vocab_size"]) == (1, tokenizer.vocab_size)
    for name, expected in index["sha256"].items():
        assert hashlib.sha256(next(cache.glob(f"*/{name}")).read_bytes()).hexdigest() == expected
    assert sorted(index["sha256"]) == ["flags-00000.u8", "tokens-00000.u16"]


def test_documents_are_not_cut_by_the_ends_of_shards(corpus, cache, monkeypatch):
    monkeypatch.setattr(shards_module, "SHARD_TOKENS", 10)
    monkeypatch.setattr(shards_module, "_BATCH_CHARACTERS", 9)
    documents = [" ".join(["on"] * size) for size in (4, 5, 3, 7, 1, 25, 4, 10, 1)]
    stream = shard_corpus(corpus(documents), MARKED, cache, say=silent)
    # 4 5 | 3 7 | 1 | 25, longer than a shard, and 4 after its end | 10 | 1
    assert [len(tokens) for tokens in stream.tokens] == [9, 10, 1, 10, 10, 9, 10, 1]
    assert [starts.tolist() for starts in stream.document_starts] == [
        [0, 4],
        [0, 3],
        [0],
        [0],
        [],
        [5],
        [0],
        [0],
    ]
    assert whole(stream) == by_hand(documents, MARKED)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(1, 12), max_size=4), max_size=3), st.integers(3, 9))
def test_any_sizes_fit_into_any_shards(tmp_path_factory, batches, limit):
    folder = tmp_path_factory.mktemp("shards")
    written = []
    # So many shards need not reach the disk.
    with patch("os.fsync"), ShardWriter(folder, limit) as writer:
        for sizes in batches:
            bounds = np.cumsum([0, *sizes])
            tokens = np.arange(len(written), len(written) + bounds[-1]).astype(np.uint16)
            flags = np.zeros(len(tokens), np.uint8)
            flags[bounds[:-1]] = DOCUMENT
            writer.add(tokens, flags, bounds)
            written += tokens.tolist()
        writer.close({"for": "a test"})
    if not written:
        return
    stream = open_shards(folder, {"for": "a test"})
    assert whole(stream)[0] == written
    assert all(1 <= len(tokens) <= limit for tokens in stream.tokens)
    short = [size for sizes in batches for size in sizes]
    starts = np.cumsum([0, *short])[:-1]
    ends = set(np.cumsum([len(tokens) for tokens in stream.tokens]).tolist())
    for start, size in zip(starts.tolist(), short, strict=True):
        assert size > limit or not any(start < end < start + size for end in ends)


# --- the cache


def test_files_and_folders_are_flushed_before_and_after_the_renaming(corpus, cache):
    seen = []

    def flushed(handle):
        seen.append(
            (Path(f"/proc/self/fd/{handle}").readlink().name, [*cache.glob("[!.]*/index.json")] != [])
        )

    with patch("os.fsync", flushed):
        shard_corpus(corpus(TEXTS), MARKED, cache, say=silent)
    part = next(cache.glob(".*.lock")).name.removesuffix("lock") + "part"
    assert seen == [
        ("tokens-00000.u16", False),
        ("flags-00000.u8", False),
        ("index.json", False),
        (part, False),
        ("cache", True),
    ]


def test_a_finished_corpus_is_not_tokenised_again(corpus, cache, monkeypatch):
    text = corpus(TEXTS)
    first = shard_corpus(text, MARKED, cache, say=silent)
    monkeypatch.setattr(shards_module, "Encoder", None)
    again = shard_corpus(corpus(TEXTS, "of another name"), MARKED, cache, say=pytest.fail)
    assert whole(again) == whole(first)


def test_other_text_tokenizers_and_formats_have_other_folders(corpus, cache, monkeypatch):
    shard_corpus(corpus(TEXTS), MARKED, cache, say=silent)
    shard_corpus(corpus(TEXTS[::-1]), MARKED, cache, say=silent)
    shard_corpus(corpus(TEXTS), UNMARKED, cache, say=silent)
    monkeypatch.setattr(shards_module, "FORMAT", 2)
    shard_corpus(corpus(TEXTS), MARKED, cache, say=silent)
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 4


def inverted(name):
    """Other contents of the same size."""

    def change(folder):
        path = folder / name
        path.write_bytes(bytes(255 - value for value in path.read_bytes()))

    return change


def edited(**changes):
    def damage(folder):
        index = folder / "index.json"
        index.write_text(json.dumps({**json.loads(index.read_text()), **changes}))

    return damage


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda folder: (folder / "index.json").unlink(), "cannot be read"),
        (lambda folder: (folder / "index.json").write_text("{"), "is not valid JSON"),
        (lambda folder: (folder / "index.json").write_text("[]"), "must hold a JSON object"),
        (edited(corpus="0" * 64), "speaks of something else"),
        (edited(format=0), "speaks of something else"),
        (edited(tokens=[]), "does not say how many tokens"),
        (edited(tokens=[True]), "does not say how many tokens"),
        (edited(tokens=[0]), "does not say how many tokens"),
        (edited(tokens="1"), "does not say how many tokens"),
        (lambda folder: (folder / "flags-00000.u8").unlink(), "flags-00000.u8 has 0 bytes instead of "),
        (lambda folder: (folder / "tokens-00000.u16").write_bytes(b"abc"), "u16 has 3 bytes instead of "),
        (inverted("tokens-00000.u16"), "u16 does not hold what was written"),
        (inverted("flags-00000.u8"), "u8 does not hold what was written"),
        (edited(sha256=None), "u16 does not hold what was written"),
    ],
)
def test_damage_is_told_and_repaired(corpus, cache, damage, fault):
    text = corpus(TEXTS)
    expected = whole(shard_corpus(text, MARKED, cache, say=silent))
    damage(next(path for path in cache.iterdir() if path.is_dir()))
    told = []
    assert whole(shard_corpus(text, MARKED, cache, say=told.append)) == expected
    assert told[0].startswith("the tokenised corpus is damaged and will be made anew: ")
    assert fault in told[0]
    assert len(told) == 2
    assert whole(shard_corpus(text, MARKED, cache, say=pytest.fail)) == expected


def test_what_a_crash_left_is_thrown_away(corpus, cache):
    text = corpus(TEXTS)
    expected = whole(shard_corpus(text, MARKED, cache, say=silent))
    folder = next(path for path in cache.iterdir() if path.is_dir())
    folder.rename(cache / f".{folder.name}.part")  # as if it had ended just before the renaming
    assert whole(shard_corpus(text, MARKED, cache, say=silent)) == expected
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [folder.name]


def test_a_failure_leaves_nothing_behind(corpus, cache, tmp_path):
    text = corpus(TEXTS)
    (tmp_path / "corpus.jsonl").write_text('{"text": "a"}\n{')
    with pytest.raises(DataError, match="row 2: this line is not valid JSON"):
        shard_corpus(text, MARKED, cache, say=silent)
    assert [path for path in cache.iterdir() if path.is_dir()] == []


def test_a_corpus_without_a_token_is_refused(corpus, cache):
    for documents in ([], ["\x01\x02"]):
        with pytest.raises(DataError, match=r"corpus.jsonl: the tokenizer knows nothing of the text"):
            shard_corpus(corpus(documents), MARKED, cache, say=silent)


def test_a_cache_that_cannot_be_written_is_named(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be kept here: Not a directory\n  Free some space"):
        shard_corpus(corpus(TEXTS), MARKED, tmp_path / "file" / "cache", say=silent)


def test_another_process_is_waited_for(corpus, cache):
    text = corpus(TEXTS)
    expected = whole(shard_corpus(text, MARKED, cache, say=silent))
    folder = next(path for path in cache.iterdir() if path.is_dir())
    elsewhere = folder.rename(cache / "elsewhere")
    waits = threading.Event()
    found = []

    def say(line):
        assert line == "waiting for another process that is tokenising the same corpus"
        waits.set()

    with (cache / f".{folder.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=lambda: found.append(shard_corpus(text, MARKED, cache, say=say)))
        other.start()
        assert waits.wait(20)
        assert found == []
        elsewhere.rename(folder)
    other.join(20)
    assert [whole(stream) for stream in found] == [expected]


def test_a_finished_corpus_is_read_from_a_cache_that_cannot_be_written(corpus, cache):
    expected = whole(shard_corpus(corpus(TEXTS), MARKED, cache, say=silent))
    next(cache.glob(".*.lock")).unlink()
    denied = OSError(30, "Read-only file system")
    with patch.object(Path, "mkdir", side_effect=denied), patch.object(fcntl, "flock", side_effect=denied):
        assert whole(shard_corpus(corpus(TEXTS), MARKED, cache, say=pytest.fail)) == expected


# --- validation text


def made_of(*shards):
    """A stream out of the sizes of documents; a negative one goes on with the shard before."""
    tokens, flags, count = [], [], 0
    for sizes in shards:
        row = []
        for size in sizes:
            row += [DOCUMENT * (size > 0)] + [0] * (abs(size) - 1)
        flags.append(np.array(row, np.uint8))
        tokens.append(np.arange(count, count + len(row)).astype(np.uint16))
        count += len(row)
    return Stream(tokens, flags)


@pytest.mark.parametrize(
    ("wanted", "cut"),
    [(1, 27), (3, 27), (4, 22), (8, 22), (9, 12), (18, 12), (19, 5), (25, 5)],
)
def test_the_last_whole_documents_are_held_out(wanted, cut):
    stream = made_of([5, 7], [10], [5, 3])
    training, validation = hold_out(stream, wanted)
    assert whole(training)[0] == list(range(cut))
    assert whole(validation)[0] == list(range(cut, 30))
    assert whole(training)[1] + whole(validation)[1] == whole(stream)[1]
    assert all(len(tokens) for part in (training, validation) for tokens in part.tokens)
    assert np.shares_memory(validation.tokens[-1], stream.tokens[-1])


def test_a_document_in_two_shards_is_held_out_as_a_whole():
    training, validation = hold_out(made_of([5, 7], [-6, 2]), 3)
    assert [len(tokens) for tokens in training.tokens] == [5]
    assert [len(tokens) for tokens in validation.tokens] == [7, 8]


@pytest.mark.parametrize(("wanted", "cut"), [(1, 20), (10, 20), (11, 12), (18, 12), (19, 4)])
def test_a_single_document_is_cut_where_a_sentence_starts(wanted, cut):
    stream = made_of([12], [-18])
    for flags, starts in zip(stream.flags, ([0, 4], [0, 8]), strict=True):
        flags[starts] |= SENTENCE
    training, validation = hold_out(stream, wanted)
    assert whole(training)[0] == list(range(cut))
    assert whole(validation)[0] == list(range(cut, 30))


@pytest.mark.parametrize(
    ("wanted", "cut"),
    [
        (4, 35),  # where a sentence starts: the document would be more than twice as much
        (14, 25),
        (15, 10),  # twice as much is not too much
        (31, 5),  # no document starts early enough
    ],
)
def test_of_a_long_last_document_only_the_end_is_held_out(wanted, cut):
    stream = made_of([10], [12], [-18])
    for flags, starts in zip(stream.flags, ([0, 5], [0, 5, 10], [3, 8, 13]), strict=True):
        flags[starts] |= SENTENCE
    training, validation = hold_out(stream, wanted)
    assert whole(training)[0] == list(range(cut))
    assert whole(validation)[0] == list(range(cut, 40))


@pytest.mark.parametrize("wanted", [26, 30, 31, 1000])
def test_a_corpus_too_small_for_both_is_refused(wanted):
    with pytest.raises(DataError, match=rf"it has 30 tokens in 5 documents, .* at least {wanted:,} tokens"):
        hold_out(made_of([5, 7], [10], [5, 3]), wanted)


# --- text for a tokenizer


def test_a_sample_is_in_order_fits_and_follows_the_seed(corpus):
    documents = [f"é document {n}" for n in range(1000)]
    text = corpus(documents)
    samples = [list(sample_texts(text, 1500, seed)) for seed in (0, 1, 0)]
    assert samples[0] == samples[2] != samples[1]
    for sample in samples:
        assert sample == sorted(sample, key=documents.index)
        assert 1480 < sum(len(document.encode()) for document in sample) <= 1500
        # About 95 of 1000, from everywhere.
        assert 5 < sum(documents.index(document) < 250 for document in sample) < 50
        assert 5 < sum(documents.index(document) >= 750 for document in sample) < 50


def test_a_small_corpus_is_taken_whole_and_a_long_document_too(corpus):
    assert list(sample_texts(corpus(TEXTS))) == TEXTS
    assert list(sample_texts(corpus(["x" * 100]), 10)) == ["x" * 100]
    assert list(sample_texts(corpus([]))) == []


def test_a_smaller_sample_is_a_part_of_a_larger_one(corpus):
    text = corpus([f"{n:04}" for n in range(200)])
    small, large = (list(sample_texts(text, limit)) for limit in (100, 400))
    assert (len(small), len(large)) == (25, 100)
    assert set(small) < set(large)
