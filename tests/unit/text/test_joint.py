"""Tokens and n-grams in one sequence of ids."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
import joints
import linears
from embbert.config import LinearConfig
from embbert.emit.tokenizer_c import tokenizer_bytes, tokenizer_source
from embbert.errors import ModelError, UsageError
from embbert.text import JointTokenizer, NgramTokenizer, Tokenizer, load_tokenizer
from embbert.text.tables import JointTables, ngram_tables, tables_of, tokenizer_tables
from embbert.text.training import MAX_VOCAB_SIZE

BOTH = joints.tokenizer(pair=True)
APART = joints.tokenizer(pair=True, shared=False)
TEXT = st.text(st.sampled_from("turn the lights on! Zü\u0301ß各"), max_size=60)


@settings(max_examples=100)
@given(first=TEXT, second=st.none() | TEXT, max_length=st.integers(3, 30))
def test_ids_are_those_of_the_tokens_and_then_those_of_the_ngrams(first, second, max_length):
    tokens = BOTH.tokens.encode(first, second, max_length=max_length)
    numbers = BOTH.ngrams.encode(first, second, max_length=joints.MAX_NGRAMS)
    ids = BOTH.encode(first, second, max_length=max_length)
    assert ids == [*tokens, *(37 + number for number in numbers)]
    assert ids[0] == 2
    assert max(ids) < BOTH.vocab_size == 37 + BOTH.ngrams.vocab_size


def test_batches_are_texts_one_by_one():
    texts, pairs = [*linears.TEXTS, ""], ["stop", "", "the", *linears.TEXTS[:3]]
    for others in (None, pairs):
        rows = BOTH.encode_batch(texts, others, max_length=9)
        partners = others or [None] * len(texts)
        assert rows == [BOTH.encode(*each, max_length=9) for each in zip(texts, partners, strict=True)]
    assert BOTH.encode_batch([], max_length=9) == []
    with pytest.raises(UsageError, match="max_length must be at least 3"):
        BOTH.encode("a", "b", max_length=2)
    with pytest.raises(UsageError, match="1 first texts but 2"):
        BOTH.encode_batch(["a"], ["b", "c"], max_length=9)


def test_long_texts_lose_tokens_and_ngrams_apart():
    ids = BOTH.encode("turn the lights on " * 50, max_length=6)
    assert sum(index < 37 for index in ids) == 6
    assert len(ids) == 6 + joints.MAX_NGRAMS
    assert ids[6:] == BOTH.encode("turn the lights on " * 50, max_length=20)[20:]


def test_every_id_has_a_name():
    assert BOTH.token(2) == "[CLS]"
    assert [BOTH.token(37 + number) for number in range(3)] == [BOTH.ngrams.token(n) for n in range(3)]
    for index in (-1, BOTH.vocab_size):
        with pytest.raises(UsageError, match=f"between 0 and {BOTH.vocab_size - 1}, not {index}"):
            BOTH.token(index)


def test_saved_and_loaded(tmp_path):
    BOTH.save(tmp_path / "tokenizer.json")
    config = factory.small_config(ngrams=BOTH.ngrams.vocab_size, max_ngrams=joints.MAX_NGRAMS)
    for again in (
        load_tokenizer(tmp_path / "tokenizer.json", config),
        JointTokenizer.from_json(BOTH.to_json()),
    ):
        assert isinstance(again, JointTokenizer)
        assert again.to_json() == BOTH.to_json()
        assert again.encode(*linears.TEXTS[:2], max_length=20) == BOTH.encode(
            *linears.TEXTS[:2], max_length=20
        )
    for changes, message in (
        ({"vocab_size": 38}, "has 37 entries, config.json says 38"),
        ({"ngrams": 9}, f"has {BOTH.ngrams.vocab_size} n-grams, config.json says 9"),
        ({"max_ngrams": 9}, "has 12 n-grams of a text at most, config.json says 9"),
        ({"ngrams": 0, "max_ngrams": 0}, "not a tokenizer of embbert"),
    ):
        with pytest.raises(ModelError, match=message):
            load_tokenizer(tmp_path / "tokenizer.json", replace(config, **changes))
    with pytest.raises(ModelError, match="not the n-grams of a linear model"):
        load_tokenizer(tmp_path / "tokenizer.json", LinearConfig())


CONTENT = json.loads(BOTH.to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        BOTH.tokens.to_json(),
        BOTH.ngrams.to_json(),
        json.dumps(CONTENT | {"type": "ngrams"}),
        json.dumps(CONTENT | {"format": 2}),
        json.dumps(CONTENT | {"more": 1}),
        json.dumps(CONTENT | {"max_ngrams": 0}),
        json.dumps(CONTENT | {"max_ngrams": 65536}),
        json.dumps(CONTENT | {"max_ngrams": 12.0}),
        json.dumps(CONTENT | {"max_ngrams": True}),
        json.dumps(CONTENT | {"tokens": CONTENT["ngrams"]}),
        json.dumps(CONTENT | {"ngrams": CONTENT["tokens"]}),
        json.dumps({name: value for name, value in CONTENT.items() if name != "ngrams"}),
    ],
)
def test_damage_is_refused(tmp_path, text):
    with pytest.raises(ModelError, match="tokenizer: not tokens and n-grams of embbert"):
        JointTokenizer.from_json(text)
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ModelError, match=r"x\.json: not tokens"):
        JointTokenizer.load(tmp_path / "x.json")


def test_absence_is_said(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        JointTokenizer.load(tmp_path / "none.json")


def test_ids_fit_16_bits():
    specials = ("[PAD]", "[UNK]", "[CLS]", "[MASK]", "[SEP]")
    letters = [chr(code) for code in range(0x20000, 0x20000 + MAX_VOCAB_SIZE - 5)]
    most = Tokenizer([*specials, *letters[:-1]], [], "none")
    one = linears.tokenizer_of(most=1)
    assert JointTokenizer(most, one, 1).vocab_size == 65536
    with pytest.raises(UsageError, match="at most 65536, not 65535 \\+ 2"):
        JointTokenizer(most, linears.tokenizer_of(most=2), 1)
    for count in (0, 65536):
        with pytest.raises(UsageError, match=f"1 to 65535, not {count}"):
            JointTokenizer(most, one, count)


def test_a_charset_limits_both():
    greek = NgramTokenizer.of_best(linears.ngrams_of(["λόγος λόγος"], set("λογς")), 99, set("λογς"))
    tokens = Tokenizer(("[PAD]", "[UNK]", "[CLS]", "[MASK]", "[SEP]", "λ"), [], "none")
    both = JointTokenizer(tokens, greek, 50)
    assert both.encode("λόγος", max_length=9)[:2] == [2, 5]
    latin = both.limited_to("latin")
    assert latin.encode("λόγος", max_length=9) == [2, 1, 1, 1, 1, 1]
    assert len(both.encode("λόγος", max_length=9)) > 6
    assert latin.max_ngrams == 50


def test_tables_of_one_alphabet_are_there_once():
    """The words of a text, and those of the C that is printed of it."""
    together, apart = tables_of(BOTH), tables_of(APART)
    for tables, tokenizer in ((together, BOTH), (apart, APART)):
        assert isinstance(tables, JointTables)
        own = tokenizer_tables(tokenizer.tokens), ngram_tables(tokenizer.ngrams)
        saved = sum(own[0].arrays()[name].nbytes for name in tables.shared)
        assert tables.bytes == own[0].bytes + own[1].bytes - saved == tokenizer_bytes(tables)
        text = tokenizer_source(tables, "m")
        assert text.count("static const uint16_t ") == len(own[0].arrays()) + len(own[1].arrays()) - len(
            tables.shared
        )
        assert "const embbert_tokenizer m_tokenizer = {" in text
        assert "const embbert_ngrams m_ngrams = {" in text
    assert together.shared == {
        "run_first", "run_action", "run_planes", "sequence", "symbol_code", "symbol_planes",
    }  # fmt: skip
    assert apart.shared == frozenset()
    assert BOTH.tokens.alphabet == BOTH.ngrams.characters
    assert "latin" in tokenizer_source(tables_of(BOTH.limited_to("latin")), "m")
