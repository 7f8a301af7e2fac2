"""The C tokenizer gives the ids of the Python tokenizer for any bytes, and stays within its buffers."""

import itertools
import random
import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embbert
from embbert.emit.tokenizer_c import tokenizer_bytes, tokenizer_source
from embbert.text import Boundary, Tokenizer, largest_vocab_size, train_tokenizer
from embbert.text.tables import tokenizer_tables

RUNTIME = Path(embbert.__file__).parent / "emit" / "runtime"
HARNESS = Path(__file__).with_name("tokenizer_harness.c")
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wvla"]
STRICT += ["-Wcast-qual", "-Wundef", "-Werror"]
STRICT_C = ["-Wstrict-prototypes", "-Wmissing-prototypes"]
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]

ENGLISH = [
    "turn the kitchen lights on, please!", "set an alarm for 6:45 tomorrow", "what's the weather like",
    "turning lights off", "the thermostat is set to 21.5 degrees", "play that song again & again", "#1 hit",
]  # fmt: skip
MULTILINGUAL = [
    *ENGLISH, "Déjà vu à Noël: où êtes-vous?", "Größe straße Übermaß", "İstanbul'da ığdır",
    "Việt Nam, tiếng Việt",
    "Ελληνικός λόγος, ΟΔΥΣΣΕΥΣ και ὁ ᾧ", "Привет, как дела? Ёжик Йод", "їжак", "שלום עולם", "مرحبا بالعالم",
    "नमस्ते दुनिया", "বাংলা কৌশল", "தமிழ் பௌர்ணமி", "日本語を話す。東京", "カタカナ ガギグ", "你好，世界！豈更車",
    "한국어 안녕하세요 각",
    "🙂 👩‍👩‍👧 👍🏽 𝄞 𐐀𐐨", "ﬁ ½ ℵ Å Ω € …", "ᄀᄁ ᅡ ᆨ", "Ⅷ ẞ ſ", "\u1e9b\u0323 q\u0307\u0323",
]  # fmt: skip

CURIOUS = (
    "aAbz09 \t\n\r\x00\x0b\x1f\x7f\x85\xa0\u00ad\u2028\u3000\ufeff\ufffd\ufffe\u200d.,#[]'-_«»…、。？"
    "éÉçÅÇ\u0301\u0323\u0327\u0345\u0334\u05b0\u0e38ßſẞİıΣςσΏᾧώЙйЁё가각힣각ᇂ"
    "\u302e\u302f\u1b44\U0001d165\U0001d15e\U0001d160\u0f71\u0f73\u09cb\u09be\u0bca"
    "中豈㐀𠀀\U0002f81a\ufa0eがカ\U0001f642\U0001f44d\U0001f3fd\ue000\U000f0000\U0010ffff\ud7ff\u0378"
)


@cache
def tokenizers() -> tuple[Tokenizer, ...]:
    """Scripts × boundaries, no merge, many merges, the largest alphabet, and the first two in Latin."""
    rng = random.Random(5)
    symbols = [chr(code) for code in rng.sample(range(0x110000), 40_000) if not 0xD800 <= code < 0xE000]
    made_up = ["".join(rng.choices("abcdeé", k=rng.randint(1, 9))) for _ in range(6000)]
    wanted: list[tuple[list[str], int, Boundary]] = [
        (MULTILINGUAL, 900, "continuation"),
        (MULTILINGUAL, 400, "none"),
        (ENGLISH, 130, "continuation"),
        (ENGLISH, 90, "none"),
        (["a?"], 7, "none"),
        (made_up, 5000, "continuation"),
        (["ab" * 3, *symbols], 16_400, "none"),
    ]
    trained = tuple(
        train_tokenizer(texts, largest_vocab_size(texts, limit, boundary=boundary), boundary=boundary)
        for texts, limit, boundary in wanted
    )
    return (*trained, *(tokenizer.limited_to("latin") for tokenizer in trained[:2]))


COUNT = 9
EVERY = pytest.mark.parametrize("index", range(COUNT))


