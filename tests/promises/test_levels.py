"""Every level of optimisation gives the same logits on cores; tests/parity/test_kernels.py does the host."""

import pytest

import folders
from embbert.emit.c99 import export_c
from embbert.errors import UsageError
from embbert.quant.reference import run
from embbert.verify.device.cores import find_core
from embbert.verify.device.image import PLAIN, Builder
from embbert.verify.device.program import DeviceProgram
from embbert.verify.device.tools import find_tools
from embbert.verify.host import questions, read_export
from embbert.verify.program import Program
from embbert.verify.toolchain import find_compiler

TEXTS = folders.TEXTS[:2]


def agree(model, replies):
    """Whether the replies to TEXTS hold the reference's logits."""
    folder, plan = model
    expected = [
        run(plan, folder.tokenizer.encode(text, max_length=plan.max_length)).tolist() for text in TEXTS
    ]
    return [reply.logits.tolist() for reply in replies] == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "levels"), [("rv32imac", ("-O0", "-O1", "-Os", "-O3")), ("cortex-m4", ("-O1",))]
)
def test_levels_agree_on_cores(model, exports, tmp_path, core, levels):
    try:
        tools = find_tools(find_core(core), "gcc")
    except UsageError as error:
        pytest.skip(str(error))
    _, export = read_export(exports["constants"])
    builder = Builder(export, find_core(core), tools, tmp_path)
    for level in levels:
        program = DeviceProgram(builder.build(PLAIN, level))
        assert agree(model, program.ask(questions(model[0], TEXTS, tricky=False))), level


@pytest.mark.parametrize(("level", "right"), [("-O1", True), ("-Os", False)])
def test_code_that_knows_its_level_is_found(model, tmp_path, level, right):
    export_c(*model, tmp_path / "c")
    source = tmp_path / "c" / "embbert_pool.c"
    text = source.read_text()
    start = text.index("{", text.index("void embbert_pool_divide(")) + 1
    fault = "\n#ifdef __OPTIMIZE_SIZE__\n    count += 7u;\n#endif\n"
    source.write_text(text[:start] + fault + text[start:])
    program = Program(read_export(tmp_path / "c")[1], find_compiler(), tmp_path, [level])
    assert agree(model, program.ask(questions(model[0], TEXTS, tricky=False))) == right
