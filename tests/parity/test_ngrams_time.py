"""Finding n-grams takes time linear in the text: instructions, counted in an emulated Cortex-M3."""

import struct
import subprocess

import pytest

import linears
from embbert.emit.tokenizer_c import tokenizer_source
from embbert.text.tables import ngram_tables
from parity.test_tokenizer_time import (
    ADVERSARIAL,
    BASE,
    BEGIN,
    PAIRED,
    RUNTIME,
    SCRIPT,
    WORDS,
    Core,
    cross_compiler,
    growth,
)


def image(folder):
    tokenizer = linears.tokenizer_of([*WORDS, *WORDS], pair=True)
    (folder / "t.c").write_text(tokenizer_source(ngram_tables(tokenizer), "t"))
    calls = BEGIN.replace("embbert_tokenizer", "embbert_ngrams").replace(
        "embbert_encode", "embbert_encode_ngrams"
    )
    (folder / "begin.c").write_text(calls)
    (folder / "link.ld").write_text(SCRIPT)
    command = [*cross_compiler(), "-std=c99", "-O2", "-ffreestanding", "-nostdlib", "-I", RUNTIME]
    command += [folder / "begin.c", RUNTIME / "embbert_ngrams.c", folder / "t.c"]
    command += [f"-Wl,-T,{folder / 'link.ld'},-e,begin", "-o", folder / "image.elf"]
    subprocess.run(command, check=True)
    elf = (folder / "image.elf").read_bytes()
    (offset,) = struct.unpack_from("<I", elf, 28)
    _, at, address, _, size = struct.unpack_from("<5I", elf, offset)  # the only segment
    assert address == BASE
    return elf[at : at + size]


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    return Core(image(tmp_path_factory.mktemp("core")))


@pytest.mark.parametrize(
    ("name", "max_length"), [(name, 200_000) for name in ADVERSARIAL] + [(name, 100_001) for name in PAIRED]
)
def test_ten_times_the_text_takes_at_most_eleven_times_the_instructions(core, name, max_length):
    assert 5 < growth(core, ADVERSARIAL[name], 640, max_length) <= 11


def test_what_is_cut_costs_nothing(core):
    unit = ADVERSARIAL["words"]
    ids, cost = core.encode(unit * 20, 64)
    assert (ids, cost) == core.encode(unit * 200, 64)
    assert ids == 64
    assert cost < core.encode(unit * 20, 200_000)[1]
