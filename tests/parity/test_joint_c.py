"""Models with n-grams beside tokens as C: ids and every operator, in every form; what is refused; faults."""

import dataclasses
import itertools
import subprocess

import numpy as np
import pytest

import factory
import joints
import linears
import plans
from embbert.emit.c99 import contents, export_c, runtime_files
from embbert.errors import DataError
from embbert.quant import reference
from embbert.quant.arithmetic import saturate
from embbert.quant.plan_io import load_plan
from embbert.verify.compare import compare
from embbert.verify.host import TRICKY, check_export, questions, read_export, verify_host
from embbert.verify.program import Program, Question
from embbert.verify.toolchain import find_compiler
from readers import RUNTIME

SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
TEXTS = [
    *linears.TEXTS,
    "TURN THE LÍGHTS ON" * 9,
    "ﬁ ½ zürich Zürich 각 日本語\U0001f642",
    "on! off? (stop)",
    "a" * 99,
]
KINDS = {
    "classify": {"task": "classify"},
    "pairs": {"task": "regress", "pair": True, "residual": True, "pooling": "mean"},
    "two alphabets": {"task": "classify", "shared": False, "max_ngrams": 70},
    "one n-gram": {"task": "regress", "max_ngrams": 1},
}


@pytest.mark.parametrize("compiler", plans.COMPILERS)
@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_every_operator_equal_python_under_the_sanitizers(tmp_path, kind, compiler):
    folder = joints.joint_folder(tmp_path / "m", **KINDS[kind])
    plan = load_plan(folder)
    export_c(folder, plan, tmp_path / "c", weights="blob" if compiler == "clang" else "constants")
    report, export = read_export(tmp_path / "c")
    assert (report["ngrams"], report["max_ngrams"]) == (plan.ngrams, plan.max_ngrams)
    program = Program(export, find_compiler(compiler), tmp_path, SANITIZED, trace=True)
    asked = questions(folder, TEXTS, TEXTS[::-1] if folder.pair else None)
    most = set()
    for index, (question, reply) in enumerate(zip(asked, program.ask(asked), strict=True)):
        difference, _ = compare(
            plan, folder.tokenizer, index, question, reply, classify=folder.task == "classify"
        )
        assert difference is None
        most.add(sum(number >= plan.vocab_size for number in reply.ids))
    assert 0 in most  # and as many as there may be, or several numbers of them
    assert len(most) > 4 if kind == "two alphabets" else plan.max_ngrams in most


@pytest.mark.parametrize(
    ("name", "weights", "charset", "length"),
    [
        ("bert", "blob", "unicode", 7),
        ("nano-embedder", "constants", "latin", None),
        ("nanobert-efficient", "constants", "unicode", None),
    ],
)
def test_other_architectures_are_verified(tmp_path, name, weights, charset, length):
    folder = joints.joint_folder(tmp_path / "m", config=factory.BASELINES[name])
    plan = load_plan(folder)
    found = verify_host(folder, plan, TEXTS, weights=weights, charset=charset, max_length=length)
    assert found.problems == ()
    assert found.texts == len(TEXTS) + len(TRICKY)
    assert 0 < found.stack <= found.stated["stack"]


def test_lists_of_ids_are_taken_exactly_where_the_reference_takes_them(tmp_path):
    """Every number of tokens and n-grams about the limits, and lists that are in no order."""
    plan = factory.random_plan(factory.small_config(max_length=6, ngrams=8, max_ngrams=3))
    export = plans.write_export(plan, tmp_path / "c")
    program = Program(export, find_compiler("gcc"), tmp_path, SANITIZED)
    rng = np.random.default_rng(0)
    lists = [[5] * tokens + [37] * known for tokens, known in itertools.product(range(9), range(6))]
    lists += [rng.choice([5, 36, 37, 44, 45, 65535], rng.integers(1, 10)).tolist() for _ in range(300)]
    statuses = []
    for ids, reply in zip(lists, program.ask([Question(ids=tuple(ids)) for ids in lists]), strict=True):
        try:
            expected = reference.run(plan, ids).tolist()
        except DataError:
            assert reply.status in (6, 7, 8)
        else:
            assert reply.status == 0
            assert reply.logits.tolist() == expected
        statuses.append(reply.status)
    assert {0, 6, 7, 8} == set(statuses)
    named = {
        (5,) * 7: 7,
        (5, *[37] * 4): 7,
        (37,): 6,
        (): 6,
        (5, 45): 8,
        (5, 37, 5): 8,
        (5,) * 6 + (44,) * 3: 0,
    }
    asked = [Question(ids=ids) for ids in named]
    assert [reply.status for reply in program.ask(asked)] == list(named.values())


