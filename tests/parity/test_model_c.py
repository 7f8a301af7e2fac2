"""An exported model from outside: it answers like the reference, is what it claims, and faults are found."""

import platform
import re
import subprocess

import pytest

import factory
import faults
import folders
import plans
from embbert.emit.blob import entries_of
from embbert.emit.c99 import export_c
from embbert.errors import CheckFailed
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import run
from embbert.verify.host import HostModel, check_export, questions, read_export, verify_host
from embbert.verify.program import Program, Question
from embbert.verify.sizes import floating_point
from embbert.verify.toolchain import find_compiler
from faults import damage

KINDS = {
    "classify": {"task": "classify"},
    "pairs": {"task": "classify", "pair": True, "residual": True, "pooling": "mean"},
    "regress": {"task": "regress", "causal_conv": False, "expansion": 2},
}


def model(place, kind="classify"):
    folder = folders.small_folder(place / "model", **KINDS[kind])
    return folder, load_plan(folder)


@pytest.fixture
def exported(tmp_path):
    """(folder, plan, path of the export) of a small classifier."""
    folder, plan = model(tmp_path)
    export_c(folder, plan, tmp_path / "c")
    return folder, plan, tmp_path / "c"


@pytest.mark.parametrize("compiler", plans.COMPILERS)
@pytest.mark.parametrize("kind", KINDS)
def test_verify_finds_every_claim_true(tmp_path, kind, compiler):
    folder, plan = model(tmp_path, kind)
    texts = list(folders.TEXTS)
    result = verify_host(folder, plan, texts, texts[::-1] if folder.pair else None, compiler=compiler)
    assert result.problems == ()
    assert result.texts > len(texts)
    assert result.values > 10_000
    assert result.sizes is not None
    assert result.sizes.writable == 0
    assert result.sizes.undefined == ()
    assert 0 < result.stack <= result.stated["stack"]


@pytest.mark.parametrize("name", factory.BASELINES)
def test_verify_finds_every_claim_of_the_baselines_true(tmp_path, name):
    folder = folders.small_folder(tmp_path / "model", config=factory.BASELINES[name])
    result = verify_host(folder, load_plan(folder), list(folders.TEXTS))
    assert result.problems == ()
    assert result.values > 4_000
    assert result.sizes is not None
    assert (result.sizes.writable, result.sizes.undefined) == (0, ())
    assert 0 < result.stack <= result.stated["stack"]


@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_the_stated_stack_holds_at_any_level(tmp_path, compiler, level):
    """The model is wide enough for whole blocks of channels, the deepest frames.

    Vectors that not every machine has are left out: with some of them compilers spill more.
    """
    folder = folders.small_folder(tmp_path / "model", hidden_size=128, kernel_size=32, vocab_size=70)
    export_c(folder, load_plan(folder), tmp_path / "c")
    report, export = read_export(tmp_path / "c")
    asked = questions(folder, folders.TEXTS)
    program = Program(export, find_compiler(compiler), tmp_path, [level], stack=True)
    stack = max(reply.stack for reply in program.ask(asked))
    assert 500 < stack <= report["bytes"]["stack"]


def test_a_shorter_model_is_verified_at_its_length(tmp_path):
    folder, plan = model(tmp_path)
    result = verify_host(folder, plan, folders.TEXTS, max_length=6)
    assert result.ok
    assert result.stated["arena"] < verify_host(folder, plan, folders.TEXTS).stated["arena"]


def test_an_export_without_self_test_is_verified_too(tmp_path):
    folder, plan = model(tmp_path)
    export_c(folder, plan, tmp_path / "c", self_test=False)
    found = check_export(tmp_path / "c", plan, folder.tokenizer, questions(folder, folders.TEXTS))
    assert found.problems == ()


def verdict(exported):
    folder, plan, path = exported
    return check_export(path, plan, folder.tokenizer, questions(folder, folders.TEXTS))


def test_a_wrong_shift_is_found_in_its_layer(exported):
    faults.wrong_shift(exported[2])
    result = verdict(exported)
    assert not result.ok
    assert result.difference.where == "layer1.contract"
    assert result.difference.expected != result.difference.actual
    assert "layer1.contract differs first at row" in result.problems[0]


