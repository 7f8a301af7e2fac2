"""The numbers of known n-grams: encoding, saving, loading, tables."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linears
from embbert.config.linear import MAX_NGRAMS, LinearConfig
from embbert.errors import ModelError, TooFewNgramsError, UsageError
from embbert.text import NgramTokenizer, load_tokenizer
from embbert.text.features import Ngram, hash_of
from embbert.text.ngrams import KEY_BITS, bucket_bits, chunks, learn_alphabet
from embbert.text.tables import ngram_tables, tables_of

PAIRS = linears.tokenizer_of(pair=True)
SINGLE = linears.tokenizer_of()


def test_numbers_are_places_in_the_order_of_hashes():
    assert (np.diff(SINGLE.hashes.astype(np.int64)) > 0).all()
    dropped = 32 - KEY_BITS - SINGLE.bucket_bits
    assert [hash_of(ngram) >> dropped for ngram in SINGLE.ngrams] == SINGLE.hashes.tolist()
    one = Ngram("words", "lights")
    tokenizer = NgramTokenizer([one, Ngram("words", "lights off")], "lightsof")
    words = [tokenizer.token(index) for index in tokenizer.encode("Lights off lights", max_length=9)]
    assert words == ["lights", "lights off", "lights"]


def test_a_text_may_have_none():
    assert SINGLE.encode("", max_length=5) == []
    assert SINGLE.encode("ωωω", max_length=5) == []
    assert PAIRS.encode("", "", max_length=5) == []


def test_second_texts_have_numbers_of_their_own():
    text = linears.TEXTS[0]
    first, second = PAIRS.encode(text, "", max_length=200), PAIRS.encode("", text, max_length=200)
    assert first
    assert second
    assert not set(first) & set(second)
    assert PAIRS.encode(text, text, max_length=200) == first + second
    cut = PAIRS.encode(text, text, max_length=5)
    assert cut == first[:2] + second[:3]


@settings(max_examples=50)
@given(texts=st.lists(st.text("turn lights?", max_size=30), max_size=4), most=st.integers(0, 20))
def test_a_batch_is_its_texts(texts, most):
    rows = SINGLE.encode_batch(texts, max_length=most)
    assert rows == [SINGLE.encode(text, max_length=most) for text in texts]
    assert rows == [row[:most] for row in SINGLE.encode_batch(texts, max_length=1000)]


def test_batches_of_any_size_are_cut_between_texts():
    texts = ["a" * 600_000, "b", "c" * 2_000_000, "d"]
    assert [list(chunk) for chunk in chunks(texts)] == [texts[:3], texts[3:]]
    assert list(chunks([])) == []


def test_texts_and_pairs_must_match():
    with pytest.raises(UsageError, match="2 first texts but 1"):
        PAIRS.encode_batch(["a", "b"], ["c"], max_length=4)


def test_saved_and_loaded(tmp_path):
    PAIRS.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json", LinearConfig(vocab_size=PAIRS.vocab_size))
    assert again.ngrams == PAIRS.ngrams
    assert again.characters == PAIRS.characters
    assert again.to_json() == PAIRS.to_json()
    assert again.encode(*linears.TEXTS[:2], max_length=99) == PAIRS.encode(*linears.TEXTS[:2], max_length=99)


def broken(**changes):
    return json.dumps({**json.loads(SINGLE.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        (broken(type="bpe"), "type 'bpe'"),
        (broken(format=2), "format 2"),
        (broken(words=["a", "a"]), "same hash"),
        (broken(words=[3]), "no n-gram"),
        (broken(words=[""]), "no n-gram"),
        (broken(words=["b", "a"]), "not as it would be written"),
        (broken(alphabet="ba"), "not as it would be written"),
        (broken(alphabet="\u0301\u302e"), "characters that none can have"),
        (broken(more=1), "not as it would be written"),
        (json.dumps({"type": "ngrams", "format": 1}), "alphabet"),
    ],
)
def test_damaged_files_are_refused(tmp_path, text, message):
    with pytest.raises(ModelError, match="not the n-grams of a linear model") as error:
        NgramTokenizer.from_json(text)
    assert message in str(error.value)
    (tmp_path / "x").write_text(text)
    with pytest.raises(ModelError, match="x: not the n-grams"):
        NgramTokenizer.load(tmp_path / "x")


def test_absent_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        NgramTokenizer.load(tmp_path / "none.json")


def test_numbers_of_ngrams_have_limits():
    with pytest.raises(UsageError, match="1 to 65535 n-grams, not 0"):
        NgramTokenizer([], "a")
    with pytest.raises(UsageError, match="not 65536"):
        NgramTokenizer([Ngram("words", "a")] * (MAX_NGRAMS + 1), "a")


def test_the_first_of_equal_hashes_stays():
    """Two words that share the upper 17 bits of their hashes, found by trying."""
    seen = {}
    for number in range(10_000):
        ngram = Ngram("words", f"w{number}")
        other = seen.setdefault(hash_of(ngram) >> 15, ngram)
        if other != ngram:
            break
    with pytest.raises(UsageError, match="same hash"):
        NgramTokenizer([other, ngram], "w")
    assert NgramTokenizer.of_best([other, ngram], 2, "w").ngrams == (other,)
    assert NgramTokenizer.of_best([ngram, other, Ngram("words", "x")], 9, "w").vocab_size == 2
    assert NgramTokenizer.of_best([ngram, Ngram("words", "x")], 1, "w").ngrams == (ngram,)


def test_tokens_are_readable():
    words = {SINGLE.token(index) for index in range(SINGLE.vocab_size)}
    assert {"lights", "the lights", "…_tu…"} <= words
    assert any(PAIRS.token(index).endswith(" (second)") for index in range(PAIRS.vocab_size))
    for index in (-1, SINGLE.vocab_size):
        with pytest.raises(UsageError, match="between 0"):
            SINGLE.token(index)


def test_a_charset_makes_characters_unknown():
    texts = ["жук", "жук bee"]
    tokenizer = linears.tokenizer_of(texts)
    latin = tokenizer.limited_to("latin")
    assert tokenizer.encode("жук", max_length=99)
    assert latin.encode("жук", max_length=99) == []
    assert latin.encode("bee", max_length=99) == tokenizer.encode("bee", max_length=99)
    assert latin.known_characters < tokenizer.known_characters


@pytest.mark.parametrize("count", [1, 2, 15, 16, 1000, 20_000, MAX_NGRAMS])
def test_buckets_hold_few(count):
    bits = bucket_bits(count)
    assert 1 <= bits <= 13
    assert count / 2**bits <= 8
    assert bits == 1 or count / 2**bits >= 4


def test_tables_find_every_number():
    tables = ngram_tables(PAIRS)
    assert tables_of(PAIRS).bytes == tables.bytes == sum(v.nbytes for v in tables.arrays().values())
    for number, value in enumerate(PAIRS.hashes.tolist()):
        bucket, key = value >> 16, value & 0xFFFF
        begin, end = tables.bucket_begin[bucket], tables.bucket_begin[bucket + 1]
        assert begin <= number < end
        assert tables.keys[begin:end].tolist().index(key) + begin == number


def test_the_alphabet_is_what_occurs_twice():
    assert learn_alphabet(["aab", "Bé e"]) == {"a", "b", "e"}
    assert learn_alphabet(["ab", "b"]) == {"b"}
    assert "\u302e" not in learn_alphabet(["aa\u302e가\u302e"])
    with pytest.raises(TooFewNgramsError, match="no letter, digit or sign that occurs twice"):
        learn_alphabet(["ab", " "])
