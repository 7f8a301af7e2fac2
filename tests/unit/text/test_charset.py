"""A charset takes tokens away and changes nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.text import CHARSETS, UNK, train_tokenizer
from embbert.text.charset import in_charset
from embbert.text.pipeline import NORMALIZER, PRE_TOKENIZER
from embbert.text.tables import tokenizer_tables
from embbert.text.unicode import behaviour

TEXTS = [
    "turn the lights on, please!",
    "Привет мир привет",
    "日本語を話す。東京",
    "naïve café œuvre ßs ‘x’ 5 €",
    "🙂 aж bж",
]
BOUNDARIES = pytest.mark.parametrize("boundary", ["continuation", "none"])


def pair(boundary):
    tokenizer = train_tokenizer(TEXTS, 105 if boundary == "continuation" else 80, boundary=boundary)
    return tokenizer, tokenizer.limited_to("latin")


def test_the_charsets_are_what_the_page_says():
    assert in_charset("##naœß’€", "latin")
    for character in "\u0300\u0370жひ日🙂\u2150\ufb07":
        assert not in_charset("a" + character, "latin")
        assert in_charset("a" + character, "unicode")


@BOUNDARIES
def test_latin_texts_keep_their_ids_and_others_become_unknown(boundary):
    full, latin = pair(boundary)
    for text in (TEXTS[0], TEXTS[3], "ΩÅﬁ Łódź"):
        assert latin.encode(text, max_length=99) == full.encode(text, max_length=99)
    assert UNK not in full.encode(TEXTS[1], max_length=99)
    assert latin.encode("мир on", max_length=99) == [2, UNK, UNK, UNK, *full.encode("on", max_length=99)[1:]]
    assert latin.limited_to("unicode").encode(TEXTS[2], max_length=99) == full.encode(TEXTS[2], max_length=99)


@BOUNDARIES
@given(
    text=st.one_of(
        st.text(max_size=60), st.text(st.sampled_from("turnoа жмипрв日語、🙂é€ \u0301,"), max_size=60)
    )
)
def test_the_rule_in_other_words(boundary, text):
    """The vocabulary without foreign tokens gives what characters outside it, put in place of them, would."""
    full, latin = pair(boundary)
    known = {token[-1] for token in full.tokens[5 : full.vocab_size - len(full.merges)]}
    kinds, _ = behaviour()
    strangers = {}
    for kind in {int(kinds[ord(character)]) for character in known}:
        codes = range(0x3400, 0x30000) if kind == int(kinds[ord("日")]) else range(0x1400, 0x30000)
        strangers[kind] = next(chr(c) for c in codes if kinds[c] == kind and chr(c) not in known)
    swapped = []
    for piece, _ in PRE_TOKENIZER.pre_tokenize_str(NORMALIZER.normalize_str(text)):
        foreign = [c in known and not in_charset(c, "latin") for c in piece]
        swapped.append(
            "".join(
                strangers[int(kinds[ord(c)])] if out else c for c, out in zip(piece, foreign, strict=True)
            )
        )
    assert latin.encode(text, max_length=500) == full.encode(" ".join(swapped), max_length=500)


@BOUNDARIES
def test_latin_tables_are_smaller_and_know_their_charset(boundary):
    full, latin = (tokenizer_tables(tokenizer) for tokenizer in pair(boundary))
    assert (full.charset, latin.charset) == ("unicode", "latin")
    assert len(latin.symbol_code) < len(full.symbol_code)
    assert len(latin.run_first) < len(full.run_first)
    assert len(latin.merge_rank) < len(full.merge_rank)
    assert latin.first_merged == full.first_merged
    assert set(CHARSETS) == {"unicode", "latin"}
