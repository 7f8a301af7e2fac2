"""The C that looks for n-grams under a fuzzer that seeks new paths, and Python on all that it found."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

import embbert
import linears
from embbert.emit.tokenizer_c import tokenizer_source
from embbert.text.tables import ngram_tables
from fuzzing import fuzz

RUNTIME = Path(embbert.__file__).parent / "emit" / "runtime"
TEXTS = [
    "turn the kitchen lights on, please!", "what's the weather like in Zürich? zürich!", "aaaa aaaaaaaa",
    "Ελληνικός Привет שלום नमस्ते 日本語を話す。 한국어 각 🙂 𝄞 𐐀𐐨 ﬁ ½ ℵ Å 각 q\u0307\u0323" * 2,
]  # fmt: skip
LENGTH = 200


@pytest.mark.parametrize("charset", ["unicode", "latin"])
def test_fuzzed_texts_are_safe_and_equal(tmp_path, charset):
    tokenizer = linears.tokenizer_of(TEXTS, pair=True, most=500).limited_to(charset)
    (tmp_path / "tables.c").write_text(tokenizer_source(ngram_tables(tokenizer), "fuzzed"))
    sources = [RUNTIME / "embbert_ngrams.c", tmp_path / "tables.c"]
    target = Path(__file__).with_name("fuzz_ngrams.c")
    seeds = [bytes([40, 9]) + text.encode() for text in TEXTS] + [bytes(range(256))]
    arguments = [f"-DVOCAB_SIZE={tokenizer.vocab_size}", "-I", RUNTIME, target, *sources]
    corpus = fuzz(tmp_path, arguments, seeds, max_len=600)
    assert len(corpus) > 50

    library = tmp_path / "ngrams.so"
    command = ["clang", "-std=c99", "-O2", "-shared", "-fPIC", "-I", RUNTIME, *sources, "-o", library]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    tables = ctypes.byref(ctypes.c_char.in_dll(loaded, "fuzzed_tokenizer"))
    ids = np.zeros(LENGTH, np.uint16)
    for text in corpus:
        size, place = ctypes.c_size_t(len(text)), ctypes.c_void_p(ids.ctypes.data)
        count = loaded.embbert_encode_ngrams(tables, text, size, place, LENGTH)
        expected = tokenizer.encode(text.decode("utf-8", "replace"), max_length=LENGTH)
        assert ids[:count].tolist() == expected, text
