"""The C reads what Python reads, as tokens and as n-grams, for any bytes, and stays within its buffers."""

import itertools
import random
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plans
from embbert.config.linear import MAX_NGRAMS
from embbert.emit.tokenizer_c import tokenizer_bytes, tokenizer_source
from embbert.text import NgramTokenizer
from embbert.text.features import features
from embbert.text.tables import tables_of
from readers import ANY_TEXT, MULTILINGUAL, NGRAMS, READERS, RUNTIME, TOKENS, Harness, code_point_texts

STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wvla"]
STRICT += ["-Wcast-qual", "-Wundef", "-Werror"]
STRICT_C = ["-Wstrict-prototypes", "-Wmissing-prototypes"]

EACH = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def some(tokens, ngrams):
    """Each of these tokenizers, by index."""
    cases = [(TOKENS, index) for index in tokens] + [(NGRAMS, index) for index in ngrams]
    ids = [f"{reader.name}-{index}" for reader, index in cases]
    return pytest.mark.parametrize(("reader", "index"), cases, ids=ids)


EVERY = some(range(TOKENS.count), range(NGRAMS.count))


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """The harness of a reader, built once."""
    running = {}

    def start(reader):
        if reader not in running:
            running[reader] = Harness(reader, tmp_path_factory.mktemp(reader.name))
        return running[reader]

    yield start
    assert [each.close() for each in running.values()] == [0] * len(running)


def test_ngrams_are_as_wanted():
    sizes = [tokenizer.vocab_size for tokenizer in NGRAMS.made()]
    assert len(sizes) == NGRAMS.count
    assert sizes[1] == 500
    assert sizes[2] == 1
    assert sizes[3] == MAX_NGRAMS
    assert sizes[4] == 20_000


def test_known_texts_are_known_whole(harness):
    for index, texts in ((0, MULTILINGUAL), (3, ["abcde deab c aé"])):
        rows = harness(NGRAMS).assert_same(index, [text.encode() for text in texts], 1000)
        assert all(rows)
    first = NGRAMS.made()[0]
    every = features(MULTILINGUAL, first.characters)
    rows = first.encode_batch(MULTILINGUAL, max_length=1000)
    assert sum(map(len, rows)) > 0.99 * len(every.hashes)


@EVERY
def test_code_points_of_every_script(harness, reader, index):
    sample = random.Random(index).sample(range(0x110000), 4000)
    codes = [*range(0x3100), *range(0xF900, 0x10080), *sample]
    harness(reader).assert_same(index, code_point_texts(codes), 4096)


@pytest.mark.slow
@some([0, 1, 6, 7], [0, 4])
def test_every_code_point(harness, reader, index):
    harness(reader).assert_same(index, code_point_texts(list(range(0x110000))), 4096)


@EACH
def test_invalid_utf8(harness, reader):
    edges = bytes.fromhex("00417f808f909fa0bfc0c1c2dfe0edeff0f4f5f8ff")
    pairs = [bytes(case) for case in itertools.product(range(256), repeat=2)]
    quads = [b"a" + bytes(case) for case in itertools.product(edges, repeat=4)]
    harness(reader).assert_same(1, pairs[::2] + quads[::5], 16)


@EACH
@settings(max_examples=600)
@given(data=st.data())
def test_any_bytes(harness, reader, data):
    index, text = data.draw(st.integers(0, reader.count - 1)), data.draw(ANY_TEXT)
    max_length = data.draw(st.integers(reader.least[0], 300))
    assert harness(reader).encode(index, max_length, text) == reader.ids(index, max_length, text)


@EACH
@settings(max_examples=300)
@given(data=st.data())
def test_any_pair(harness, reader, data):
    index, text, pair = data.draw(st.integers(0, reader.count - 1)), data.draw(ANY_TEXT), data.draw(ANY_TEXT)
    max_length = data.draw(st.one_of(st.integers(reader.least[1], 12), st.just(300)))
    assert harness(reader).encode(index, max_length, text, pair) == reader.ids(index, max_length, text, pair)


@EACH
def test_pairs_of_all_small_lengths(harness, reader):
    least = reader.least[1]
    for first, second, max_length in itertools.product(range(9), range(9), range(least, 16)):
        text, pair = b"? " * first, b"! " * second
        assert harness(reader).encode(2, max_length, text, pair) == reader.ids(2, max_length, text, pair)


def test_ngrams_of_pairs_of_all_small_lengths():
    """Numbers that are known: of one n-gram, and of it in first and in second texts."""
    one = NGRAMS.made()[2]
    (ngram,) = one.ngrams
    assert ngram.text == "?"
    two = NgramTokenizer([ngram, ngram._replace(second=True)], "?")
    for first, second, max_length in itertools.product(range(9), range(9), range(16)):
        ids = one.encode("? " * first, "! " * second, max_length=max_length)
        assert ids == [0] * min(first, max_length)
        both = two.encode("?" * first, "?" * second, max_length=max_length)
        assert len(both) == min(first + second, max_length)


