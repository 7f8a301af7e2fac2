"""The arena of a plan equals the formula that `embbert size` prints."""

import itertools

import pytest

import factory
from embbert import footprint
from embbert.emit.layout import arena, arena_bytes
from embbert.emit.render import shortened
from embbert.footprint import ALIGNMENT

CONFIGS = [
    {"residual": residual, "pooling": pooling, "expansion": expansion, "num_layers": layers}
    for residual, pooling, expansion, layers in itertools.product(
        (False, True), ("cls", "mean"), (1, 3), (1, 2)
    )
]


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
