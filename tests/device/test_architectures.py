"""Other architectures than EmbBERT on a core, every operator, from constants and from a file of weights."""

import pytest

import architectures
import plans
from embbert.emit.render import stack_bytes
from embbert.verify.compare import compare
from embbert.verify.device.cores import find_core
from embbert.verify.device.image import PLAIN, TRACED, Builder
from embbert.verify.device.program import DeviceProgram

PLANS = {
    "five heads": architectures.bert(2, size=40, heads=5),
    "embedder with a convolution": architectures.embedder(2),
    "embedder alone, wide": architectures.embedder(2, taps=0, rank=None),
    "efficient": architectures.efficient(2),
    "n-grams": architectures.PLANS["n-grams"](2),
}


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["constants", "blob"])
@pytest.mark.parametrize("name", PLANS)
def test_every_operator_of_every_architecture_is_exact(tools, tmp_path, name, weights):
    plan = plans.wild(PLANS[name], 2)
    export = plans.write_export(plan, tmp_path / "net", weights)
    builder = Builder(export, find_core("cortex-m4"), tools("cortex-m4", "gcc"), tmp_path / "built")
    asked = plans.id_questions(plan, count=11)
    compared = 0
    for index, reply in enumerate(DeviceProgram(builder.build(TRACED)).ask(asked)):
        difference, count = compare(plan, None, index, asked[index], reply)
        assert difference is None
        compared += count
    assert compared > 1000
    for index, reply in enumerate(DeviceProgram(builder.build(PLAIN, "-Os")).ask(asked)):
        assert compare(plan, None, index, asked[index], reply, traced=False)[0] is None
        assert 100 < reply.stack <= stack_bytes(plan, weights)
        assert reply.refused
        assert reply.guarded