def test_a_wrong_table_entry_is_found_in_its_layer(exported):
    """Every entry of one layer's SiLU table is turned, since only some of them are met by few texts."""
    damage(
        exported[2] / "model_weights.c",
        r"(model_layer0_conv_table\[256\][^=]*= \{)(.*?)(\};)",
        lambda found: found[1] + re.sub(r"\b7,", "9,", found[2]) + found[3],
    )
    assert verdict(exported).difference.where == "layer0.conv"


def test_a_wrong_entry_of_the_power_table_is_found(exported):
    damage(exported[2] / "embbert_attend.c", r" 16384,", " 16000,")
    assert verdict(exported).difference.where == "layer0.attend"


def test_a_wrong_tokenizer_table_is_found(exported):
    damage(
        exported[2] / "model_tokenizer.c",
        r"(model_symbol_start\[\d+\] = \{)([^}]*)",
        lambda found: found[1] + ", ".join(reversed(re.findall(r"\d+", found[2]))),
    )
    assert verdict(exported).difference.where == "tokens"


def test_a_wrong_answer_after_right_logits_is_found(exported):
    damage(exported[2] / "embbert_status.c", r"logits\[i\] > logits\[best\]", "logits[i] < logits[best]")
    assert verdict(exported).difference.where == "result"


def test_a_fault_of_the_build_that_users_make_is_found(exported):
    """The build that reports every operator is right, so only the other one can tell."""
    faults.at_start_of_run(exported[2], "#ifndef EMBBERT_TRACE\n    a->ids[0] ^= 1u;\n#endif\n")
    result = verdict(exported)
    assert result.difference.where == "logits, -Os,"
    assert "differs first at row 0" in result.problems[0]


def test_a_fault_of_ids_alone_is_found(exported):
    faults.wrong_logits_from_ids(exported[2])
    assert verdict(exported).difference.where == "logits, from ids alone,"


def test_a_wrong_name_of_a_class_is_found(exported):
    """Also of classes that no text is answered with, and beyond the last one."""
    folder, plan, path = exported
    faults.wrong_label(path)
    damage(path / "model.c", '"weather"', lambda _: '"wether"')
    faults.name_beyond_classes(path)
    assert check_export(path, plan, folder.tokenizer, [Question("")]).problems == (
        "class 1 is called 'musik', not 'music'",
        "class 2 is called 'wether', not 'weather'",
        "class 3 is called 'nothing', but is no class",
    )


def test_a_header_and_a_report_that_say_different_things_are_found(exported):
    path = exported[2]
    damage(path / "model.h", r"MODEL_STACK_BYTES \d+u", lambda _: "MODEL_STACK_BYTES 100u")
    arena, stack = (read_export(path)[0]["bytes"][name] for name in ("arena", "stack"))
    faults.restate(path, arena=arena - 1000)
    assert verdict(exported).problems == (
        f"the header's MODEL_ARENA_BYTES is {arena}, the report says {arena - 1000}",
        f"the header's MODEL_STACK_BYTES is 100, the report says {stack}",
    )


def test_a_wrong_weight_in_a_file_that_no_text_reaches_is_found(tmp_path):
    """The first token pads; the checksum of the file is right."""
    folder, plan = model(tmp_path)
    path = tmp_path / "c"
    export_c(folder, plan, path, weights="blob")
    report, _ = read_export(path)
    size = report["bytes"]["blob"]
    faults.restate(path, blob=size + 4)
    (entry,) = (one for one in entries_of(plan, ()) if one.name == "embed_embed_token_table")
    faults.wrong_byte(path, entry.offset)
    value = int(entry.values[0, 0])
    result = verdict((folder, plan, path))
    assert result.difference is None
    assert result.problems == (
        f"the header's MODEL_BLOB_BYTES is {size}, the report says {size + 4}",
        f"model_weights.bin has {size} bytes, the report says {size + 4}",
        f"model_weights.bin: the constant embed_embed_token_table is {value ^ 1} at index 0, not {value}",
    )


def test_a_forgotten_check_of_the_arena_is_found(exported):
    faults.unchecked_arena(exported[2])
    found = verdict(exported)
    (problem,) = found.problems
    assert not found.arena_kept
    assert re.fullmatch(r"an arena of \d+ bytes, one less than stated, is not refused", problem)


def test_a_write_beyond_the_arena_is_found(exported):
    faults.write_beyond_arena(exported[2])
    found = verdict(exported)
    (problem,) = found.problems
    assert not found.arena_kept
    assert re.fullmatch(r"a call writes outside of its arena of \d+ bytes", problem)


