"""The arena of a plan equals the formula that `embbert size` prints."""

import dataclasses
import itertools

import pytest

import architectures
import factory
from embbert import footprint
from embbert.emit.layout import arena, arena_bytes, pooled_cols
from embbert.emit.render import shortened
from embbert.footprint import ALIGNMENT
from embbert.quant.spec import Pool, PoolRms, Stage

CONFIGS = [
    {"residual": residual, "pooling": pooling, "expansion": expansion, "num_layers": layers}
    for residual, pooling, expansion, layers in itertools.product(
        (False, True), ("cls", "mean"), (1, 3), (1, 2)
    )
] + [{"ngrams": 60, "max_ngrams": 9}]


@pytest.mark.parametrize("changes", CONFIGS)
@pytest.mark.parametrize("max_length", [None, 7])
def test_arena_is_the_footprint_of_the_config(changes, max_length):
    config = factory.small_config(hidden_size=11, **changes)
    plan = factory.random_plan(config, classes=5)
    if max_length is not None:
        plan = shortened(plan, max_length)
    stated = footprint.deployed(config, 5, max_length)
    assert {region.name: region.bytes for region in arena(plan)} == dict(stated.arena)
    assert arena_bytes(plan) == stated.arena_bytes


def test_regions_follow_each_other_without_gaps():
    regions = arena(factory.random_plan(factory.small_config(hidden_size=13)))
    end = 0
    for region in regions:
        assert region.offset == end
        assert region.offset % ALIGNMENT == 0
        end += region.bytes
        assert region.padded_elements * {"int8_t": 1}.get(region.c_type, 2 + 2 * ("32" in region.c_type)) == (
            region.bytes
        )


def test_shapes_for_people_leave_out_a_single_column():
    regions = {
        region.name: region for region in arena(factory.random_plan(factory.small_config(), classes=1))
    }
    assert regions["ids"].shape == "24"
    assert regions["y"].shape == "4 x 12"
    assert regions["x0"].shape == "24 x 12"
    assert regions["logits"].shape == "1"
    assert regions["scores"].shape == "4 x 24"
    assert regions["sums"].shape == "1 x 12"


def test_sums_have_room_for_the_widest_average():
    plan = factory.random_plan(factory.small_config(), classes=5)
    pools = tuple(Pool(name, name, "y", 0) for name in ("logits", "x0"))
    for ops in (pools, pools[::-1]):
        assert pooled_cols(dataclasses.replace(plan, stages=(Stage("all", "text", ops),))) == 12


def test_a_root_mean_square_is_summed_in_the_same_place():
    plan = architectures.embedder(size=13)
    assert pooled_cols(plan) == 13
    pools = (Pool("a", "pooled", "y", 0), PoolRms("b", "logits", "y"))
    for ops in (pools, pools[::-1]):
        assert pooled_cols(dataclasses.replace(plan, stages=(Stage("all", "text", ops),))) == 13


def regions_of(plan):
    return [region.name for region in arena(plan)]


def test_what_nothing_needs_is_not_there():
    plan = factory.random_plan(factory.small_config())
    assert regions_of(plan)[-2:] == ["scores", "sums"]
    embedding = dataclasses.replace(plan, stages=plan.stages[:1])
    assert pooled_cols(embedding) == 0
    assert regions_of(embedding) == regions_of(plan)[:-2]
    assert regions_of(architectures.bert())[-3:] == ["logits", "scores", "sums"]
    assert regions_of(architectures.embedder())[-2:] == ["logits", "sums"]
