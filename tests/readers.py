"""The two readers of text in C, tokens and n-grams, behind one face: many of each, and how to run them."""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

import embbert
import linears
from embbert.config.linear import MAX_NGRAMS
from embbert.emit.tokenizer_c import tokenizer_source
from embbert.text import Boundary, NgramTokenizer, Tokenizer, largest_vocab_size, train_tokenizer
from embbert.text.ngrams import learn_alphabet
from embbert.text.tables import tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RUNTIME = Path(embbert.__file__).parent / "emit" / "runtime"
HARNESS = Path(__file__).with_name("parity") / "reader_harness.c"

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
    "éÉçÅÇ\u0301\u0323\u0327\u0345\u0334\u05b0\u0e38ßſẞİıΣςσΏᾧώЙйЁё가각힣각ᇂ"
    "\u302e\u302f\u1b44\U0001d165\U0001d15e\U0001d160\u0f71\u0f73\u09cb\u09be\u0bca"
    "中豈㐀𠀀\U0002f81a\ufa0eがカ\U0001f642\U0001f44d\U0001f3fd\ue000\U000f0000\U0010ffff\ud7ff\u0378"
)

ANY_TEXT = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(str.encode),
    st.text(st.sampled_from(CURIOUS), max_size=150).map(str.encode),
    st.text(st.sampled_from("abcdeturnighls"), max_size=200).map(str.encode),
    st.lists(st.sampled_from(MULTILINGUAL)).map(lambda lines: " ".join(lines).encode()),
    st.text(st.sampled_from(CURIOUS), max_size=60).map(lambda text: text.encode()[1:-1]),
)


@dataclass(frozen=True)
class Reader:
    """One of the two, as it is called in C.

    Attributes:
        name: of its files and its type, without `embbert_`.
        encode: its function for one text; that for two ends in `_pair`.
        define: what tells C that is written for both that it is this one.
        count: of its tokenizers, so that they need not be made to be counted.
        smallest: which of them knows least.
        least: of one text and of a pair, the smallest `max_length` that Python takes.
        made: the tokenizers.
        quick: one made of a few texts, of at most so many entries.
    """

    name: str
    encode: str
    define: tuple[str, ...]
    count: int
    smallest: int
    least: tuple[int, int]
    made: Callable[[], tuple[Tokenizer, ...] | tuple[NgramTokenizer, ...]]
    quick: Callable[[Sequence[str], int], Tokenizer | NgramTokenizer]

    @property
    def type(self) -> str:
        """Of its tables."""
        return f"embbert_{self.name}"

    @property
    def source(self) -> Path:
        """The C that does it."""
        return RUNTIME / f"embbert_{self.name}.c"

    def ids(self, index: int, max_length: int, text: bytes, pair: bytes | None = None) -> list[int]:
        """What Python says."""
        second = None if pair is None else pair.decode("utf-8", "replace")
        return self.made()[index].encode(text.decode("utf-8", "replace"), second, max_length=max_length)

    def write(self, folder: Path) -> list[Path]:
        """The C files of all tokenizers, and of the table of them."""
        names = [f"t{index}" for index in range(self.count)]
        files = [folder / f"{name}.c" for name in names]
        for name, path, tokenizer in zip(names, files, self.made(), strict=True):
            path.write_text(tokenizer_source(tables_of(tokenizer), name))
        table = [
            f'#include "{self.type}.h"',
            *(f"extern const {self.type} {name}_tokenizer;" for name in names),
        ]
        pointers = ", ".join(f"&{name}_tokenizer" for name in names)
        table.append(f"const {self.type} *const tokenizers[] = {{{pointers}}};")
        (folder / "table.c").write_text("\n".join(table))
        return [*files, folder / "table.c"]


@cache
def _tokens() -> tuple[Tokenizer, ...]:
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
    found = tuple(trained(*each) for each in wanted)
    return (*found, *(tokenizer.limited_to("latin") for tokenizer in found[:2]))


def trained(texts: Sequence[str], limit: int, boundary: Boundary = "continuation") -> Tokenizer:
    """Of at most `limit` tokens."""
    size = largest_vocab_size(texts, limit, boundary=boundary)
    return train_tokenizer(texts, size, boundary=boundary)