def test_any_65536_ids_are_taken(tmp_path):
    """The largest id there is: no number wraps."""
    plan = factory.random_plan(factory.small_config(max_length=6, ngrams=65536 - 37, max_ngrams=3))
    export = plans.write_export(plan, tmp_path / "c", "blob")
    program = Program(export, find_compiler("gcc"), tmp_path, SANITIZED)
    asked = [(5, 65535, 37, 65534), (36, 65535)]
    for ids, reply in zip(asked, program.ask([Question(ids=ids) for ids in asked]), strict=True):
        assert reply.logits.tolist() == reference.run(plan, ids).tolist()


ADDER = """
#include <stdio.h>
#include "embbert_sum.h"
int main(void)
{{
    const int32_t source[] = {{{source}}};
    int32_t out[] = {{{out}}};
    uint32_t i;
    embbert_add_logits(source, {count}u, out);
    for (i = 0; i < {count}u; i++) {{
        printf("%ld\\n", (long)out[i]);
    }}
    return 0;
}}
"""


def test_logits_are_added_up_to_the_limits_of_their_type_and_no_further(tmp_path):
    limits = [-(2**31) + 1, -(2**30), -(2**30) - 1, -1, 0, 1, 2**30 - 1, 2**30, 2**31 - 1]
    source, out = (list(values) for values in zip(*itertools.product(limits, repeat=2), strict=True))
    texts = {name: ", ".join(map(str, values)) for name, values in (("source", source), ("out", out))}
    caller, program = tmp_path / "caller.c", tmp_path / "caller"
    caller.write_text(ADDER.format(**texts, count=len(source)))
    find_compiler("gcc").compile([caller], program, [*SANITIZED, f"-I{RUNTIME}"])
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    total = np.array(source, np.int64) + np.array(out, np.int64)
    assert [int(line) for line in printed.split()] == saturate(total, "int32").tolist()


def test_a_shorter_export_shortens_the_tokens_only(tmp_path):
    folder = joints.joint_folder(tmp_path / "m")
    plan = load_plan(folder)
    export_c(folder, plan, tmp_path / "c", max_length=5)
    header = (tmp_path / "c" / "model.h").read_text()
    for line in ("MAX_LENGTH 5u", "MAX_NGRAMS 12u", "MAX_IDS 17u", f"NGRAMS {plan.ngrams}u"):
        assert f"#define MODEL_{line}" in header
    found = check_export(tmp_path / "c", plan, folder.tokenizer, questions(folder, TEXTS))
    assert found.problems == ()


FAULTS = {
    "model.c": ("(uint16_t)(a->ids[i] - ", "(uint16_t)(a->ids[i] + 1u - ", "head.weigh"),
    "embbert_sum.h": ("(int64_t)out[i] + source[i]", "(int64_t)out[i] - source[i]", "head.add"),
    "embbert_ngrams.c": ("find->follows = 1;", "find->follows = 0;", "tokens"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found(tmp_path, name):
    folder = joints.joint_folder(tmp_path / "m")
    plan = load_plan(folder)
    export_c(folder, plan, tmp_path / "c")
    before, after, where = FAULTS[name]
    source = tmp_path / "c" / name
    text = source.read_text()
    assert text.count(before) == 1
    source.write_text(text.replace(before, after))
    found = check_export(tmp_path / "c", plan, folder.tokenizer, questions(folder, TEXTS))
    assert found.difference is not None
    assert found.difference.where == where


def test_only_models_with_ngrams_bring_what_they_need(tmp_path):
    folder = joints.joint_folder(tmp_path / "m", config=factory.BASELINES["nano-embedder"])
    plan = load_plan(folder)
    files, report = contents(folder, plan, "model")
    more = {"embbert_bag.c", "embbert_ngrams.c", "embbert_ngrams.h", "embbert_sum.h"}
    plain = factory.random_plan(factory.BASELINES["nano-embedder"])
    assert set(runtime_files(plan)) - set(runtime_files(plain)) == more
    assert more < files.keys()
    assert "embbert_norm.c" not in files
    assert not more & set(runtime_files(factory.random_plan(factory.small_config(residual=True))))
    assert next(region["bytes"] for region in report["arena"] if region["name"] == "ids") == 2 * (24 + 12)
    assert "24 tokens and 12 known n-grams is cut" in files["README.md"].decode()


def test_another_tokenizer_makes_another_file_of_weights(tmp_path):
    """Weights that fit other n-grams are foreign, though all shapes are the same."""
    folder = joints.joint_folder(tmp_path / "m")
    plan = load_plan(folder)
    other = joints.tokenizer(max_ngrams=12, shared=False)
    assert other.ngrams.vocab_size >= plan.ngrams
    changed = dataclasses.replace(folder, tokenizer=other)
    one, two = (
        contents(each, plan, "model", weights="blob")[0]["model_weights.bin"] for each in (folder, changed)
    )
    assert one[16:48] != two[16:48]
    assert len(one) == len(two)
