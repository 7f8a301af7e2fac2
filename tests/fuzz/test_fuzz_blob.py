"""Files of weights under a fuzzer, with the checksum repaired so that it is no protection."""

import random
from pathlib import Path

import pytest

import factory
import plans
from fuzzing import fuzz

SHAPES = {
    "faithful": {"num_layers": 2},
    "residual": {"num_layers": 1, "residual": True, "pooling": "mean", "expansion": 2},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_fuzzed_weights_are_refused_or_harmless(tmp_path, shape):
    tiny = {"vocab_size": 12, "hidden_size": 6, "embedding_size": 2, "kernel_size": 3, "max_length": 8}
    plan = factory.random_plan(factory.small_config(**tiny, **SHAPES[shape]))
    path = tmp_path / "c"
    plans.write_export(plan, path, "blob")
    data = (path / "net_weights.bin").read_bytes()
    header = ", ".join(map(str, data[:48]))
    (path / "header.c").write_text(
        "#include <stdint.h>\nextern const uint8_t fuzzed_header[48];\n"
        f"const uint8_t fuzzed_header[48] = {{{header}}};\n"
    )
    target = Path(__file__).with_name("fuzz_blob.c")
    rng = random.Random(1)
    seeds = [b"\0" + data, b"\1" + data, b"\1" + data[:600], b"\1" + bytes(rng.randbytes(len(data)))]
    corpus = fuzz(tmp_path, [f"-I{path}", target, *sorted(path.glob("*.c"))], seeds, max_len=len(data) + 16)
    assert len(corpus) > len(seeds)