class Harness:
    """A process that runs the C tokenizers under the address and undefined-behaviour sanitizers."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @staticmethod
    def request(index: int, max_length: int, text: bytes, pair: bytes | None = None) -> bytes:
        second = pair or b""
        head = struct.pack("=5I", index, pair is not None, max_length, len(text), len(second))
        return head + text + second

    def encode(self, index: int, max_length: int, text: bytes, pair: bytes | None = None) -> list[int]:
        self.process.stdin.write(self.request(index, max_length, text, pair))
        self.process.stdin.flush()
        count = int.from_bytes(self.process.stdout.read(4), "little")
        return np.frombuffer(self.process.stdout.read(2 * count), np.uint16).tolist()

    def encode_batch(self, index: int, texts: list[bytes], max_length: int) -> list[list[int]]:
        """In a process of its own, whose exit status the sanitizers set."""
        requests = b"".join(self.request(index, max_length, text) for text in texts)
        done = subprocess.run([self.program], input=requests, capture_output=True, check=True)
        rows, at = [], 0
        for _ in texts:
            (count,) = struct.unpack_from("=I", done.stdout, at)
            rows.append(np.frombuffer(done.stdout, np.uint16, count, at + 4).tolist())
            at += 4 + 2 * count
        return rows

    def close(self) -> int:
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    names = [f"t{index}" for index in range(len(tokenizers()))]
    sources = [HARNESS, RUNTIME / "embbert_tokenizer.c"]
    for name, tokenizer in zip(names, tokenizers(), strict=True):
        sources.append(folder / f"{name}.c")
        sources[-1].write_text(tokenizer_source(tokenizer_tables(tokenizer), name))
    table = [f"extern const embbert_tokenizer {name}_tokenizer;" for name in names]
    pointers = ", ".join(f"&{name}_tokenizer" for name in names)
    table.append(f"const embbert_tokenizer *const tokenizers[] = {{{pointers}}};")
    sources.append(folder / "table.c")
    sources[-1].write_text('#include "embbert_tokenizer.h"\n' + "\n".join(table))
    program = folder / "harness"
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(
        ["gcc", "-std=c99", "-O1", "-g", *sanitize, "-I", RUNTIME, *sources, "-o", program], check=True
    )
    running = Harness(program)
    yield running
    assert running.close() == 0


def python_ids(index: int, max_length: int, text: bytes, pair: bytes | None = None) -> list[int]:
    second = None if pair is None else pair.decode("utf-8", "replace")
    return tokenizers()[index].encode(text.decode("utf-8", "replace"), second, max_length=max_length)


def assert_same(harness: Harness, index: int, texts: list[bytes], max_length: int) -> None:
    python = tokenizers()[index].encode_batch(
        [text.decode("utf-8", "replace") for text in texts], max_length=max_length
    )
    for text, ours, theirs in zip(texts, harness.encode_batch(index, texts, max_length), python, strict=True):
        assert ours == theirs, text


def code_point_texts(codes: list[int], group: int = 64) -> list[bytes]:
    """Each character alone, between letters, and doubled; several characters per text."""
    cases = [f"{chr(c)}\ta{chr(c)}b\t{chr(c)}{chr(c)}\n" for c in codes if not 0xD800 <= c < 0xE000]
    return ["".join(cases[start : start + group]).encode() for start in range(0, len(cases), group)]


@EVERY
def test_code_points_of_every_script(harness, index):
    sample = random.Random(index).sample(range(0x110000), 4000)
    assert_same(harness, index, code_point_texts([*range(0x3100), *range(0xF900, 0x10080), *sample]), 1024)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1, 6, 7])
def test_every_code_point(harness, index):
    assert_same(harness, index, code_point_texts(list(range(0x110000))), 1024)


def test_invalid_utf8(harness):
    edges = bytes.fromhex("00417f808f909fa0bfc0c1c2dfe0edeff0f4f5f8ff")
    pairs = [bytes(case) for case in itertools.product(range(256), repeat=2)]
    quads = [b"a" + bytes(case) for case in itertools.product(edges, repeat=4)]
    assert_same(harness, 1, pairs[::2] + quads[::5], 16)


TEXTS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(str.encode),
    st.text(st.sampled_from(CURIOUS), max_size=150).map(str.encode),
    st.text(st.sampled_from("abcdeturnighls"), max_size=200).map(str.encode),
    st.lists(st.sampled_from(MULTILINGUAL)).map(lambda lines: " ".join(lines).encode()),
    st.text(st.sampled_from(CURIOUS), max_size=60).map(lambda text: text.encode()[1:-1]),
)


@settings(deadline=None, max_examples=600)
@given(index=st.integers(0, COUNT - 1), text=TEXTS, max_length=st.integers(1, 300))
def test_any_bytes(harness, index, text, max_length):
    assert harness.encode(index, max_length, text) == python_ids(index, max_length, text)


@settings(deadline=None, max_examples=300)
@given(
    index=st.integers(0, COUNT - 1),
    text=TEXTS,
    pair=TEXTS,
    max_length=st.one_of(st.integers(3, 12), st.just(300)),
)
def test_any_pair(harness, index, text, pair, max_length):
    assert harness.encode(index, max_length, text, pair) == python_ids(index, max_length, text, pair)


def test_pairs_of_all_small_lengths(harness):
    for first, second, max_length in itertools.product(range(9), range(9), range(3, 16)):
        text, pair = b"? " * first, b"! " * second
        assert harness.encode(2, max_length, text, pair) == python_ids(2, max_length, text, pair)


@EVERY
def test_long_words_are_cut(harness, index):
    words = [("turnlights" * 30)[:length] for length in (63, 64, 65, 127, 128, 129, 300)]
    words += [
        "é" * 70 + "ﬁ" * 70,
        "가" * 50,
        "각" * 50,
        "a" * 63 + "각",
        "a" * 64 + "?" + "b" * 65,
        "a" * 100_000,
    ]
    assert_same(harness, index, [word.encode() for word in words], 2000)


def test_more_tokens_than_16_bits_count(harness):
    text = b"?!" * 33_000
    assert harness.encode(2, 70_000, text) == python_ids(2, 70_000, text)
    assert len(harness.encode(2, 140_000, text, text)) == 132_003
    assert harness.encode(2, 100_000, text, b"? " * 5) == python_ids(2, 100_000, text, b"? " * 5)


def test_too_little_room_writes_nothing(harness):
    assert harness.encode(0, 0, b"turn on") == []
    assert harness.encode(0, 1, b"turn on") == [2]
    assert harness.encode(0, 2, b"turn", b"on") == []
    assert harness.encode(0, 3, b"turn", b"on") == [2, 4, 4]
    assert harness.encode(0, 9, b"", b"") == [2, 4, 4]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_compiles_without_a_warning(tmp_path, compiler, standard):
    generated = tmp_path / "generated.c"
    generated.write_text(tokenizer_source(tokenizer_tables(tokenizers()[4]), "m"))
    for source in (RUNTIME / "embbert_tokenizer.c", generated):
        for level in ("-O0", "-Os", "-O3"):
            command = [compiler, f"-std={standard}", *STRICT, *STRICT_C, level, "-I", RUNTIME, "-c", source]
            subprocess.run([*command, "-o", tmp_path / "x.o"], check=True)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_header_is_cpp(tmp_path, compiler):
    source = tmp_path / "use.cpp"
    source.write_text(
        '#include "embbert_tokenizer.h"\nextern const embbert_tokenizer m_tokenizer;\n'
        "unsigned use(unsigned short *ids) { return embbert_encode(&m_tokenizer, nullptr, 0, ids, 4); }\n"
    )
    subprocess.run(
        [compiler, "-x", "c++", "-std=c++11", *STRICT, "-I", RUNTIME, "-c", source, "-o", tmp_path / "x.o"],
        check=True,
    )
    symbols = subprocess.run(["nm", tmp_path / "x.o"], check=True, capture_output=True, text=True).stdout
    assert " U embbert_encode\n" in symbols  # not mangled


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O2", "-O3"])
def test_needs_nothing_and_keeps_nothing(tmp_path, compiler, level):
    """No library call, no writable byte."""
    compiled = tmp_path / "x.o"
    command = [compiler, "-std=c99", "-ffreestanding", level, "-c", RUNTIME / "embbert_tokenizer.c"]
    subprocess.run([*command, "-o", compiled], check=True)
    symbols = subprocess.run(["nm", compiled], check=True, capture_output=True, text=True).stdout
    assert not [line for line in symbols.splitlines() if line.split()[-2] in "UbBdDC"]


@EVERY
def test_stated_bytes_are_the_objects(tmp_path, index):
    tables = tokenizer_tables(tokenizers()[index])
    source = tmp_path / "m.c"
    source.write_text(tokenizer_source(tables, "m"))
    subprocess.run(["gcc", "-I", RUNTIME, "-c", source, "-o", tmp_path / "m.o"], check=True)
    listing = subprocess.run(
        ["nm", "-S", tmp_path / "m.o"], check=True, capture_output=True, text=True
    ).stdout
    symbols = [line.split() for line in listing.splitlines()]
    sizes = {name: int(size, 16) for _, size, _, name in symbols if name != "m_tokenizer"}
    assert {kind for _, _, kind, name in symbols if name != "m_tokenizer"} == {"r"}
    assert sum(sizes.values()) == tokenizer_bytes(tables)


def test_same_tokenizer_same_source():
    again = Tokenizer.from_json(tokenizers()[0].to_json())
    first, second = (tokenizer_source(tokenizer_tables(t), "m") for t in (tokenizers()[0], again))
    assert first == second
    assert tokenizer_source(tokenizer_tables(tokenizers()[1]), "m") != first
