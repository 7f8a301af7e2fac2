"""Any bytes as text and as weights under valgrind, which sees undefined and stray bytes of plain builds."""

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import factory
import folders
import linears
import plans
from embbert.emit.c99 import export_c
from embbert.emit.tokenizer_c import tokenizer_source
from embbert.quant.plan_io import load_plan
from embbert.text.tables import tables_of
from embbert.verify.program import Export, Program, Question, replies
from embbert.verify.toolchain import find_compiler
from readers import NGRAMS, RUNTIME, TOKENS

TARGETS = Path(__file__).parents[1] / "fuzz"
PLAIN = ["-O1", "-g"]
ERROR = 99
VALGRIND = ["valgrind", "-q", "--track-origins=yes", f"--error-exitcode={ERROR}"]

NOISE = random.Random(7)
TEXTS = [
    b"",
    b"\0",
    b"turn\0the lights\0",
    b"\xc3",
    b"\xf0\x9f\x98",
    b"lights \xff\xfe\x80 \xc3( \xed\xa0\x80 \xc0\x80 \xf4\x90\x80\x80 off",
    "각 ﬁ \u1e69 \U0001f642 q\u0307\u0323".encode(),
    b"x" * 3000,
    b"play some music " * 200,
    *(bytes([byte]) for byte in range(256)),
    *(NOISE.randbytes(size) for size in (2, 3, 5, 17, 63, 64, 65, 200, 999)),
]

# Runs a fuzzer's target on inputs from stdin, each with its size before it and in a place of its exact size.
MAIN = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int main(void)
{
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        uint8_t *data = malloc(size > 0u ? size : 1u);
        if (data == NULL || fread(data, 1, size, stdin) != size) {
            return 1;
        }
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    puts("all done");
    return 0;
}
"""


@pytest.fixture(autouse=True)
def _valgrind():
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed: apt-get install valgrind")


def run(program, data, *before):
    return subprocess.run([*before, program], input=data, capture_output=True, check=False)


def watched(program, data):
    """What a program writes to stdout; valgrind must have nothing to say."""
    done = run(program, data, *VALGRIND)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:6000]
    assert done.stderr == b""
    return done.stdout


def exported(place, weights="constants"):
    folder = folders.small_folder(place / "model", residual=True, pooling="mean")
    export_c(folder, load_plan(folder), place / "c", weights=weights)
    return folder, Export(place / "c", "model", folder.task, folder.pair)


def requests():
    return b"".join(Question(text).request() for text in TEXTS)


@pytest.mark.parametrize("weights", ["constants", "blob"])
def test_any_bytes_are_a_text(tmp_path, weights):
    folder, export = exported(tmp_path, weights)
    program = Program(export, find_compiler(), tmp_path, PLAIN).path
    answers = list(replies(watched(program, requests())))
    assert len(answers) == len(TEXTS)
    for text, answer in zip(TEXTS, answers, strict=True):
        ids = folder.tokenizer.encode(text.decode("utf-8", "replace"), max_length=folder.config.max_length)
        assert (answer.status, list(answer.ids)) == (0, ids), text


def target(place, name, arguments):
    """A fuzzer's target with the `main` from above in the fuzzer's place."""
    (place / "main.c").write_text(MAIN)
    program = place / "target"
    flags = [*PLAIN, "-std=c99", *arguments]
    find_compiler().compile([place / "main.c", TARGETS / name], program, flags)
    return program


def fed(inputs):
    return b"".join(struct.pack("=I", len(data)) + data for data in inputs)


READING = {
    TOKENS: lambda: folders.small_tokenizer(37),
    NGRAMS: lambda: linears.tokenizer_of(pair=True),
}


@pytest.mark.parametrize("reader", READING, ids=lambda reader: reader.name)
def test_any_bytes_are_a_text_for_the_reader_alone(tmp_path, reader):
    tokenizer = READING[reader]()
    (tmp_path / "tables.c").write_text(tokenizer_source(tables_of(tokenizer), "fuzzed"))
    sources = [reader.source, tmp_path / "tables.c"]
    defined = [*reader.define, f"-DVOCAB_SIZE={tokenizer.vocab_size}"]
    program = target(tmp_path, "fuzz_reader.c", [*defined, f"-I{RUNTIME}", *map(str, sources)])
    # Room for some ids, and a cut after some bytes for the two texts of a pair.
    inputs = [bytes([size % 41, size % 7]) + text for size, text in enumerate(TEXTS)]
    assert watched(program, fed(inputs)) == b"all done\n"


def test_any_bytes_are_refused_or_harmless_as_weights(tmp_path):
    shape = {"vocab_size": 12, "hidden_size": 6, "embedding_size": 2, "kernel_size": 3, "max_length": 8}
    plan = factory.random_plan(factory.small_config(**shape, num_layers=1, residual=True, pooling="mean"))
    path = tmp_path / "c"
    plans.write_export(plan, path, "blob")
    data = (path / "net_weights.bin").read_bytes()
    header = ", ".join(map(str, data[:48]))
    (path / "header.c").write_text(
        "#include <stdint.h>\nextern const uint8_t fuzzed_header[48];\n"
        f"const uint8_t fuzzed_header[48] = {{{header}}};\n"
    )
    program = target(tmp_path, "fuzz_blob.c", [f"-I{path}", *map(str, sorted(path.glob("*.c")))])
    size = len(data)
    cut = [
        data[:length] for length in (0, 1, 7, 8, 12, 16, 47, 48, 51, 52, size // 2, size - 4, size - 1, size)
    ]
    flipped = [
        data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        for at in [*range(60), *range(60, size, 9)]
    ]
    wild = [*cut, *flipped, NOISE.randbytes(size), bytes(size), b"\xff" * size, data + b"\0"]
    # As they are, then with header and checksum repaired, so that the checks of the values have their turn.
    inputs = [
        bytes([2 * index % 256 + repair]) + item for repair in (0, 1) for index, item in enumerate(wild)
    ]
    assert watched(program, fed(inputs)) == b"all done\n"


@pytest.mark.parametrize(
    ("file", "right", "wrong", "words"),
    [
        ("embbert_embed.c", "for (i = 0; i < 2u", "for (i = 1; i < 2u", b"uninitialised value"),
        (
            "embbert_text.h",
            "reader->at < reader->bytes) {",
            "reader->at <= reader->bytes) {",
            b"Invalid read of size 1",
        ),
    ],
    ids=["uninitialised", "one byte too far"],
)
def test_a_planted_fault_is_seen_by_valgrind_alone(tmp_path, file, right, wrong, words):
    _, export = exported(tmp_path)
    path = export.path / file
    text = path.read_text()
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong))
    program = Program(export, find_compiler(), tmp_path, PLAIN).path
    assert run(program, requests()).returncode == 0
    done = run(program, requests(), *VALGRIND)
    assert done.returncode == ERROR
    assert words in done.stderr
