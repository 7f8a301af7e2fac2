"""Vocabularies of the exact size, the same every time."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embbert
from embbert.errors import DataError, UsageError
from embbert.text import SPECIAL_TOKENS, UNK, largest_vocab_size, train_tokenizer
from embbert.text.pipeline import is_reordered

SOURCE = Path(embbert.__file__).parents[1]


def made_up(seed: int, words: int) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join("".join(rng.choices("abcdef,", k=rng.randint(1, 8))) for _ in range(5)) for _ in range(words)
    ]


@settings(max_examples=40)
@given(
    texts=st.lists(st.text(st.sampled_from("abcdé ,中Ж\u302e"), max_size=30), min_size=1, max_size=20),
    limit=st.integers(7, 120),
    boundary=st.sampled_from(["continuation", "none"]),
    min_frequency=st.integers(1, 3),
)
def test_size_is_exact_or_refused(texts, limit, boundary, min_frequency):
    texts.append("a")
    options = {"boundary": boundary, "min_frequency": min_frequency}
    largest = largest_vocab_size(texts, limit, **options)
    assert train_tokenizer(texts, largest, **options).vocab_size == largest <= limit
    if largest < limit:
        with pytest.raises(DataError, match=f"{limit} was asked for, but the texts support only {largest}\n"):
            train_tokenizer(texts, limit, **options)


def test_refusal_says_what_to_do():
    with pytest.raises(DataError, match="at most 9 or give more text"):
        train_tokenizer(["ab"], 50)
    with pytest.raises(DataError, match=r"at most 8, lower min_frequency \(now 2\) or give more text"):
        train_tokenizer(["ab"], 50, min_frequency=2)


@pytest.mark.parametrize("texts", [[], [""], [" \n", "\x00"], ["\u302e"]])
def test_texts_without_characters(texts):
    with pytest.raises(DataError, match="no character"):
        largest_vocab_size(texts, 100)


@pytest.mark.parametrize("size", [5, 65537])
def test_impossible_arguments(size):
    with pytest.raises(UsageError, match=f"between 6 and 65536, not {size}"):
        train_tokenizer(["a"], size)
    with pytest.raises(UsageError, match="min_frequency must be at least 1, not 0"):
        train_tokenizer(["a"], 6, min_frequency=0)


def test_most_frequent_characters_that_fit_get_a_token():
    texts = ["eeee tt tt s", "b"]
    assert train_tokenizer(texts, 10).tokens[5:] == ("b", "e", "t", "##e", "##t")  # "s" is later than "b"
    assert train_tokenizer(texts, 9).tokens[5:] == ("e", "t", "##e", "##t")
    assert train_tokenizer(texts, 8).tokens[5:] == ("b", "e", "##e")  # "t" needs two entries, "b" one
    tokenizer = train_tokenizer(texts, 7, boundary="none")
    assert tokenizer.tokens[5:] == ("e", "t")
    assert tokenizer.encode("set", max_length=9)[1:] == [UNK, 5, 6]


def test_merges_follow_frequency():
    tokenizer = train_tokenizer(["cd cd ab ab ab ef ef"], 17)
    assert tokenizer.tokens[5:] == ("a", "b", "c", "d", "e", "f", "##b", "##d", "##f", "ab", "cd", "ef")
    assert tokenizer.merges == (("a", "##b"), ("c", "##d"), ("e", "##f"))


def test_combining_characters_stay_out():
    tone_mark, virama = "\u302e", "\u1b44"  # they survive normalisation but may be reordered
    tokenizer = train_tokenizer([f"a{tone_mark}b{virama}c"], 10, boundary="none")
    assert not {tone_mark, virama} & set("".join(tokenizer.tokens))
    assert tokenizer.encode(f"a{virama}{tone_mark}", max_length=9)[2:] == [UNK, UNK]


@pytest.mark.parametrize("boundary", ["continuation", "none"])
def test_order_of_texts_does_not_matter(boundary):
    texts = made_up(1, 200)
    tokenizer = train_tokenizer(iter(texts), 400, boundary=boundary)
    assert tokenizer.vocab_size == 400
    assert train_tokenizer(reversed(texts), 400, boundary=boundary).to_json() == tokenizer.to_json()


@pytest.mark.parametrize("boundary", ["continuation", "none"])
def test_same_bytes_in_every_process(boundary):
    """Ties everywhere, another hash seed each time, with and without threads."""
    program = (
        "import sys; from embbert.text import train_tokenizer\n"
        f"texts = {made_up(2, 150)!r}\n"
        f"sys.stdout.write(train_tokenizer(texts, 500, boundary={boundary!r}).to_json())"
    )
    found = set()
    for seed, threads in (("1", "true"), ("2", "false"), ("3", "true")):
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "PYTHONHASHSEED": seed,
            "TOKENIZERS_PARALLELISM": threads,
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
        )
        found.add(done.stdout)
    assert found == {train_tokenizer(made_up(2, 150), 500, boundary=boundary).to_json()}


def test_vocabulary_is_special_tokens_characters_merges():
    tokenizer = train_tokenizer(made_up(3, 100), 300)
    assert tokenizer.tokens[:5] == SPECIAL_TOKENS
    base = tokenizer.tokens[5 : 300 - len(tokenizer.merges)]
    assert base == (*sorted(",abcdef"), *(f"##{letter}" for letter in "abcdef"))
    results = [left + right.removeprefix("##") for left, right in tokenizer.merges]
    assert list(tokenizer.tokens[300 - len(tokenizer.merges) :]) == results


@pytest.mark.parametrize(
    ("character", "moves"),
    [("a", False), ("中", False), ("\u1161", False), ("\u302e", True), ("\u0301", True), ("\u0334", True)],
)
def test_reordered_characters(character, moves):
    assert is_reordered(character) is moves
