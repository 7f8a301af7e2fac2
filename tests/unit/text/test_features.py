"""N-grams: which there are, in which order, and what their hashes are."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embbert.text.features import LENGTHS, START, Ngram, features, hash_of
from embbert.text.pipeline import NORMALIZER, WORD_SPLITTER, replace_surrogates

ASCII = frozenset(map(chr, range(33, 127)))


def slow_ngrams(text, characters, second):
    """By the specification, one text at a time and one character at a time."""
    normal = NORMALIZER.normalize_str(replace_surrogates(text))
    pieces = [piece for piece, _ in WORD_SPLITTER.pre_tokenize_str(normal)]
    words = ["".join(c if c in characters else "\ufffd" for c in piece) for piece in pieces]
    found = []
    for place, word in enumerate(words):
        marked = f" {word} "
        found += [
            Ngram("characters", marked[end - length : end], second)
            for end in range(1, len(marked) + 1)
            for length in LENGTHS
            if length <= end and length < len(marked)
        ]
        found.append(Ngram("words", word, second))
        if place:
            found.append(Ngram("words", f"{words[place - 1]} {word}", second))
    return found


def spelled(texts, characters=ASCII, *, second=False):
    found = features(texts, characters, second=second)
    every = [found.ngram(index, second=second) for index in range(len(found.hashes))]
    return [every[begin:end] for begin, end in itertools.pairwise(found.begins.tolist())]


def test_the_ngrams_of_a_text_in_order():
    (found,) = spelled(["Go on!"])
    assert [ngram.text for ngram in found] == [
        " go", "go ", "go", " on", "on ", "on", "go on", "!", "on !",
    ]  # fmt: skip
    assert [ngram.kind for ngram in found].count("words") == 5


def test_a_stretch_is_never_the_word_itself():
    (found,) = spelled(["cat"])
    assert [ngram.text for ngram in found] == [" ca", "cat", " cat", "at ", "cat ", "cat"]


def test_texts_are_apart_and_may_be_empty():
    assert spelled([]) == []
    assert spelled(["", " \t", "a", "", "a"]) == [[], [], [Ngram("words", "a")], [], [Ngram("words", "a")]]


def test_unknown_characters_are_alike():
    assert spelled(["aж"], frozenset("a")) == spelled(["aя"], frozenset("a"))
    assert spelled(["ж"], frozenset("a")) == [[Ngram("words", "\ufffd")]]


def test_known_hashes():
    """Worked out once by hand: FNV-1a of the characters, then one mixing step."""
    state = START["words", False]
    for character in "on":
        state = ((state ^ ord(character)) * 16777619) % 2**32
    assert hash_of(Ngram("words", "on")) == (state ^ (state >> 16)) * 0x85EBCA6B % 2**32
    assert len({hash_of(Ngram(kind, "on", second)) for kind, second in START}) == 4


@settings(max_examples=200)
@given(
    texts=st.lists(st.one_of(st.text(max_size=30), st.text("ab c!é各", max_size=40)), max_size=5),
    second=st.booleans(),
)
def test_any_texts_have_the_ngrams_of_the_specification(texts, second):
    characters = frozenset("ab!各")
    expected = [slow_ngrams(text, characters, second) for text in texts]
    assert spelled(texts, characters, second=second) == expected
    hashes = features(texts, characters, second=second).hashes.tolist()
    assert hashes == [hash_of(ngram) for text in expected for ngram in text]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 70, 5000])
def test_long_words(length):
    text = "ab" * length + " x"
    assert spelled([text]) == [slow_ngrams(text, ASCII, second=False)]
