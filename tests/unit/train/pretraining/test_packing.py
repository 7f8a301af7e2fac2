"""Batches out of a stream in which every token is another one, so that a row tells where it comes from."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from embbert.errors import DataError, UsageError
from embbert.text import CLS, SEP
from embbert.train.pretraining.packing import Batches, Packing
from embbert.train.pretraining.stream import CONTINUES, DOCUMENT, SENTENCE, Stream, Windows

FIRST = 5


class Corpus:
    """A stream of the tokens 5, 6, 7 … and what each of them is.

    Args:
        documents: lengths of words, in sentences, in documents.
        cuts: where a shard ends and the next begins.
    """

    def __init__(self, documents, cuts=()):
        flags = []
        for document in documents:
            for number, sentence in enumerate(document):
                begin = SENTENCE | (0 if number else DOCUMENT)
                for place, word in enumerate(sentence):
                    flags += [0 if place else begin] + [CONTINUES] * (word - 1)
        self.flags = np.array(flags, np.uint8)
        self.document = np.cumsum(self.flags & DOCUMENT > 0)
        self.start = (self.flags & (SENTENCE | DOCUMENT)) == SENTENCE
        self.size = len(flags)
        self.vocab_size = self.size + FIRST
        tokens = np.arange(FIRST, self.vocab_size).astype(np.uint16)
        self.shard = np.searchsorted(np.array(cuts), np.arange(self.size), side="right")
        self.stream = Stream(np.split(tokens, cuts), np.split(self.flags, cuts))

    def batches(self, length, rows, **packing):
        return Batches(self.stream, Packing(length, self.vocab_size, **packing), rows)


def regular(documents, sentences=6, words=4, word=2):
    return Corpus([[[word] * words] * sentences] * documents)


@st.composite
def corpora(draw, most_cuts=3):
    """Up to forty documents of a few short sentences, cut into shards anywhere."""
    sentence = st.lists(st.integers(1, 3), min_size=1, max_size=6)
    documents = draw(st.lists(st.lists(sentence, min_size=1, max_size=5), min_size=1, max_size=40))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    size = Corpus(documents).size
    return Corpus(documents, sorted(random.integers(0, size, draw(st.integers(0, most_cuts))).tolist()))


def restored(batch):
    """The rows as they were before tokens were hidden."""
    ids = batch.ids.copy()
    np.put_along_axis(ids, batch.columns, batch.labels, axis=1)
    return ids


def places(batch):
    """Where in the corpus the tokens of packed rows stood [n, T − 1]."""
    return restored(batch)[:, 1:] - FIRST


def halves(batch):
    """Where the tokens of A and of B stood, and whether the row is marked; pair by pair."""
    for row, other in zip(restored(batch), batch.other, strict=True):
        first, last = np.flatnonzero(row == SEP)
        assert row[0] == CLS
        assert last == len(row) - 1
        yield row[1:first] - FIRST, row[first + 1 : last] - FIRST, int(other)


def same(one, other):
    names = ("ids", "columns", "labels", "other")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@given(corpora(), st.integers(1, 9), st.data())
def test_windows_part_each_shard_and_know_their_documents(corpus, length, data):
    offset = data.draw(st.integers(0, length - 1))
    windows = Windows(corpus.stream, length, offset)
    numbers = np.random.default_rng(0).permutation(len(windows))
    tokens, flags = windows.read(numbers)
    at = tokens.astype(np.int64) - FIRST
    assert (np.diff(at, axis=1) == 1).all()
    assert np.array_equal(flags, corpus.flags[at])
    assert (corpus.shard[at] == corpus.shard[at[:, :1]]).all()
    assert np.array_equal(windows.documents(numbers), corpus.document[at[:, 0]])
    assert at[np.argsort(numbers), 0].tolist() == [
        int(start)
        for shard in range(len(corpus.stream.tokens))
        for where in [np.flatnonzero(corpus.shard == shard)]
        for start in where[offset : max(offset, len(where) - length + 1) : length]
    ]


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("whole_words", [False, True])
@settings(max_examples=40)
@given(corpus=corpora(), length=st.integers(5, 20), rows=st.integers(1, 5), seed=st.integers(0, 9))
def test_rows_are_full_and_what_is_predicted_was_there(corpus, length, rows, seed, pairs, whole_words):
    try:
        batches = corpus.batches(length, rows, pairs=pairs, whole_words=whole_words, seed=seed)
    except DataError:
        assume(False)
    batch = batches[batches.steps // 2]
    specials = 3 if pairs else 1
    assert batch.ids.shape == (rows, length)
    assert batch.columns.shape == batch.labels.shape == (rows, max(1, round(0.15 * (length - specials))))
    assert (np.diff(batch.columns, axis=1) > 0).all()
    assert ((batch.labels >= FIRST) & (batch.labels < corpus.vocab_size)).all()
    ids = restored(batch)
    assert ((ids < FIRST).sum(1) == specials).all()
    assert ids.min() > 0
    if pairs:
        assert all(len(a) + len(b) == length - 3 for a, b, _ in halves(batch))
    else:
        assert batch.other is None
        at = places(batch)
        assert (np.diff(at, axis=1) == 1).all()
        assert (corpus.shard[at] == corpus.shard[at[:, :1]]).all()


def test_an_epoch_sees_every_window_once_and_the_next_one_cuts_shuffles_and_masks_anew():
    corpus = regular(21)  # 1008 tokens
    batches = corpus.batches(11, 4)
    assert batches.windows == (1008 - 9) // 10
    assert batches.steps == batches.windows // 4
    epochs = [[batches[epoch * batches.steps + step] for step in range(batches.steps)] for epoch in range(4)]
    offsets, orders, masks = set(), set(), set()
    for epoch in epochs:
        starts = np.concatenate([places(batch)[:, 0] for batch in epoch])
        (offset,) = set((starts % 10).tolist())
        windows = (starts - offset) // 10
        assert len(set(windows.tolist())) == len(windows) == batches.steps * 4
        assert set(windows.tolist()) <= set(range(batches.windows))
        offsets.add(offset)
        orders.add(tuple(windows.tolist()))
        masks.add(tuple(np.concatenate([batch.columns.ravel() for batch in epoch]).tolist()))
    assert len(offsets) > 1
    assert len(orders) == len(masks) == 4


def test_every_shard_is_read_and_no_row_crosses_from_one_to_the_next():
    corpus = Corpus([[[1] * 7] * 4] * 30, cuts=[100, 333, 333, 640])
    batches = corpus.batches(9, 3)
    at = np.concatenate([places(batches[step]) for step in range(batches.steps)])
    assert (corpus.shard[at] == corpus.shard[at[:, :1]]).all()
    assert set(corpus.shard[at[:, 0]].tolist()) == {0, 1, 3, 4}
    assert len(np.unique(at)) == at.size


@pytest.mark.parametrize("pairs", [False, True])
@settings(max_examples=20)
@given(steps=st.lists(st.integers(0, 100), min_size=1, max_size=6), seed=st.integers(0, 2**40))
def test_a_batch_depends_on_seed_and_step_alone(steps, seed, pairs):
    corpus = regular(12)

    def batches(seed):
        return corpus.batches(16, 5, pairs=pairs, whole_words=True, seed=seed)

    asked = batches(seed)
    for step in steps:
        assert same(asked[step], batches(seed)[step])
    assert not same(asked[steps[0]], asked[steps[0] + 1])
    assert not same(asked[steps[0]], batches(seed + 1)[steps[0]])


@pytest.mark.parametrize("pairs", [False, True])
def test_rows_cuts_all_parts_alike(pairs):
    batch = regular(12).batches(16, 6, pairs=pairs)[3]
    part = batch.rows(2, 5)
    for name in ("ids", "columns", "labels"):
        assert np.array_equal(getattr(part, name), getattr(batch, name)[2:5])
    assert np.array_equal(part.other, batch.other[2:5]) if pairs else part.other is None


@settings(max_examples=200)
@given(corpus=corpora(), length=st.integers(5, 30), seed=st.integers(0, 1000))
def test_pairs_are_marked_by_what_they_are(corpus, length, seed):
    try:
        batches = corpus.batches(length, 2, pairs=True, seed=seed)
    except DataError:
        assume(False)
    for step in range(min(batches.steps, 8)):
        for a, b, other in halves(batches[step]):
            assert len(a) > 0
            assert len(b) > 0
            assert (np.diff(a) == 1).all()
            assert (np.diff(b) == 1).all()
            if other:
                assert not set(corpus.document[a].tolist()) & set(corpus.document[b].tolist())
            else:
                assert b[0] == a[-1] + 1
                assert not corpus.flags[b[0]] & DOCUMENT
                assert corpus.document[a[-1]] == corpus.document[b[0]]


@settings(max_examples=60)
@given(corpus=corpora(most_cuts=0), length=st.integers(7, 30), seed=st.integers(0, 1000))
def test_both_texts_begin_where_sentences_do_if_they_can(corpus, length, seed):
    try:
        batches = corpus.batches(length, 2, pairs=True, seed=seed)
    except DataError:
        assume(False)
    room = length - 3
    for a, b, other in halves(batches[0]):
        window = np.arange(a[0], a[0] + room)
        if corpus.start[window[1:]].any():
            assert corpus.start[window[len(a)]]
        else:
            assert room // 4 <= len(a) <= room - room // 4
        if other and b[0] != window[len(a)]:
            first = int((b[0] - a[0]) % room)
            before = corpus.start[b[0] - first + 1 : b[0]]
            assert not before.any()
            if first:
                assert corpus.start[b[0]]
                assert first <= len(a)
            else:
                assert not corpus.start[b[0] + 1 : b[0] + len(a) + 1].any()


def test_the_cut_is_in_the_middle_half_where_sentences_are_short():
    batches = Corpus([[[1]] * 50] * 60).batches(43, 8, pairs=True)
    cuts = [len(a) for step in range(8) for a, _, _ in halves(batches[step])]
    assert 10 <= min(cuts) < 15
    assert 25 < max(cuts) < 30


def test_about_half_of_the_pairs_are_of_two_documents():
    batches = Corpus([[[1] * 7] * 5] * 400).batches(38, 50, pairs=True)
    others = np.concatenate([batches[step].other for step in range(80)])
    assert others.dtype == np.int64
    # Half, less the draws that hit a neighbour (under 1 %), within five standard deviations.
    assert 0.49 - 0.04 < others.mean() < 0.50 + 0.04


def test_one_document_has_no_others():
    batches = Corpus([[[1] * 7] * 200]).batches(38, 5, pairs=True)
    assert not any(batches[step].other.any() for step in range(20))


def test_words_of_pairs_stay_whole_in_both_texts():
    corpus = Corpus([[[3, 2, 1, 3] * 2] * 4] * 40)
    batches = corpus.batches(45, 6, pairs=True, whole_words=True, mask_share=0.3)
    for step in range(10):
        batch = batches[step]
        for (a, b, _), labels in zip(halves(batch), batch.labels - FIRST, strict=True):
            chosen, cut = set(labels.tolist()), 0
            for half in (a, b):
                bounds = np.flatnonzero(~(corpus.flags[half] & CONTINUES).astype(bool))
                for word in np.split(half, bounds):
                    cut += 0 < len(set(word.tolist()) & chosen) < len(word)
            assert cut <= 1


@pytest.mark.parametrize("pairs", [False, True])
def test_a_corpus_too_small_for_one_batch_is_refused_with_its_size(pairs):
    room = 16 - (3 if pairs else 1)
    needed = 7 * room + room - 1
    assert Corpus([[[1] * needed]]).batches(16, 7, pairs=pairs).steps == 1
    with pytest.raises(DataError) as caught:
        Corpus([[[1] * (needed - 1)]]).batches(16, 7, pairs=pairs)
    assert f"has {needed - 1} tokens" in str(caught.value)
    assert f"7 rows of 16 tokens may need {needed}\n  give more text" in str(caught.value)


@given(corpora(), st.integers(2, 12), st.integers(1, 20))
def test_the_size_a_batch_may_need_is_enough(corpus, length, rows):
    needed = rows * (length - 1) + (2 * len(corpus.stream.tokens) - 1) * (length - 2)
    try:
        assert corpus.batches(length, rows).steps > 0
    except DataError:
        assert corpus.size < needed


@pytest.mark.parametrize(("length", "pairs"), [(1, False), (4, True)])
def test_rows_too_short_for_their_texts_are_refused(length, pairs):
    with pytest.raises(UsageError, match=f"a row of {length} tokens"):
        regular(3).batches(length, 1, pairs=pairs)
    assert regular(3).batches(length + 1, 1, pairs=pairs)[0].ids.shape == (1, length + 1)
