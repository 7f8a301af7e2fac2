"""What is broken on purpose is found on the device, and named."""

import json
import re
import shutil
from pathlib import Path

import pytest

import faults
import folders
from embbert.emit.c99 import export_c
from embbert.errors import CheckFailed, UsageError
from embbert.verify.device import image
from embbert.verify.device.check import DeviceCheck
from embbert.verify.device.cores import CORES
from embbert.verify.host import questions
from embbert.verify.program import Question
from faults import damage

pytestmark = pytest.mark.slow


@pytest.fixture(params=[("cortex-m4", "gcc"), ("wasm32", "zig")], ids=lambda both: both[0])
def exported(model, tools, tmp_path, request):
    """(folder, plan, path of the export, core, tools) of a small classifier."""
    tools(*request.param)
    export_c(*model, tmp_path / "c")
    return *model, tmp_path / "c", *request.param


def verdict(exported, tricky=False, **settings):
    folder = exported[0]
    asked = questions(folder, folders.TEXTS, tricky=tricky)
    check = DeviceCheck(*exported)
    return check.check(asked, given=len(folders.TEXTS), **settings)


def test_nothing_is_wrong_to_begin_with(exported):
    assert verdict(exported).problems == ()


@pytest.mark.parametrize("layers", [5, 0])
def test_a_wrong_shift_is_found_in_its_layer(exported, layers):
    """Even where only logits are compared: the text that goes wrong is then run layer by layer."""
    faults.wrong_shift(exported[2])
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
    faults.unchecked_arena(exported[2])
    found = verdict(exported)
    assert any("one less than stated, is not refused" in problem for problem in found.problems)
    assert not found.arena_kept


def test_a_write_beyond_the_arena_is_reported(exported):
    faults.write_beyond_arena(exported[2])
    found = verdict(exported)
    assert any("outside of its arena" in problem for problem in found.problems)
    assert not found.arena_kept


def test_a_fault_of_the_smallest_build_is_reported(exported):
    faults.at_start_of_run(exported[2], "#ifdef __OPTIMIZE_SIZE__\n    a->ids[0] ^= 1u;\n#endif\n")
    assert verdict(exported).difference.where == "logits, -Os,"


def test_a_fault_of_ids_alone_is_reported(exported):
    faults.wrong_logits_from_ids(exported[2])
    assert verdict(exported).difference.where == "logits, from ids alone,"


def test_a_wrong_name_of_a_class_is_reported(exported):
    faults.wrong_label(exported[2])
    assert verdict(exported, tricky=True).problems == ("class 1 is called 'musik', not 'music'",)


def test_a_wrong_constant_that_no_text_reaches_is_reported(exported):
    """The first token pads."""
    faults.wrong_first_entry(exported[2], "model_weights.c", "model_embed_embed_token_table")
    problems = verdict(exported).problems
    # Of a module of WebAssembly nothing but the sizes of constants is known.
    wanted = [r"the constant model_embed_embed_token_table is -?\d+ at index \d+, not -?\d+"]
    wanted = [] if exported[-2] == "wasm32" else wanted
    assert len(problems) == len(wanted)
    assert all(map(re.fullmatch, wanted, problems))


def test_an_understated_stack_is_reported(exported):
    path = exported[2] / "report.json"
    report = json.loads(path.read_text())
    report["bytes"]["stack"] = 200
    path.write_text(json.dumps(report))
    header, painted, *computed = verdict(exported).problems
    assert re.fullmatch(r"the header's MODEL_STACK_BYTES is \d+, the report says 200", header)
    assert re.fullmatch(r"a call used \d+ bytes of stack, the header states 200", painted)
    # Only GCC writes call graphs.
    levels = ("-O2", "-Os") if exported[-1] == "gcc" else ()
    assert [problem.split(" bytes")[0].rstrip("0123456789") for problem in computed] == [
        f"{level}: calls can take " for level in levels
    ]


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
    faults.at_start_of_run(
        exported[2],
        "    model_calls += count;\n",
        before="extern uint32_t model_calls;\nuint32_t model_calls;\n",
    )
    assert any("bytes of writable globals" in problem for problem in verdict(exported).problems)


def test_a_failing_self_test_is_reported(exported):
    faults.failing_self_test(exported[2])
    assert any("the boot self-test returns status" in problem for problem in verdict(exported).problems)


@pytest.mark.parametrize(("core", "name"), [("cortex-m4", "gcc"), ("cortex-m4", "zig"), ("wasm32", "zig")])
def test_a_fault_names_the_function(model, tools, tmp_path, core, name):
    tools(core, name)
    folder, plan = model
    path = tmp_path / "c"
    export_c(folder, plan, path)
    jump = "void model_jump(void)\n{\n    *(volatile uint32_t *)0xD0000000u = 1u;\n}\n"
    faults.at_start_of_run(path, "    model_jump();\n", before=f"void model_jump(void);\n{jump}")
    check = DeviceCheck(folder, plan, path, core, name)
    faulted = (
        rf"{CORES[core].title} faulted at 0x[0-9a-f]{{8}}, in (model_jump|run|model_classify|model_run_ids)"
    )
    with pytest.raises(CheckFailed, match=faulted):
        check.check(questions(folder, folders.TEXTS), given=1)


def test_a_stack_that_runs_over_faults(exported):
    faults.at_start_of_run(
        exported[2],
        "    volatile char room[20000];\n    uint32_t i;\n\n"
        "    for (i = 0; i < 20000u; i++) {\n        room[i] = 1;\n"
        "        count += (uint32_t)room[i] - 1u;\n    }\n",
    )
    with pytest.raises(CheckFailed, match="faulted at"):
        verdict(exported)


def test_a_text_too_long_for_the_harness_is_refused(exported):
    check = DeviceCheck(*exported)
    with pytest.raises(UsageError, match="too many for the harness"):
        check.check([Question("x" * 200_000)], given=1)


def test_warnings_are_errors(exported):
    damage(exported[2] / "model.c", r"static void run\(", "static int unused_value;\nstatic void run(")
    with pytest.raises(CheckFailed, match=r"does not compile[\s\S]*unused_value"):
        verdict(exported)


def test_a_start_that_leaves_the_vector_unit_off_faults(model, tools, tmp_path, monkeypatch):
    """With Helium on, compilers use vector registers anywhere: switching it on is the first thing to do."""
    tools("cortex-m55", "gcc")
    harness = shutil.copytree(Path(image.__file__).parents[1] / "harness", tmp_path / "harness")
    damage(harness / "device.c", "#0x00F00000", "#0")
    folder, plan = model
    path = tmp_path / "c"
    export_c(folder, plan, path)
    monkeypatch.setattr(image.resources, "files", lambda _: tmp_path)
    with pytest.raises(CheckFailed, match="Cortex-M55 faulted"):
        DeviceCheck(folder, plan, path, "cortex-m55", "gcc").check(questions(folder, folders.TEXTS), given=1)