@cache
def _ngrams() -> tuple[NgramTokenizer, ...]:
    """Many scripts, ASCII alone, one n-gram, as many as there may be, few characters; the first in Latin."""
    rng = random.Random(5)
    made_up = [" ".join("".join(rng.choices("abcdeé", k=rng.randint(1, 9))) for _ in range(30_000))]
    symbols = [chr(code) for code in rng.sample(range(0x110000), 30_000) if not 0xD800 <= code < 0xE000]
    wanted = [
        (MULTILINGUAL, learn_alphabet([*MULTILINGUAL, *MULTILINGUAL]), MAX_NGRAMS),
        (ENGLISH, learn_alphabet(ENGLISH), 500),
        (["?"], frozenset("?"), 1),
        (made_up, frozenset("abcde"), MAX_NGRAMS),
        (["".join(symbols)], learn_alphabet(symbols * 2), 20_000),
        (ENGLISH, frozenset("е"), 50),
    ]
    learned = []
    for texts, characters, most in wanted:
        ngrams = linears.ngrams_of(texts, characters, pair=True)
        rng.shuffle(ngrams)
        learned.append(NgramTokenizer.of_best(ngrams, most, characters))
    return (*learned, learned[0].limited_to("latin"))


def _known(texts: Sequence[str], most: int) -> NgramTokenizer:
    return linears.tokenizer_of([*texts, *texts], pair=True, most=most)


TOKENS = Reader("tokenizer", "embbert_encode", (), 9, 4, (1, 3), _tokens, trained)
NGRAMS = Reader("ngrams", "embbert_encode_ngrams", ("-DNGRAMS",), 7, 2, (0, 0), _ngrams, _known)
READERS = (TOKENS, NGRAMS)


def code_point_texts(codes: Sequence[int], group: int = 64) -> list[bytes]:
    """Each character alone, between letters, and doubled; several characters per text."""
    cases = [f"{chr(c)}\ta{chr(c)}b\t{chr(c)}{chr(c)}\n" for c in codes if not 0xD800 <= c < 0xE000]
    return ["".join(cases[start : start + group]).encode() for start in range(0, len(cases), group)]


def request(index: int, max_length: int, text: bytes, pair: bytes | None = None) -> bytes:
    """What the harness reads."""
    second = pair or b""
    head = struct.pack("=5I", index, pair is not None, max_length, len(text), len(second))
    return head + text + second


class Harness:
    """A process that runs a reader's C under the address and undefined-behaviour sanitizers."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self.reader = reader
        self.program = folder / "harness"
        flags = ["-std=c99", "-O1", "-g", *reader.define, "-fsanitize=address,undefined"]
        flags += ["-fno-sanitize-recover=all", "-I", RUNTIME]
        sources = [HARNESS, reader.source, *reader.write(folder)]
        subprocess.run(["gcc", *flags, *sources, "-o", self.program], check=True)
        self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def encode(self, index: int, max_length: int, text: bytes, pair: bytes | None = None) -> list[int]:
        self.process.stdin.write(request(index, max_length, text, pair))
        self.process.stdin.flush()
        count = int.from_bytes(self.process.stdout.read(4), "little")
        return np.frombuffer(self.process.stdout.read(2 * count), np.uint16).tolist()

    def encode_batch(self, index: int, texts: list[bytes], max_length: int) -> list[list[int]]:
        """In a process of its own, whose exit status the sanitizers set."""
        requests = b"".join(request(index, max_length, text) for text in texts)
        done = subprocess.run([self.program], input=requests, capture_output=True, check=True)
        rows, at = [], 0
        for _ in texts:
            (count,) = struct.unpack_from("=I", done.stdout, at)
            rows.append(np.frombuffer(done.stdout, np.uint16, count, at + 4).tolist())
            at += 4 + 2 * count
        return rows

    def assert_same(self, index: int, texts: list[bytes], max_length: int) -> list[list[int]]:
        """That Python says the same of every text; what it says."""
        decoded = [text.decode("utf-8", "replace") for text in texts]
        python = self.reader.made()[index].encode_batch(decoded, max_length=max_length)
        for text, ours, theirs in zip(
            texts, self.encode_batch(index, texts, max_length), python, strict=True
        ):
            assert ours == theirs, text
        return python

    def close(self) -> int:
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()
