"""What is broken on purpose is found on the device, and named."""

import json
import re
import shutil
from pathlib import Path

import pytest

import folders
from embbert.emit.c99 import export_c
from embbert.errors import CheckFailed, UsageError
from embbert.verify.device import image
from embbert.verify.device.check import DeviceCheck
from embbert.verify.host import questions
from embbert.verify.program import Question

pytestmark = pytest.mark.slow


@pytest.fixture
def exported(model, tools, tmp_path):
    """(folder, plan, path of the export) of a small classifier, and that there is a core to run it."""
    tools("cortex-m4", "gcc")
    export_c(*model, tmp_path / "c")
    return *model, tmp_path / "c"


def verdict(exported, tricky=False, **settings):
    folder, plan, path = exported
    asked = questions(folder, folders.TEXTS, tricky=tricky)
    check = DeviceCheck(folder, plan, path, "cortex-m4", "gcc")
    return check.check(asked, given=len(folders.TEXTS), **settings)


def damage(path, pattern, replace):
    text = path.read_text()
    changed, count = re.subn(pattern, replace, text, count=1, flags=re.DOTALL)
    assert count == 1
    assert changed != text
    path.write_text(changed)


def test_nothing_is_wrong_to_begin_with(exported):
    assert verdict(exported).problems == ()


@pytest.mark.parametrize("layers", [5, 0])
def test_a_wrong_shift_is_found_in_its_layer(exported, layers):
    """Even where only logits are compared: the text that goes wrong is then run layer by layer."""
    damage(
        exported[2] / "model.c",
        r"(op_layer1_contract = \{.*?\.shift = )(\d+)",
        lambda found: found[1] + str(int(found[2]) - 3),
    )
    result = verdict(exported, layers=layers)
    assert not result.ok
    assert result.difference.where == "layer1.contract"
    assert result.stack is None
    assert "layer1.contract differs first at row" in result.problems[0]


def test_a_wrong_weight_is_found_in_its_layer(exported):
    damage(
        exported[2] / "model_weights.c",
        r"(model_layer0_out_bias\[\d+\][^=]*= \{\s*)(-?\d+)",
        lambda found: found[1] + str(int(found[2]) + 100_000),
    )
    assert verdict(exported).difference.where == "layer0.out"


def test_a_forgotten_check_of_the_arena_is_reported(exported):
    damage(exported[2] / "model.c", r"arena_bytes < MODEL_ARENA_BYTES", "arena_bytes < 8u")
    assert any("one less than stated, is not refused" in problem for problem in verdict(exported).problems)


def test_a_write_beyond_the_arena_is_reported(exported):
    damage(
        exported[2] / "model.c",
        r"static void run\(work \*a, uint32_t count\)\n\{",
        "static void run(work *a, uint32_t count)\n{\n    ((volatile char *)a)[sizeof(work)] = 1;",
    )
    assert any("outside of its arena" in problem for problem in verdict(exported).problems)


def test_an_understated_stack_is_reported(exported):
    path = exported[2] / "report.json"
    report = json.loads(path.read_text())
    report["bytes"]["stack"] = 200
    path.write_text(json.dumps(report))
    (problem,) = verdict(exported).problems
    assert re.fullmatch(r"a call used \d+ bytes of stack, the header states 200", problem)


def test_understated_bytes_are_reported(exported):
    path = exported[2] / "report.json"
    report = json.loads(path.read_text())
    for name in ("constants", "tokenizer", "code_margin"):
        report["bytes"][name] -= 100 if name != "code_margin" else report["bytes"][name] - 50
    path.write_text(json.dumps(report))
    problems = " | ".join(verdict(exported).problems)
    assert "the model's constants are" in problems
    assert "the tokenizer's tables are" in problems
    assert "more than the stated 50" in problems


def test_globals_are_reported(exported):
    damage(
        exported[2] / "model.c",
        r"static void run\(work \*a, uint32_t count\)\n\{",
        "extern uint32_t model_calls;\nuint32_t model_calls;\n"
        "static void run(work *a, uint32_t count)\n{\n    model_calls += count;",
    )
    assert any("bytes of writable globals" in problem for problem in verdict(exported).problems)


def test_a_failing_self_test_is_reported(exported):
    damage(
        exported[2] / "model_self_test.c",
        r"return EMBBERT_OK;\n\}\n$",
        "return EMBBERT_SELF_TEST_FAILED;\n}\n",
    )
    assert any("the boot self-test returns status" in problem for problem in verdict(exported).problems)


@pytest.mark.parametrize("name", ["gcc", "zig"])
def test_a_fault_names_the_function(exported, tools, name):
    tools("cortex-m4", name)
    damage(
        exported[2] / "model.c",
        r"static void run\(work \*a, uint32_t count\)\n\{",
        "void model_jump(void);\nvoid model_jump(void)\n{\n    *(volatile uint32_t *)0xD0000000u = 1u;\n}\n"
        "static void run(work *a, uint32_t count)\n{\n    model_jump();",
    )
    folder, plan, path = exported
    check = DeviceCheck(folder, plan, path, "cortex-m4", name)
    with pytest.raises(CheckFailed, match=r"Cortex-M4 faulted at 0x[0-9a-f]{8}, in "):
        check.check(questions(folder, folders.TEXTS), given=1)


def test_a_text_too_long_for_the_harness_is_refused(exported):
    folder, plan, path = exported
    check = DeviceCheck(folder, plan, path, "cortex-m4", "gcc")
    with pytest.raises(UsageError, match="too many for the harness"):
        check.check([Question("x" * 200_000)], given=1)


def test_warnings_are_errors(exported):
    damage(exported[2] / "model.c", r"static void run\(", "static int unused_value;\nstatic void run(")
    with pytest.raises(CheckFailed, match=r"does not compile[\s\S]*unused_value"):
        verdict(exported)


def test_a_start_that_leaves_the_vector_unit_off_faults(exported, tools, tmp_path, monkeypatch):
    """With Helium on, compilers use vector registers anywhere: switching it on is the first thing to do."""
    tools("cortex-m55", "gcc")
    harness = shutil.copytree(Path(image.__file__).parents[1] / "harness", tmp_path / "harness")
    damage(harness / "device.c", "#0x00F00000", "#0")
    monkeypatch.setattr(image.resources, "files", lambda _: tmp_path)
    folder, plan, path = exported
    with pytest.raises(CheckFailed, match="Cortex-M55 faulted"):
        DeviceCheck(folder, plan, path, "cortex-m55", "gcc").check(questions(folder, folders.TEXTS), given=1)
