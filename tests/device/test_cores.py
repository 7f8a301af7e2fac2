"""A small model runs on every core with every tool set, bit for bit, and is as large as it says."""

import pytest

import factory
import folders
import joints
import linears
import plans
from embbert.boards.estimate import DSP, MVE, RISCV, SCALAR
from embbert.config import preset
from embbert.emit.c99 import export_c
from embbert.footprint import macs
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import run
from embbert.verify.device.check import verify_device
from embbert.verify.device.cores import CORES, find_core
from embbert.verify.device.image import PLAIN, PROFILED, Builder
from embbert.verify.device.measure import image_sizes
from embbert.verify.device.program import DeviceProgram
from embbert.verify.host import questions, read_export
from embbert.verify.program import Question

EVERY = [(core, tools) for core in CORES for tools in ("gcc", "zig") if tools == "zig" or CORES[core].gcc]
KINDS = {
    "pairs": {"task": "classify", "pair": True, "residual": True, "pooling": "mean"},
    "regress": {"task": "regress", "causal_conv": False, "expansion": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize(("core", "name"), EVERY)
def test_every_claim_is_true_on_every_core(model, tools, core, name):
    tools(core, name)
    folder, plan = model
    result = verify_device(folder, plan, core, folders.TEXTS, tools=name, layers=2)
    assert result.problems == ()
    assert result.texts > len(folders.TEXTS)
    assert result.traced == result.texts - len(folders.TEXTS) + 2
    assert result.values > 10_000
    assert result.sizes.constants == result.stated["constants"]
    assert result.sizes.tokenizer == result.stated["tokenizer"]
    assert 2000 < result.sizes.code <= result.stated["code_margin"]
    assert 100 < result.stack <= result.stated["stack"]
    assert 0 < result.instructions.encode < result.instructions.call <= result.instructions.most
    assert result.as_json()["ok"]


# The smallest and one of the largest; EmbBERT alone is above.
MODELS = {
    "n-grams": linears.linear_folder,
    "both": lambda path: joints.joint_folder(path, shared=False),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Exports of every model by name and form of its weights."""
    found = {}
    for name, make in MODELS.items():
        place = tmp_path_factory.mktemp("bound")
        folder = make(place / "model")
        for weights in ("constants", "blob"):
            export_c(folder, load_plan(folder), place / weights, weights=weights)
            found[name, weights] = place / weights
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("core", "name"), EVERY)
def test_the_code_of_every_model_keeps_to_its_bound_on_every_core(models, tools, tmp_path, core, name):
    """And the bound is not much above it: less than twice the code of the core that has least."""
    found = tools(core, name)
    for (model, weights), path in models.items():
        report, export = read_export(path)
        image = Builder(export, find_core(core), found, tmp_path / f"{model}-{weights}").build(PLAIN, "-Os")
        sizes = image_sizes(image, "model", report, {})
        assert sizes.problems == (), (model, weights)
        assert sizes.code <= report["bytes"]["code_margin"] < 2 * sizes.code, (model, weights)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["constants", "blob"])
def test_the_code_of_hundreds_of_operators_keeps_to_its_bound(tools, tmp_path, weights):
    found = tools("cortex-m4", "gcc")
    folder = folders.small_folder(tmp_path / "model", num_layers=40)
    plan = load_plan(folder)
    assert sum(len(stage.ops) for stage in plan.stages) > 200
    export_c(folder, plan, tmp_path / "c", weights=weights)
    report, export = read_export(tmp_path / "c")
    image = Builder(export, find_core("cortex-m4"), found, tmp_path / "image").build(PLAIN, "-Os")
    sizes = image_sizes(image, "model", report, {})
    assert sizes.problems == ()
    assert sizes.code <= report["bytes"]["code_margin"] < 2 * sizes.code


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_of_models_run_too(tools, tmp_path, kind):
    tools("cortex-m4", "gcc")
    folder = folders.small_folder(tmp_path / "model", **KINDS[kind])
    pairs = folders.TEXTS[::-1] if folder.pair else None
    result = verify_device(folder, load_plan(folder), "cortex-m4", folders.TEXTS, pairs, tools="gcc")
    assert result.problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
@pytest.mark.parametrize(("core", "name"), [("cortex-m4", "gcc"), ("cortex-m55", "zig")])
def test_every_optimisation_gives_the_same_logits(model, tools, tmp_path, core, name, level):
    """With the vector unit on, compilers vectorise even the start-up code."""
    folder, plan = model
    program = device(model, tools(core, name), core, tmp_path, level=level)
    for text, reply in zip(folders.TEXTS, program.ask(questions(folder, folders.TEXTS)), strict=False):
        ids = folder.tokenizer.encode(text, max_length=plan.max_length)
        assert reply.logits.tolist() == run(plan, ids).tolist()


def device(model, found, core, place, switches=PLAIN, level="-O2", flags=()):
    folder, plan = model
    if not (place / "c").exists():
        export_c(folder, plan, place / "c")
    _, export = read_export(place / "c")
    builder = Builder(export, find_core(core), found, place / f"{found.compiler}{len(flags)}", flags=flags)
    return DeviceProgram(builder.build(switches, level))


@pytest.mark.slow
def test_two_emulators_count_alike(model, tools, tmp_path):
    """The same image: QEMU's clock and unicorn's blocks agree, run after run."""
    import dataclasses

    zig = tools("cortex-m4", "zig")
    tools("cortex-m4", "gcc")  # for QEMU
    asked = questions(model[0], folders.TEXTS, tricky=False)
    counts = []
    for emulator in ("unicorn", "qemu", "qemu"):
        program = device(model, dataclasses.replace(zig, emulator=emulator), "cortex-m4", tmp_path)
        counts.append([program.instructions(reply.ticks[1]) for reply in program.ask(asked)])
    assert counts[1] == counts[2]
    for one, other in zip(counts[0], counts[1], strict=True):
        assert abs(one - other) <= 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "name", "kernels"),
    [
        ("cortex-m3", "gcc", SCALAR),
        ("cortex-m4", "gcc", DSP),
        ("cortex-m55", "zig", MVE),
        ("rv32imac", "gcc", RISCV),
    ],
)
def test_estimates_rest_on_what_is_counted(tools, tmp_path, core, name, kernels):
    """Instructions per multiply-accumulate of 64 tokens; random weights and texts move them by a little."""
    found = tools(core, name)
    config = preset("embbert")
    plan = factory.random_plan(config)
    export = plans.write_export(plan, tmp_path / "c")
    program = DeviceProgram(Builder(export, find_core(core), found, tmp_path / "built").build(PLAIN))
    (reply,) = program.ask([Question(ids=tuple(factory.random_ids(config, 0, 64)))])
    counted = program.instructions(reply.ticks[1]) / macs(config, plan.classes, 64)
    assert counted == pytest.approx(kernels.instructions_per_mac, rel=0.02)


@pytest.mark.slow
def test_fuel_is_the_same_run_after_run_and_less_with_vectors(model, tools, tmp_path):
    """The portable form of the kernels gives the same logits."""
    folder, plan = model
    asked = questions(folder, folders.TEXTS, tricky=False)
    expected = [
        run(plan, folder.tokenizer.encode(text, max_length=plan.max_length)).tolist()
        for text in folders.TEXTS
    ]
    burnt = []
    for flags in ((), ("-mno-simd128",)):
        program = device(model, tools("wasm32", "zig"), "wasm32", tmp_path, flags=flags)
        once, again = list(program.ask(asked)), list(program.ask(asked))
        assert [reply.logits.tolist() for reply in once] == expected
        assert [reply.ticks for reply in once] == [reply.ticks for reply in again]
        burnt.append(once[0].ticks[1])
    assert 0 < burnt[0] < burnt[1]


@pytest.mark.slow
@pytest.mark.parametrize("core", ["cortex-m4", "wasm32"])
def test_weights_in_a_file_run_too(model, tools, core):
    tools(core, None)
    result = verify_device(*model, core, folders.TEXTS, layers=1, weights="blob")
    assert result.problems == ()
    blob_bytes = result.stated["blob"]
    # Each byte goes through the checksum, half by half, and through a check of its range.
    assert result.instructions is not None
    assert 8 * blob_bytes < (result.instructions.opening or 0) < 60 * blob_bytes


@pytest.mark.slow
def test_the_parts_add_up_to_the_whole(model, tools, tmp_path):
    program = device(model, tools("cortex-m4", "gcc"), "cortex-m4", tmp_path, PROFILED)
    (reply,) = program.ask(questions(model[0], folders.TEXTS[:1], tricky=False))
    parts, whole = sum(reply.operator_ticks.values()), reply.ticks[1]
    assert {"embed.embed", "layer0.query", "layer1.attend", "head.classify"} <= set(reply.operator_ticks)
    assert 0.9 * whole < parts <= whole


@pytest.mark.slow
def test_kernels_load_words_without_calling_memcpy(model, tools, tmp_path):
    """Freestanding compilers may turn a copy of four bytes into a call."""
    from embbert.verify.elf import read_object

    device(model, tools("cortex-m4", "gcc"), "cortex-m4", tmp_path)
    kernels = sorted((tmp_path / "gcc0" / "O2").glob("embbert_*.o"))
    assert len(kernels) > 4
    for path in kernels:
        assert not read_object(path).undefined & {"memcpy", "memmove"}, path.name


@pytest.mark.slow
def test_the_calm_scheduler_does_not_cost_instructions(model, tools, tmp_path):
    """What cores.py asks of GCC on cores with DSP instructions must pay."""
    found = tools("cortex-m4", "gcc")
    asked = questions(model[0], folders.TEXTS[:1], tricky=False)
    counts = []
    for flags in ((), ("-fschedule-insns",)):
        program = device(model, found, "cortex-m4", tmp_path, flags=flags)
        counts += [reply.ticks[1] for reply in program.ask(asked)]
    assert "-fno-schedule-insns" in found.command
    assert counts[0] <= counts[1]
