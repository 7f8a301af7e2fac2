"""The C finds the n-grams that Python finds, for any bytes, and stays within its buffers."""

import itertools
import random
import subprocess
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linears
from embbert.config.linear import MAX_NGRAMS
from embbert.emit.tokenizer_c import tokenizer_bytes, tokenizer_source
from embbert.text.features import features
from embbert.text.ngrams import NgramTokenizer, learn_alphabet
from embbert.text.tables import ngram_tables
from parity.test_tokenizer_c import (
    COMPILERS,
    ENGLISH,
    HARNESS,
    MULTILINGUAL,
    RUNTIME,
    STRICT,
    STRICT_C,
    TEXTS,
    Harness,
    code_point_texts,
)


@cache
def tokenizers() -> tuple[NgramTokenizer, ...]:
    """Many scripts, ASCII alone, one n-gram, as many as there may be, few characters; the first in Latin."""
    rng = random.Random(5)
    made_up = [" ".join("".join(rng.choices("abcdeé", k=rng.randint(1, 9))) for _ in range(30_000))]
    symbols = [chr(code) for code in rng.sample(range(0x110000), 30_000) if not 0xD800 <= code < 0xE000]
    wanted = [
        (MULTILINGUAL, learn_alphabet(MULTILINGUAL, least=1), MAX_NGRAMS),
        (ENGLISH, learn_alphabet(ENGLISH), 500),
        (["?"], frozenset("?"), 1),
        (made_up, frozenset("abcde"), MAX_NGRAMS),
        (["".join(symbols)], learn_alphabet(symbols, least=1), 20_000),
        (ENGLISH, frozenset("е"), 50),
    ]
    learned = []
    for texts, characters, most in wanted:
        ngrams = linears.ngrams_of(texts, characters, pair=True)
        rng.shuffle(ngrams)
        learned.append(NgramTokenizer.of_best(ngrams, most, characters))
    return (*learned, learned[0].limited_to("latin"))


COUNT = 7
EVERY = pytest.mark.parametrize("index", range(COUNT))


def test_tokenizers_are_as_wanted():
    sizes = [tokenizer.vocab_size for tokenizer in tokenizers()]
    assert len(sizes) == COUNT
    assert sizes[1] == 500
    assert sizes[2] == 1
    assert sizes[3] == MAX_NGRAMS
    assert sizes[4] == 20_000


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ngrams")
    names = [f"t{index}" for index in range(COUNT)]
    sources = [HARNESS, RUNTIME / "embbert_ngrams.c"]
    for name, tokenizer in zip(names, tokenizers(), strict=True):
        sources.append(folder / f"{name}.c")
        sources[-1].write_text(tokenizer_source(ngram_tables(tokenizer), name))
    table = [f"extern const embbert_ngrams {name}_tokenizer;" for name in names]
    pointers = ", ".join(f"&{name}_tokenizer" for name in names)
    table.append(f"const embbert_ngrams *const tokenizers[] = {{{pointers}}};")
    sources.append(folder / "table.c")
    sources[-1].write_text('#include "embbert_ngrams.h"\n' + "\n".join(table))
    program = folder / "harness"
    flags = ["-std=c99", "-O1", "-g", "-DNGRAMS", "-fsanitize=address,undefined"]
    flags += ["-fno-sanitize-recover=all", "-I", RUNTIME]
    subprocess.run(["gcc", *flags, *sources, "-o", program], check=True)
    running = Harness(program)
    yield running
    assert running.close() == 0


def python_ids(index, max_length, text, pair=None):
    second = None if pair is None else pair.decode("utf-8", "replace")
    return tokenizers()[index].encode(text.decode("utf-8", "replace"), second, max_length=max_length)


def assert_same(harness, index, texts, max_length):
    decoded = [text.decode("utf-8", "replace") for text in texts]
    python = tokenizers()[index].encode_batch(decoded, max_length=max_length)
    for text, ours, theirs in zip(texts, harness.encode_batch(index, texts, max_length), python, strict=True):
        assert ours == theirs, text
    return python


def test_known_texts_are_known_whole(harness):
    for index, texts in ((0, MULTILINGUAL), (3, ["abcde deab c aé"])):
        rows = assert_same(harness, index, [text.encode() for text in texts], 1000)
        assert all(rows)
    every = features(MULTILINGUAL, tokenizers()[0].characters)
    rows = tokenizers()[0].encode_batch(MULTILINGUAL, max_length=1000)
    assert sum(map(len, rows)) > 0.99 * len(every.hashes)


@EVERY
def test_code_points_of_every_script(harness, index):
    sample = random.Random(index).sample(range(0x110000), 4000)
    codes = [*range(0x3100), *range(0xF900, 0x10080), *sample]
    assert_same(harness, index, code_point_texts(codes), 4096)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 4])
