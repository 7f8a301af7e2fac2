"""Texts and lists of ids of a model with n-grams beside tokens under a fuzzer; Python on what it found."""

from pathlib import Path

import pytest

import joints
import linears
from embbert.emit.c99 import export_c
from embbert.quant.plan_io import load_plan
from embbert.verify.compare import compare
from embbert.verify.host import read_export
from embbert.verify.program import Program, Question
from embbert.verify.toolchain import find_compiler
from fuzzing import fuzz

TARGET = Path(__file__).with_name("fuzz_joint.c")
SEEDS = [
    *(text.encode() for text in linears.TEXTS),
    "Ελλ שלום 日本 한국 \U0001f642 ﬁ ½ q\u0307\u0323".encode(),
]
SEEDS += [bytes([0, 5] * 3 + [0, 40] * 4), bytes([0, 5, 0, 40, 0, 5]), bytes(range(256))]


@pytest.mark.parametrize("shared", [False, True], ids=["two alphabets", "one alphabet"])
def test_fuzzed_texts_and_ids_are_safe_and_equal(tmp_path, shared):
    folder = joints.joint_folder(tmp_path / "m", num_layers=1, max_length=8, max_ngrams=5, shared=shared)
    plan = load_plan(folder)
    path = tmp_path / "c"
    export_c(folder, plan, path)
    corpus = fuzz(tmp_path, [f"-I{path}", TARGET, *sorted(path.glob("*.c"))], SEEDS, max_len=120)
    assert len(corpus) > 50
    program = Program(read_export(path)[1], find_compiler("clang"), tmp_path, ["-O2"])
    asked = [Question(text) for text in corpus]
    for index, (question, reply) in enumerate(zip(asked, program.ask(asked), strict=True)):
        difference, _ = compare(plan, folder.tokenizer, index, question, reply, traced=False)
        assert difference is None, question.text
