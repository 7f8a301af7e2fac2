"""Files of weights under a fuzzer, with the checksum repaired so that it is no protection."""

import random
from pathlib import Path

import pytest

import factory
import plans
from embbert.emit.render import Interface, blob
from fuzzing import fuzz

TARGET = Path(__file__).with_name("fuzz_blob.c")
TINY = {"vocab_size": 12, "hidden_size": 6, "embedding_size": 2, "kernel_size": 3, "max_length": 8}
SHAPES = {
    "faithful": {"num_layers": 2},
    "residual": {"num_layers": 1, "residual": True, "pooling": "mean", "expansion": 2},
    "n-grams": {"num_layers": 1, "ngrams": 9, "max_ngrams": 5},
}
LABELS = ("one", "two", "three")


def write(path, shape):
    """An export with its weights in a file, and the layout of that file."""
    plan = factory.random_plan(factory.small_config(**TINY, **SHAPES[shape]))
    plans.write_export(plan, path, "blob")
    file = blob(plan, Interface("net", "classify", LABELS, pair=False, text_front=False, weights="blob"))
    data = (path / "net_weights.bin").read_bytes()
    header = ", ".join(map(str, data[:48]))
    (path / "header.c").write_text(
        "#include <stdint.h>\nextern const uint8_t fuzzed_header[48];\n"
        f"const uint8_t fuzzed_header[48] = {{{header}}};\n"
    )
    return data, file


def lifted(data, file):
    """Queries of zeros alone, which no lift makes overflow: only the power of two itself does."""
    forged = bytearray(data)
    for entry in file.entries:
        if entry.name in {"layer0_query_weight", "layer0_query_bias"}:
            forged[entry.offset : entry.offset + entry.values.nbytes] = bytes(entry.values.nbytes)
    forged[file.offset("layer0_query_shift")] = 2
    forged[file.offset("layer0_query_lift")] = 31
    return bytes(forged)


@pytest.mark.parametrize("shape", SHAPES)
def test_fuzzed_weights_are_refused_or_harmless(tmp_path, shape):
    path = tmp_path / "c"
    data, file = write(path, shape)
    rng = random.Random(1)
    seeds = [b"\0" + data, b"\1" + data, b"\1" + data[:600], b"\1" + bytes(rng.randbytes(len(data)))]
    seeds.append(b"\1" + lifted(data, file))
    corpus = fuzz(tmp_path, [f"-I{path}", TARGET, *sorted(path.glob("*.c"))], seeds, max_len=len(data) + 16)
    assert len(corpus) > len(seeds)


def test_a_check_that_is_too_weak_is_found_and_its_input_shown(tmp_path):
    path = tmp_path / "c"
    data, file = write(path, "faithful")
    source = path / "embbert_blob.c"
    text = source.read_text()
    assert "lift < 31u" in text
    source.write_text(text.replace("lift < 31u", "lift < 32u"))
    seed = b"\1" + lifted(data, file)
    with pytest.raises(AssertionError) as failure:
        fuzz(tmp_path, [f"-I{path}", TARGET, *sorted(path.glob("*.c"))], [seed], max_len=len(data) + 16)
    assert f": {seed.hex()}\n" in str(failure.value)
    assert "left shift of 1 by 31 places" in str(failure.value)