def test_every_code_point(harness, index):
    assert_same(harness, index, code_point_texts(list(range(0x110000))), 4096)


def test_invalid_utf8(harness):
    edges = bytes.fromhex("00417f808f909fa0bfc0c1c2dfe0edeff0f4f5f8ff")
    quads = [b"a" + bytes(case) for case in itertools.product(edges, repeat=4)]
    assert_same(harness, 1, quads[::9], 16)


@settings(deadline=None, max_examples=600)
@given(index=st.integers(0, COUNT - 1), text=TEXTS, max_length=st.integers(0, 300))
def test_any_bytes(harness, index, text, max_length):
    assert harness.encode(index, max_length, text) == python_ids(index, max_length, text)


@settings(deadline=None, max_examples=300)
@given(
    index=st.integers(0, COUNT - 1),
    text=TEXTS,
    pair=TEXTS,
    max_length=st.one_of(st.integers(0, 12), st.just(300)),
)
def test_any_pair(harness, index, text, pair, max_length):
    assert harness.encode(index, max_length, text, pair) == python_ids(index, max_length, text, pair)


def test_pairs_of_all_small_lengths(harness):
    (ngram,) = tokenizers()[2].ngrams
    assert ngram.text == "?"
    two = NgramTokenizer([ngram, ngram._replace(second=True)], "?")
    for first, second, max_length in itertools.product(range(9), range(9), range(16)):
        ids = harness.encode(2, max_length, b"? " * first, b"! " * second)
        assert ids == [0] * min(first, max_length)
        both = two.encode("?" * first, "?" * second, max_length=max_length)
        assert len(both) == min(first + second, max_length)


def test_long_words(harness):
    words = [("turnlights" * 30)[:length] for length in (1, 2, 3, 4, 5, 63, 64, 65, 300)]
    words += ["é" * 70 + "ﬁ" * 70, "가" * 50, "각" * 50, "a" * 100_000, "ab " * 30_000]
    for index in (0, 3):
        assert_same(harness, index, [word.encode() for word in words], 70_000)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_compiles_without_a_warning(tmp_path, compiler, standard):
    generated = tmp_path / "generated.c"
    generated.write_text(tokenizer_source(ngram_tables(tokenizers()[2]), "m"))
    for source in (RUNTIME / "embbert_ngrams.c", generated):
        for level in ("-O0", "-Os", "-O3"):
            command = [compiler, f"-std={standard}", *STRICT, *STRICT_C, level, "-I", RUNTIME, "-c", source]
            subprocess.run([*command, "-o", tmp_path / "x.o"], check=True)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_header_is_cpp(tmp_path, compiler):
    source = tmp_path / "use.cpp"
    source.write_text(
        '#include "embbert_ngrams.h"\nextern const embbert_ngrams m_tokenizer;\n'
        "unsigned use(unsigned short *ids)\n"
        "{ return embbert_encode_ngrams(&m_tokenizer, nullptr, 0, ids, 4); }\n"
    )
    command = [compiler, "-x", "c++", "-std=c++11", *STRICT, "-I", RUNTIME, "-c", source]
    subprocess.run([*command, "-o", tmp_path / "x.o"], check=True)
    symbols = subprocess.run(["nm", tmp_path / "x.o"], check=True, capture_output=True, text=True).stdout
    assert " U embbert_encode_ngrams\n" in symbols  # not mangled


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O2"])
def test_needs_nothing_and_keeps_nothing(tmp_path, compiler, level):
    """No library call, no writable byte."""
    compiled = tmp_path / "x.o"
    command = [compiler, "-std=c99", "-ffreestanding", level, "-c", RUNTIME / "embbert_ngrams.c"]
    subprocess.run([*command, "-o", compiled], check=True)
    symbols = subprocess.run(["nm", compiled], check=True, capture_output=True, text=True).stdout
    assert not [line for line in symbols.splitlines() if line.split()[-2] in "UbBdDC"]


@EVERY
def test_stated_bytes_are_the_objects(tmp_path, index):
    tables = ngram_tables(tokenizers()[index])
    source = tmp_path / "m.c"
    source.write_text(tokenizer_source(tables, "m"))
    subprocess.run(["gcc", "-I", RUNTIME, "-c", source, "-o", tmp_path / "m.o"], check=True)
    command = ["nm", "-S", tmp_path / "m.o"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    symbols = [line.split() for line in listing.splitlines()]
    sizes = {name: int(size, 16) for _, size, _, name in symbols if name != "m_tokenizer"}
    assert sum(sizes.values()) == tokenizer_bytes(tables)