def test_a_failing_self_test_is_found(exported):
    faults.failing_self_test(exported[2])
    found = verdict(exported)
    (problem,) = found.problems
    assert found.arena_kept
    assert problem.startswith("the boot self-test returns status")


@pytest.mark.parametrize(
    ("file", "array", "which"),
    [
        ("model_weights.c", "model_embed_embed_token_table", "first"),
        ("model_tokenizer.c", "model_merge_rank", "last"),
    ],
)
def test_a_wrong_constant_that_no_text_reaches_is_found(exported, file, array, which):
    """The first token pads, the last merge makes a token that comes in none of the texts."""
    places = {"first": r"\s*)(-?\d+)(,)", "last": r"[^}]*?)(-?\d+)(,\s*\};)"}
    damage(
        exported[2] / file,
        rf"({array}\[\d+\][^=]*= \{{{places[which]}",
        lambda found: found[1] + str(int(found[2]) ^ 1) + found[3],
    )
    result = verdict(exported)
    assert result.difference is None
    (problem,) = result.problems
    assert re.fullmatch(rf"the constant {array} is -?\d+ at index \d+, not -?\d+", problem)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="not every compiler for it can do without floats")
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_floating_point_that_changes_no_result_is_found(exported, tmp_path, compiler):
    export = read_export(exported[2])[1]
    assert floating_point(export, find_compiler(compiler), tmp_path) == []
    faults.floating_point(exported[2])
    (found,) = floating_point(export, find_compiler(compiler), tmp_path)
    assert found.startswith("embbert_norm.c computes with floating point: ")


def test_globals_foreign_calls_and_size_are_noticed(exported):
    faults.at_start_of_run(
        exported[2],
        "    model_calls += (uint32_t)abs((int)count);\n",
        before="int abs(int);\nextern uint32_t model_calls;\nuint32_t model_calls;\n",
    )
    damage(exported[2] / "model_weights.c", r"(\[12\][^=]*= \{\n)", r"\1    0,")
    damage(exported[2] / "model_weights.c", r"\[12\]([^=]*= )", r"[13]\1")
    damage(exported[2] / "model_weights.h", r"\[12\];", "[13];")
    faults.floating_point(exported[2])
    problems = " | ".join(verdict(exported).problems)
    assert "embbert_norm.c computes with floating point: " in problems
    assert "4 bytes of writable globals" in problems
    assert "constants are" in problems


def test_c_that_does_not_compile_is_reported(exported):
    damage(exported[2] / "model.c", r"uint32_t row;", "uint32_t row")
    with pytest.raises(CheckFailed, match="does not compile"):
        verdict(exported)


