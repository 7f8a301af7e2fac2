"""The C that reads texts under a fuzzer that seeks new paths, and Python on all that it found."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from embbert.emit.tokenizer_c import tokenizer_source
from embbert.text.tables import tables_of
from fuzzing import fuzz
from readers import NGRAMS, RUNTIME, TOKENS, trained

TARGET = Path(__file__).with_name("fuzz_reader.c")
TEXTS = [
    "turn the kitchen lights on, please!", "what's the weather like in Zürich? zürich!",
    "aaaa aaaaaaaa abababab",
    "Ελληνικός Привет שלום नमस्ते 日本語を話す。 한국어 각 🙂 𝄞 𐐀𐐨 ﬁ ½ ℵ Å 각 q\u0307\u0323",
]  # fmt: skip
LENGTH = 200
CASES = {
    "tokens": (TOKENS, lambda: trained(TEXTS, 400)),
    "tokens inside words alike, latin": (TOKENS, lambda: trained(TEXTS, 400, "none").limited_to("latin")),
    "n-grams": (NGRAMS, lambda: NGRAMS.quick(TEXTS, 500)),
    "n-grams, latin": (NGRAMS, lambda: NGRAMS.quick(TEXTS, 500).limited_to("latin")),
}


@pytest.mark.parametrize("name", CASES)
def test_fuzzed_texts_are_safe_and_equal(tmp_path, name):
    reader, make = CASES[name]
    tokenizer = make()
    (tmp_path / "tables.c").write_text(tokenizer_source(tables_of(tokenizer), "fuzzed"))
    sources = [reader.source, tmp_path / "tables.c"]
    seeds = [bytes([40, 9]) + text.encode() for text in TEXTS] + [bytes(range(256))]
    defined = [*reader.define, f"-DVOCAB_SIZE={tokenizer.vocab_size}"]
    corpus = fuzz(tmp_path, [*defined, "-I", RUNTIME, TARGET, *sources], seeds, max_len=600)
    assert len(corpus) > 100

    library = tmp_path / "reader.so"
    command = ["clang", "-std=c99", "-O2", "-shared", "-fPIC", "-I", RUNTIME, *sources, "-o", library]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    encode = getattr(loaded, reader.encode)
    tables = ctypes.byref(ctypes.c_char.in_dll(loaded, "fuzzed_tokenizer"))
    ids = np.zeros(LENGTH, np.uint16)
    for text in corpus:
        size, place = ctypes.c_size_t(len(text)), ctypes.c_void_p(ids.ctypes.data)
        count = encode(tables, text, size, place, LENGTH)
        expected = tokenizer.encode(text.decode("utf-8", "replace"), max_length=LENGTH)
        assert ids[:count].tolist() == expected, text
