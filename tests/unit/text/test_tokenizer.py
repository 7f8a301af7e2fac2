"""Encoding, truncation, saving and loading."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from embbert.errors import ModelError, UsageError
from embbert.text import CLS, SEP, SPECIAL_TOKENS, UNK, Tokenizer, train_tokenizer
from embbert.text.tokenizer import truncated_lengths

TEXTS = ["turn the kitchen lights on", "turn it off, please", "[sep] brackets [unk]", "what's on at 9?"]
MARKED = train_tokenizer(TEXTS, 80)
UNMARKED = train_tokenizer(TEXTS, 60, boundary="none")
BOTH = pytest.mark.parametrize("tokenizer", [MARKED, UNMARKED], ids=["continuation", "none"])


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.token(index) for index in tokenizer.encode(text, max_length=1000)]


@BOTH
def test_forms(tokenizer):
    assert tokenizer.encode("", max_length=8) == [CLS]
    assert tokenizer.encode("", "", max_length=8) == [CLS, SEP, SEP]
    first, second = (tokenizer.encode(text, max_length=64)[1:] for text in TEXTS[:2])
    assert tokenizer.encode(*TEXTS[:2], max_length=64) == [CLS, *first, SEP, *second, SEP]
    assert tokenizer.encode(TEXTS[0], max_length=3) == [CLS, *first[:2]]
    assert tokenizer.encode_batch(TEXTS, max_length=64) == [tokenizer.encode(t, max_length=64) for t in TEXTS]


@BOTH
@given(text=st.text(max_size=80), max_length=st.integers(1, 40))
def test_any_text_gives_ids_in_range(tokenizer, text, max_length):
    ids = tokenizer.encode(text, max_length=max_length)
    assert ids[0] == CLS
    assert len(ids) <= max_length
    assert all(index == UNK or len(SPECIAL_TOKENS) <= index < tokenizer.vocab_size for index in ids[1:])


@BOTH
@given(parts=st.lists(st.one_of(st.sampled_from([*SPECIAL_TOKENS, "[sep]", " "]), st.text(max_size=3))))
def test_special_tokens_cannot_be_written(tokenizer, parts):
    ids = tokenizer.encode("".join(parts), "".join(parts), max_length=10_000)
    assert [index for index in ids if index in (0, CLS, 3, SEP)] == [CLS, SEP, SEP]


@BOTH
@given(text=st.one_of(st.text(max_size=60), st.text(st.sampled_from("n İ\u0345\u0334\u302e\u1b44가中,\xa0"))))
def test_ids_are_the_librarys(tokenizer, text):
    """The whole text at once, where `encode_batch` goes from space to space."""
    library = LibraryTokenizer.from_str(tokenizer.to_json())
    assert tokenizer.encode(text, max_length=1000) == library.encode(text).ids


@BOTH
@given(a=st.integers(0, 12), b=st.integers(0, 12), max_length=st.integers(4, 30))
def test_truncation_is_the_librarys(tokenizer, a, b, max_length):
    library = LibraryTokenizer.from_str(tokenizer.to_json())
    library.enable_truncation(max_length, strategy="longest_first")
    text, pair = "? " * a, "9 " * b
    assert tokenizer.encode(text, pair, max_length=max_length) == library.encode(text, pair).ids
    assert tokenizer.encode(text, max_length=max_length) == library.encode(text).ids


def test_truncation_keeps_the_shorter_text():
    assert truncated_lengths(3, 90, 20) == (3, 17)
    assert truncated_lengths(90, 3, 20) == (17, 3)
    assert truncated_lengths(90, 80, 21) == (11, 10)
    assert truncated_lengths(80, 80, 21) == (10, 11)
    assert truncated_lengths(3, 4, 7) == (3, 4)


def test_normalisation():
    assert words(MARKED, "TÜRN\tÍT\x00 Ｏff ﻿") == words(MARKED, "turn it \uff4fff")
    assert words(MARKED, "on,off") == words(MARKED, "on , off")
    assert words(MARKED, "turn\ufffdit\ud800") == words(MARKED, "turnit")  # dropped, no space


def test_each_unknown_character_is_one_token():
    assert MARKED.encode("ж жж 日本", max_length=9) == [CLS, UNK, UNK, UNK, UNK, UNK]


def test_surrogates():
    assert MARKED.encode("\ud800on\udc00", max_length=9) == MARKED.encode("on", max_length=9)
    assert MARKED.encode("\ud83d\ude42", max_length=9) == [CLS, UNK]  # two halves of one character


def test_boundary_marks_tokens_inside_a_word():
    assert words(MARKED, "onit") == ["[CLS]", "on", "##i", "##t"]
    assert words(UNMARKED, "onit") == words(UNMARKED, "on it") == ["[CLS]", "on", "it"]
    assert (MARKED.boundary, UNMARKED.boundary) == ("continuation", "none")


def test_long_words_are_cut_into_pieces_of_64():
    cut = words(MARKED, "n" * 64 + " " + "n" * 64 + " nn")
    assert words(MARKED, "n" * 130) == cut


def test_arguments_that_cannot_work():
    with pytest.raises(UsageError, match="at least 1, not 0"):
        MARKED.encode("on", max_length=0)
    with pytest.raises(UsageError, match="at least 3, not 2"):
        MARKED.encode("on", "off", max_length=2)
    with pytest.raises(UsageError, match="2 first texts but 1 second"):
        MARKED.encode_batch(["on", "off"], ["it"], max_length=9)
    for index in (-1, MARKED.vocab_size):
        with pytest.raises(UsageError, match="between 0 and 79"):
            MARKED.token(index)


@BOTH
def test_saved_and_loaded(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    loaded = Tokenizer.load(path)
    assert loaded.to_json() == tokenizer.to_json() == path.read_text(encoding="utf-8")
    assert (loaded.tokens, loaded.merges, loaded.boundary) == (
        tokenizer.tokens,
        tokenizer.merges,
        tokenizer.boundary,
    )
    assert loaded.encode(TEXTS[0], max_length=9) == tokenizer.encode(TEXTS[0], max_length=9)
    assert loaded.tokens[:5] == SPECIAL_TOKENS


def damaged(**changes: object) -> str:
    content = json.loads(MARKED.to_json())
    content["model"].update(changes.pop("model", {}))
    return json.dumps({**content, **changes})


TEXT = MARKED.to_json()
VOCAB = json.loads(MARKED.to_json())["model"]["vocab"]
MERGES = json.loads(MARKED.to_json())["model"]["merges"]
ADDED = {"id": 4, "content": "[SEP]", "single_word": False, "lstrip": False, "rstrip": False}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        (MARKED.to_json()[:-9], "Unterminated string"),
        ("[1]", "list"),
        ("[" * 100_000, "recursion"),
        ("{}", "model"),
        (damaged(model={"type": "WordPiece"}), "its model is WordPiece"),
        (damaged(model={"vocab": {**VOCAB, "[SEP]": 5, "t": 4}}), "ids are not|first tokens"),
        (damaged(model={"vocab": {**VOCAB, "new": 85}}), "ids are not"),
        (damaged(model={"vocab": {**VOCAB, "turn": "7"}}), "not a whole number"),
        (damaged(model={"vocab": {**VOCAB, "[MASK]": 4, "[SEP]": 3}}), "first tokens are not"),
        (damaged(model={"merges": MERGES[1:]}), "not one character"),
        (damaged(model={"merges": MERGES[::-1]}), "results of its merges"),
        (damaged(model={"merges": [["zz", "t"], *MERGES[1:]]}), "do not exist"),
        (damaged(model={"merges": 7}), "int"),
        (damaged(model={"merges": [["t", "u"], *MERGES[1:]]}), "'t' and 'u', which cannot stand together"),
        (damaged(model={"merges": [["[SEP]", "##n"], *MERGES[1:]]}), "'##n', which cannot stand together"),
        (damaged(model={"merges": [["t", "[SEP]"], *MERGES[1:]]}), "which cannot stand together"),
        (damaged(model={"byte_fallback": True}), "settings"),
        (damaged(model={"dropout": 0.1}), "settings"),
        (damaged(normalizer=None), "settings"),
        (damaged(added_tokens=[{**ADDED, "normalized": False, "special": True}]), "settings"),
    ],
)
def test_what_is_not_ours_is_refused(text, reason, tmp_path):
    with pytest.raises(ModelError, match=rf"(?s)^tokenizer: not a tokenizer of embbert.*({reason}).*use the"):
        Tokenizer.from_json(text)
    path = tmp_path / "tokenizer.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer\.json: not a tokenizer"):
        Tokenizer.load(path)


@BOTH
@given(data=st.data())
def test_any_merges_make_the_same_tokenizer_or_are_refused(tokenizer, data):
    """With the tokens that they would make, so that nothing else is wrong."""
    content = json.loads(tokenizer.to_json())
    merges, base = content["model"]["merges"], tokenizer.tokens[: -len(tokenizer.merges)]
    known = st.sampled_from([*tokenizer.tokens, "", "#", "##", "é", "##é"])
    for _ in range(data.draw(st.integers(1, 3))):
        side = data.draw(st.integers(0, 1))
        data.draw(st.sampled_from(merges))[side] = data.draw(known)
    made = [left + right.removeprefix("##" * (tokenizer is MARKED)) for left, right in merges]
    tokens = dict.fromkeys([*base, *made])
    content["model"]["vocab"] = {token: index for index, token in enumerate(tokens)}
    try:
        found = Tokenizer.from_json(json.dumps(content))
    except ModelError:
        return
    assert found.tokens == tuple(tokens)
    assert json.loads(found.to_json()) == content


def test_what_the_library_refuses_is_refused(monkeypatch):
    def refuse(**_):
        raise Exception("Error while initializing BPE: Token `x` out of vocabulary")

    monkeypatch.setattr("embbert.text.tokenizer.BPE", refuse)
    with pytest.raises(ModelError, match=r"not a tokenizer of embbert \(Error while initializing BPE"):
        Tokenizer.from_json(TEXT)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"missing\.json: the tokenizer cannot be read"):
        Tokenizer.load(tmp_path / "missing.json")
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"binary\.json: the tokenizer cannot be read"):
        Tokenizer.load(path)
