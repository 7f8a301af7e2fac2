"""The tables of the C tokenizer, read here the slow way, mean what the library does."""

import random
import unicodedata
from dataclasses import fields

import numpy as np
import pytest

from embbert.errors import ModelError
from embbert.text import UNK, Tokenizer, train_tokenizer
from embbert.text import unicode as unicode_room
from embbert.text.pipeline import NORMALIZER, is_reordered
from embbert.text.tables import ALONE, MORE, UNKNOWN, TokenizerTables, tokenizer_tables
from embbert.text.unicode import DROP, ISOLATED, OTHER, SPACE, WORD, behaviour

TOKENIZER = train_tokenizer(["déjà vu, on! жук 日豈 한 \U0001f642 \U00010428", "on off on of"], 45)


@pytest.fixture(scope="module")
def tables() -> TokenizerTables:
    return tokenizer_tables(TOKENIZER)


def lookup(tables: TokenizerTables, code: int) -> int:
    begin, end = (int(place) for place in tables.run_planes[code >> 16 : (code >> 16) + 2])
    keys = tables.run_first[begin:end]
    return int(tables.run_action[begin + np.searchsorted(keys, code & 0xFFFF, side="right") - 1])


def test_kinds_of_characters():
    kinds, parts = behaviour()
    for kind, characters in {
        DROP: "\x00\x07\ufffd\u0301\u200d\ue000",
        SPACE: " \t\n\r\xa0\u2028\u3000",
        WORD: "azß0жかㄱ\U0001f642€",
        ISOLATED: "!#-_~…、中㐀\U00020000",
        OTHER: "AÉİЖが\u212b\u037e\uf900\u09cb",
    }.items():
        assert [kinds[ord(character)] for character in characters] == [kind] * len(characters)
    assert parts[ord("É")] == (("e", False),)
    assert parts[0x37E] == ((";", True),)
    assert parts[0xF900] == (("豈", True),)
    assert parts[0x9CB] == (("\u09c7", False), ("\u09be", False))


def test_one_character_never_decides_anothers_normal_form():
    """What lets C normalise character by character: only characters outside every alphabet move."""
    kinds, parts = behaviour()
    survivors = [chr(code) for code in range(0x20000) if kinds[code] in (WORD, ISOLATED)]
    survivors = [character for character in survivors if not 0xD800 <= ord(character) < 0xE000]
    moving = [character for character in survivors if is_reordered(character)]
    assert 50 < len(moving) < 200
    assert all(kinds[ord(character)] == WORD for character in moving)
    assert all(unicodedata.combining(character) for character in moving)
    outside = {*moving, *(chr(code) for code, made in parts.items() if any(is_reordered(p[0]) for p in made))}
    rng = random.Random(0)
    pool = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and chr(code) not in outside]
    pool += ["\u0345", "\u0334", "\u0301", "각", "가", "\u11a8", "Σ", "İ", "中"] * 20_000
    for _ in range(200):
        text = "".join(rng.choices(pool, k=200))
        assert NORMALIZER.normalize_str(text) == "".join(map(NORMALIZER.normalize_str, text))


def test_actions(tables):
    def sequence(character: str) -> list[int]:
        place = lookup(tables, ord(character)) - OTHER
        found = [int(tables.sequence[place])]
        while found[-1] & MORE:
            place += 1
            found.append(int(tables.sequence[place]))
        return found

    alphabet = sorted({token[-1] for token in TOKENIZER.tokens[5 : 45 - len(TOKENIZER.merges)]})
    codes = tables.symbol_code.astype(int)
    codes[tables.symbol_planes[1] :] += 0x10000
    assert [chr(code) for code in codes] == alphabet
    assert lookup(tables, ord("e")) == WORD
    assert lookup(tables, ord(",")) == ISOLATED
    assert sequence("É") == sequence("E") == [alphabet.index("e")]
    assert sequence("\u09cb") == [UNKNOWN | MORE, UNKNOWN]
    assert lookup(tables, ord("Ω")) == WORD  # becomes ω, as unknown as itself: no entry needed
    assert lookup(tables, 0x37E) == ISOLATED  # becomes ";", unknown here
    assert sequence("\U00010400") == [alphabet.index("\U00010428")]
    assert sequence("\uf900") == [alphabet.index("豈") | ALONE]
    assert lookup(tables, 0xF90A) == ISOLATED


def test_ids_of_characters(tables):
    for index, code in enumerate(tables.symbol_code[: tables.symbol_planes[1]]):
        character = chr(code)
        assert TOKENIZER.token(tables.symbol_start[index]) == character
        inside = int(tables.symbol_inside[index])
        assert TOKENIZER.token(inside) == f"##{character}" or (
            inside == UNK and f"##{character}" not in TOKENIZER.tokens
        )


def test_merges(tables):
    found = {}
    assert (np.diff(tables.merge_left.astype(int)) > 0).all()
    assert tables.merge_begin[-1] == len(tables.merge_right) == len(tables.merge_rank)
    for index, left in enumerate(tables.merge_left.tolist()):
        begin, end = tables.merge_begin[index : index + 2].tolist()
        rights = tables.merge_right[begin:end]
        assert len(rights) > 0
        assert (np.diff(rights.astype(int)) > 0).all()
        for place, right in enumerate(rights, begin):
            found[int(tables.merge_rank[place])] = (TOKENIZER.token(left), TOKENIZER.token(right))
    assert tuple(found[rank] for rank in range(len(found))) == TOKENIZER.merges


def test_arrays_are_uint16_and_repeatable(tables):
    again = tokenizer_tables(Tokenizer.from_json(TOKENIZER.to_json()))
    for field in fields(tables):
        first, second = getattr(tables, field.name), getattr(again, field.name)
        if field.type == "UInt16":
            assert first.dtype == np.uint16
        assert np.array_equal(first, second), field.name


def test_vocabularies_that_c_cannot_follow_are_refused():
    tokens = [*TOKENIZER.tokens[:5], "\u302e"]
    with pytest.raises(ModelError, match=r"U\+302E"):
        tokenizer_tables(Tokenizer(tokens, [], "none"))
    tokens = [*TOKENIZER.tokens[:5], *(chr(code) for code in range(0x3400, 0x3400 + 16384))]
    with pytest.raises(ModelError, match="16384 characters; C tables hold 16383"):
        tokenizer_tables(Tokenizer(tokens, [], "none"))


def test_a_library_that_normalises_otherwise_is_refused(monkeypatch):
    monkeypatch.setattr(unicode_room, "hangul_parts", chr)
    with pytest.raises(ModelError, match=r"U\+AC00"):
        behaviour.__wrapped__()