CALLER = r"""
#include <assert.h>
#include <string.h>
#include "model.h"
#define SIZE MODEL_ARENA_BYTES
#define TEXT(i) texts[i], strlen(texts[i])
static uint64_t one[SIZE / 8 + 1], two[SIZE / 8 + 1];
static const char *const texts[] = {"turn the lights on", "play some music", "what is the weather"};
int main(void)
{
    uint32_t class_index = 9, count, i;
    uint16_t ids[MODEL_MAX_LENGTH + 1] = {0};
    int32_t first[3][MODEL_CLASSES], logits[MODEL_CLASSES];
    assert(model_self_test(one, SIZE) == EMBBERT_OK);
    assert(model_self_test(one, SIZE - 1) == EMBBERT_ARENA_TOO_SMALL);
    assert(model_classify(one, SIZE - 1, TEXT(0), &class_index) == EMBBERT_ARENA_TOO_SMALL);
    assert(model_classify(NULL, SIZE, TEXT(0), &class_index) == EMBBERT_ARENA_NULL);
    assert(model_classify((char *)one + 4, SIZE, TEXT(0), &class_index) == EMBBERT_ARENA_MISALIGNED);
    assert(model_classify(one, SIZE, NULL, 3, &class_index) == EMBBERT_TEXT_NULL);
    assert(model_classify(one, SIZE, TEXT(0), NULL) == EMBBERT_RESULT_NULL);
    assert(class_index == 9);
    assert(model_classify(one, SIZE, NULL, 0, &class_index) == EMBBERT_OK && class_index < MODEL_CLASSES);
    assert(model_run_ids(one, SIZE, ids, 0, logits) == EMBBERT_NO_TOKENS);
    assert(model_run_ids(one, SIZE, NULL, 1, logits) == EMBBERT_NO_TOKENS);
    assert(model_run_ids(one, SIZE, ids, MODEL_MAX_LENGTH + 1, logits) == EMBBERT_TOO_MANY_TOKENS);
    assert(model_run_ids(one, SIZE, ids, MODEL_MAX_LENGTH, NULL) == EMBBERT_RESULT_NULL);
    ids[1] = MODEL_VOCAB_SIZE;
    assert(model_run_ids(one, SIZE, ids, 2, logits) == EMBBERT_BAD_TOKEN);
    assert(model_encode(NULL, 1, ids, &count) == EMBBERT_TEXT_NULL);
    assert(model_encode(TEXT(0), ids, NULL) == EMBBERT_RESULT_NULL);
    for (i = 0; i < 3; i++) {
        assert(model_classify(one, SIZE, TEXT(i), &class_index) == EMBBERT_OK);
        memcpy(first[i], model_logits(one), sizeof first[i]);
        assert(model_encode(TEXT(i), ids, &count) == EMBBERT_OK);
        assert(model_run_ids(two, SIZE, ids, count, logits) == EMBBERT_OK);
        assert(memcmp(first[i], logits, sizeof logits) == 0);
        /* the arena of text i still holds its logits after other texts ran in the other one */
        assert(model_classify(two, SIZE, TEXT((i + 1) % 3), &class_index) == EMBBERT_OK);
        assert(memcmp(first[i], model_logits(one), sizeof logits) == 0);
    }
    assert(one[SIZE / 8] == 0 && two[SIZE / 8] == 0);
    assert(strcmp(model_label(1), "music") == 0 && model_label(MODEL_CLASSES) == NULL);
    assert(model_logits(NULL) == NULL && model_logits((char *)one + 4) == NULL);
    assert(model_classify((char *)one + 1, SIZE, TEXT(0), &class_index) == EMBBERT_ARENA_MISALIGNED);
    assert(model_logits((char *)one + 1) == NULL && model_logits(one) != NULL);
    for (i = 0; i < 12; i++) {
        assert(strlen(embbert_status_text((embbert_status)i)) > 1);
    }
    return 0;
}
"""


@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_calls_check_their_arguments_and_keep_to_their_arena(exported, tmp_path, compiler):
    caller = tmp_path / "caller.c"
    caller.write_text(CALLER)
    path = exported[2]
    flags = ["-std=c99", "-g", f"-I{path}", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    find_compiler(compiler).compile([caller, *sorted(path.glob("*.c"))], tmp_path / "caller", flags)
    done = subprocess.run([tmp_path / "caller"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_self_test_notices_other_weights(exported, tmp_path):
    path = exported[2]
    caller = tmp_path / "caller.c"
    caller.write_text(
        '#include "model.h"\nstatic uint64_t arena[MODEL_ARENA_BYTES / 8];\n'
        "int main(void)\n{\n"
        "    return model_self_test(arena, sizeof arena) == EMBBERT_SELF_TEST_FAILED ? 0 : 1;\n}\n"
    )
    damage(path / "model_weights.c", r"(model_head_classify_bias\[3\][^=]*= \{\s*)-?\d+", r"\g<1>123456")
    find_compiler().compile(
        [caller, *sorted(path.glob("*.c"))], tmp_path / "caller", ["-std=c99", f"-I{path}"]
    )
    assert subprocess.run([tmp_path / "caller"], check=False).returncode == 0


def test_the_header_serves_cpp(exported, tmp_path):
    source = tmp_path / "main.cpp"
    source.write_text(
        '#include "model.h"\nint main() {\n    static uint64_t arena[MODEL_ARENA_BYTES / 8];\n'
        '    uint32_t c;\n    return model_classify(arena, sizeof arena, "a", 1, &c);\n}\n'
    )
    flags = ["-c", "-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{exported[2]}"]
    find_compiler("gcc").compile([source], tmp_path / "main.o", flags)


def test_host_model_runs_whole_sets(tmp_path):
    folder, plan = model(tmp_path)
    texts = list(folders.TEXTS) * 20
    with HostModel(folder, plan) as compiled:
        found = compiled.logits(texts)
    assert found.shape == (100, 3)
    for text, row in zip(folders.TEXTS, found, strict=False):
        assert row.tolist() == run(plan, folder.tokenizer.encode(text, max_length=plan.max_length)).tolist()
