"""Sentences: where they end, that nothing is lost, and that long texts take no longer than they should."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.data.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One ends. Another begins.", ["One ends.", "Another begins."]),
        ("Really? Yes! 3 times.", ["Really?", "Yes!", "3 times."]),
        ("Wait... He left… She stayed.", ["Wait...", "He left…", "She stayed."]),
        ('"Go." He went. (He ran.) "Why?" he said.', ['"Go."', "He went.", "(He ran.)", '"Why?" he said.']),
        ("He said “no.” “Yes.” ‘Fine.’ Über all.", ["He said “no.”", "“Yes.”", "‘Fine.’", "Über all."]),
        ("a line\nanother line\r\n\r\n  and a third  ", ["a line", "another line", "and a third"]),
        ("no space.Here it goes on. so does this", ["no space.Here it goes on. so does this"]),
        ("Mr. Smith met Dr. Jones at St. Paul's.", ["Mr. Smith met Dr. Jones at St. Paul's."]),
        ("J. R. R. Tolkien wrote. (Mrs. X read.)", ["J. R. R. Tolkien wrote.", "(Mrs. X read.)"]),
        ("The U.S. Navy, e.g. Admiral X, i.e. Him.", ["The U.S. Navy, e.g. Admiral X, i.e. Him."]),
        ("So do I. You too. I.B. Singer.", ["So do I.", "You too.", "I.B. Singer."]),
        ("Apples, etc. Were sold.", ["Apples, etc. Were sold."]),
        ("See No. 5. No. He would not.", ["See No. 5.", "No.", "He would not."]),
        ("It was the internationalistmr. Then", ["It was the internationalistmr.", "Then"]),
        ("It cost 3.50 in 1990. 20 people paid.", ["It cost 3.50 in 1990.", "20 people paid."]),
        ("He asked Mr. ", ["He asked Mr."]),
        ("Is it Mr.? No.", ["Is it Mr.?", "No."]),
        ("", []),
        (" \n\t \u2003", []),
        (". . .", [". . ."]),
        ("! A", ["!", "A"]),
    ],
)
def test_where_sentences_end(text, expected):
    assert sentences(text) == expected


def solid(text: str) -> str:
    return "".join(text.split())


TRICKY = "Aa1. !?…\"'”)( \n\r\x85\u2028Mré"


@given(text=st.one_of(st.text(max_size=200), st.text(st.sampled_from(TRICKY), max_size=60)))
def test_nothing_but_white_space_is_lost_and_order_is_kept(text):
    found = sentences(text)
    assert solid(" ".join(found)) == solid(text)
    for sentence in found:
        assert sentence
        assert sentence == sentence.strip()
        assert len(sentence.splitlines()) == 1


@given(st.lists(st.text(st.sampled_from("ab, "), max_size=20).map(lambda text: f"A{text}xx."), max_size=8))
def test_plain_sentences_come_back(plain):
    assert sentences("  ".join(plain)) == plain
    assert sentences("\n".join(plain)) == plain


LONG = ["a. ", "A. ", "Ab. ", "x", ".", '"', " ", '." ', "mr. M", "\n"]


@pytest.mark.parametrize("unit", LONG)
def test_a_megabyte_of_anything_takes_no_time(unit):
    text = unit * (1_000_000 // len(unit))
    begin = time.process_time()
    found = sentences(text)
    assert time.process_time() - begin < 5  # seconds; a rule that looks back without bound takes hours
    assert sum(len(solid(sentence)) for sentence in found) == len(solid(text))