@some(range(TOKENS.count), [0, 3])
def test_long_words(harness, reader, index):
    """Those of tokens are cut after 64 characters."""
    lengths = (1, 2, 3, 4, 5, 63, 64, 65, 127, 128, 129, 300)
    words = [("turnlights" * 30)[:length] for length in lengths]
    words += ["é" * 70 + "ﬁ" * 70, "가" * 50, "각" * 50, "a" * 63 + "각", "a" * 64 + "?" + "b" * 65]
    words += ["a" * 100_000, "ab " * 30_000]
    texts = [word.encode() for word in words]
    harness(reader).assert_same(index, texts, 70_000)


def test_more_tokens_than_16_bits_count(harness):
    text = b"?!" * 33_000
    assert harness(TOKENS).encode(2, 70_000, text) == TOKENS.ids(2, 70_000, text)
    assert len(harness(TOKENS).encode(2, 140_000, text, text)) == 132_003
    assert harness(TOKENS).encode(2, 100_000, text, b"? " * 5) == TOKENS.ids(2, 100_000, text, b"? " * 5)


def test_too_little_room_writes_nothing(harness):
    assert harness(TOKENS).encode(0, 0, b"turn on") == []
    assert harness(TOKENS).encode(0, 1, b"turn on") == [2]
    assert harness(TOKENS).encode(0, 2, b"turn", b"on") == []
    assert harness(TOKENS).encode(0, 3, b"turn", b"on") == [2, 4, 4]
    assert harness(TOKENS).encode(0, 9, b"", b"") == [2, 4, 4]


@EACH
@pytest.mark.parametrize("compiler", plans.COMPILERS)
@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_compiles_without_a_warning(tmp_path, reader, compiler, standard):
    generated = tmp_path / "generated.c"
    generated.write_text(tokenizer_source(tables_of(reader.made()[reader.smallest]), "m"))
    for source in (reader.source, generated):
        for level in ("-O0", "-Os", "-O3"):
            command = [compiler, f"-std={standard}", *STRICT, *STRICT_C, level, "-I", RUNTIME, "-c", source]
            subprocess.run([*command, "-o", tmp_path / "x.o"], check=True)


@EACH
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_header_is_cpp(tmp_path, reader, compiler):
    source = tmp_path / "use.cpp"
    source.write_text(
        f'#include "{reader.type}.h"\nextern const {reader.type} m_tokenizer;\n'
        f"unsigned use(unsigned short *ids) {{ return {reader.encode}(&m_tokenizer, nullptr, 0, ids, 4); }}\n"
    )
    command = [compiler, "-x", "c++", "-std=c++11", *STRICT, "-I", RUNTIME, "-c", source]
    subprocess.run([*command, "-o", tmp_path / "x.o"], check=True)
    symbols = subprocess.run(["nm", tmp_path / "x.o"], check=True, capture_output=True, text=True).stdout
    assert f" U {reader.encode}\n" in symbols  # not mangled


@EACH
@pytest.mark.parametrize("compiler", plans.COMPILERS)
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O2", "-O3"])
def test_needs_nothing_and_keeps_nothing(tmp_path, reader, compiler, level):
    """No library call, no writable byte."""
    compiled = tmp_path / "x.o"
    command = [compiler, "-std=c99", "-ffreestanding", level, "-c", reader.source]
    subprocess.run([*command, "-o", compiled], check=True)
    symbols = subprocess.run(["nm", compiled], check=True, capture_output=True, text=True).stdout
    assert not [line for line in symbols.splitlines() if line.split()[-2] in "UbBdDC"]


@EACH
def test_stated_bytes_are_the_objects(tmp_path, reader):
    for path, tokenizer in zip(reader.write(tmp_path), reader.made(), strict=False):
        subprocess.run(["gcc", "-I", RUNTIME, "-c", path, "-o", tmp_path / "m.o"], check=True)
        command = ["nm", "-S", tmp_path / "m.o"]
        listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        symbols = [line.split() for line in listing.splitlines()]
        arrays = [
            (kind, int(size, 16)) for _, size, kind, name in symbols if name != f"{path.stem}_tokenizer"
        ]
        assert {kind for kind, _ in arrays} == {"r"}
        assert sum(size for _, size in arrays) == tokenizer_bytes(tables_of(tokenizer))


@EACH
def test_same_tokenizer_same_source(reader):
    first, other = reader.made()[:2]
    again = type(first).from_json(first.to_json())
    assert tokenizer_source(tables_of(first), "m") == tokenizer_source(tables_of(again), "m")
    assert tokenizer_source(tables_of(first), "m") != tokenizer_source(tables_of(other), "m")
