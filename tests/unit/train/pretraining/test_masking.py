"""What is hidden: how much, where, and behind what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.text import MASK
from embbert.train.pretraining.masking import choose, hide, predicted_count
from embbert.train.pretraining.stream import CONTINUES, SENTENCE

LAST_SPECIAL = 4
VOCAB_SIZE = 500


def generator(seed=0):
    return np.random.Generator(np.random.Philox(seed))


@st.composite
def texts(draw):
    """Ids and flags [n, T] and a count that every row can meet."""
    rows, length = draw(st.integers(1, 6)), draw(st.integers(2, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = random.integers(LAST_SPECIAL + 1, VOCAB_SIZE, (rows, length))
    ids[random.random(ids.shape) < draw(st.floats(0, 0.4))] = random.integers(0, LAST_SPECIAL + 1)
    ids[:, 1] = VOCAB_SIZE - 1
    flags = np.where(random.random(ids.shape) < draw(st.floats(0, 1)), CONTINUES, SENTENCE).astype(np.uint8)
    most = int((ids > LAST_SPECIAL).sum(1).min())
    return ids, flags, draw(st.integers(1, most))


def words(ids, flags):
    """The columns of each word of one row, special tokens left out."""
    found = {}
    start = 0
    for column, (token, flag) in enumerate(zip(ids, flags, strict=True)):
        if not flag & CONTINUES:
            start = column
        if token > LAST_SPECIAL:
            found.setdefault(start, set()).add(column)
    return list(found.values())


@pytest.mark.parametrize(
    ("length", "share", "count"), [(127, 0.15, 19), (100, 0.15, 15), (3, 0.15, 1), (1, 0.5, 1), (9, 1.0, 9)]
)
def test_the_count_is_the_rounded_share_and_never_nothing(length, share, count):
    assert predicted_count(length, share) == count


@given(texts(), st.integers(0, 2**32), st.booleans())
def test_every_row_has_exactly_so_many_rising_columns_and_no_special_token(text, seed, whole_words):
    ids, flags, count = text
    columns = choose(ids, flags, count, generator(seed), whole_words=whole_words)
    assert columns.shape == (len(ids), count)
    assert (np.diff(columns, axis=1) > 0).all()
    assert (np.take_along_axis(ids, columns, axis=1) > LAST_SPECIAL).all()


@given(texts(), st.integers(0, 2**32))
def test_at_most_one_word_of_a_row_is_cut_by_the_count(text, seed):
    ids, flags, count = text
    columns = choose(ids, flags, count, generator(seed), whole_words=True)
    for row, row_flags, chosen in zip(ids, flags, map(set, columns.tolist()), strict=True):
        cut = [word for word in words(row, row_flags) if word & chosen and word - chosen]
        assert len(cut) <= 1
        for word in cut:  # and it loses its end, not its beginning
            assert max(word & chosen) < min(word - chosen)


def test_single_tokens_do_cut_words():
    ids = np.full((200, 20), 9)
    flags = np.tile(np.array([0, CONTINUES], np.uint8), (200, 10))
    columns = choose(ids, flags, 10, generator(), whole_words=False)
    assert any(len(set((row // 2).tolist())) > 5 for row in columns)
    whole = choose(ids, flags, 10, generator(), whole_words=True)
    assert all(len(set((row // 2).tolist())) == 5 for row in whole)


@pytest.mark.parametrize(("whole_words", "specials"), [(False, [0, 5]), (True, [0, 1, 2, 3, 4, 5])])
def test_every_ordinary_column_is_chosen_equally_often(whole_words, specials):
    rows, length, count = 20_000, 14, 4
    ids = np.full((rows, length), 9)
    ids[:, specials] = 4
    flags = np.tile(np.array([0, CONTINUES], np.uint8), (rows, length // 2))
    ordinary = ids[0] > LAST_SPECIAL
    columns = choose(ids, flags, count, generator(), whole_words=whole_words)
    times = np.bincount(columns.ravel(), minlength=length)
    share = count / ordinary.sum()
    bound = 5 * np.sqrt(rows * share * (1 - share))  # five standard deviations of the binomial
    assert not times[~ordinary].any()
    assert (np.abs(times[ordinary] - rows * share) < bound).all()


def test_four_fifths_are_masked_a_tenth_is_random_and_a_tenth_stays():
    rows, length, count = 4_000, 40, 25
    ids = np.tile(np.arange(5, 5 + length), (rows, 1))
    columns = choose(ids, np.zeros_like(ids, np.uint8), count, generator(1), whole_words=False)
    before = ids.copy()
    hidden = hide(ids, columns, VOCAB_SIZE, generator(2))
    assert np.array_equal(ids, before)

    shown = np.take_along_axis(hidden, columns, axis=1)
    labels = np.take_along_axis(ids, columns, axis=1)
    chance = 0.1 / (VOCAB_SIZE - LAST_SPECIAL - 1)  # a random token may be the one that stood there
    expected = [
        (0.8, shown == MASK),
        (0.1 + chance, shown == labels),
        (0.1 - chance, (shown != MASK) & (shown != labels)),
    ]
    n = rows * count
    for share, found in expected:
        assert abs(found.sum() - n * share) < 5 * np.sqrt(n * share * (1 - share))

    random = shown[(shown != MASK) & (shown != labels)]
    assert random.min() == LAST_SPECIAL + 1
    assert random.max() == VOCAB_SIZE - 1
    untouched = np.ones_like(ids, bool)
    np.put_along_axis(untouched, columns, False, axis=1)
    assert np.array_equal(hidden[untouched], ids[untouched])


def test_where_too_few_tokens_are_known_the_others_come_before_separators():
    ids = np.array([[2, 1, 7, 1, 1, 4], [2, 7, 8, 9, 1, 4]])
    flags = np.full(ids.shape, SENTENCE, np.uint8)
    for seed in range(20):
        first, second = choose(ids, flags, 3, generator(seed), whole_words=False)
        assert 2 in first
        assert set(first) <= {1, 2, 3, 4}
        assert second.tolist() == [1, 2, 3]
