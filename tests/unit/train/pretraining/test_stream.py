"""Windows over a tokenised corpus."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.train.pretraining.stream import DOCUMENT, SENTENCE, Stream, Windows


def stream(sizes, starts=((),)):
    """Shards whose tokens count on from shard to shard; documents start at `starts` of each."""
    tokens = np.split(np.arange(sum(sizes), dtype=np.uint16), np.cumsum(sizes)[:-1])
    flags = [np.zeros(size, np.uint8) for size in sizes]
    for shard, at in zip(flags, starts, strict=False):
        shard[list(at)] = SENTENCE | DOCUMENT
    return Stream(tokens, flags)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(1, 9), st.integers(0, 12))
def test_windows_partition_the_shards_less_their_ends(sizes, length, offset):
    text = stream(sizes)
    windows = Windows(text, length, offset)
    expected = [
        tokens[start : start + length].tolist()
        for tokens in text.tokens
        for start in range(offset, len(tokens) - length + 1, length)
    ]
    assert len(windows) == len(expected)
    tokens, flags = windows.read(np.arange(len(windows)))
    assert tokens.tolist() == expected
    assert (tokens.dtype, flags.dtype) == (np.uint16, np.uint8)
    assert tokens.shape == flags.shape == (len(expected), length)


def test_windows_can_be_read_in_any_order_and_more_than_once():
    text = stream([10, 3, 9])
    text.flags[2][4] = SENTENCE
    windows = Windows(text, 4)
    assert len(windows) == 4
    tokens, flags = windows.read(np.array([3, 0, 3, 2]))
    assert tokens.tolist() == [[17, 18, 19, 20], [0, 1, 2, 3], [17, 18, 19, 20], [13, 14, 15, 16]]
    assert flags.tolist() == [[SENTENCE, 0, 0, 0], [0] * 4, [SENTENCE, 0, 0, 0], [0] * 4]


def test_length_and_document_starts_are_those_of_all_shards():
    text = stream([5, 6], [(0, 3), (2,)])
    text.flags[0][4] = SENTENCE  # no document
    assert len(text) == 11
    assert [starts.tolist() for starts in text.document_starts] == [[0, 3], [2]]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0, [1, 1, 2, 3, 4]),  # the second shard begins in document 3, which began in the first
        (1, [1, 2, 3, 3, 4]),
    ],
)
def test_windows_name_the_document_they_begin_in(offset, expected):
    windows = Windows(stream([9, 7], [(0, 4, 7), (3,)]), 3, offset)
    numbers = np.arange(len(windows))
    starts = [int(window[0]) for window in windows.read(numbers)[0]]
    assert starts == [[0, 3, 6, 9, 12], [1, 4, 10, 13]][offset]
    by_hand = {0: 1, 3: 1, 6: 2, 9: 3, 12: 4, 1: 1, 4: 2, 10: 3, 13: 4}
    assert windows.documents(numbers).tolist() == [by_hand[start] for start in starts]
    assert windows.documents(numbers[::-1]).tolist() == windows.documents(numbers).tolist()[::-1]
