"""The file of weights: every value at its place, and a fingerprint that knows what fits."""

import dataclasses
import struct
import zlib

import numpy as np
import pytest

import architectures
import factory
from embbert.emit.blob import GOLDENS, HEADER, MAGIC, VALUES, VERSION, blob, checks, structured
from embbert.emit.constants import constants
from embbert.emit.golden import Golden
from embbert.emit.stages import lift, scalars_of
from embbert.quant import spec

SHAPES = [{}, {"residual": True, "expansion": 2, "pooling": "mean"}, {"embedding_size": 3, "hidden_size": 5}]
GOLDEN = [Golden("a", None, (1, -2, 3)), Golden("", None, (2**31 - 1, 0, -(2**31) + 1))]


def made(seed=0, classes=3, goldens=(), identity="", **changes):
    plan = factory.random_plan(factory.small_config(**changes), classes, seed)
    return plan, blob(plan, goldens, identity)


@pytest.mark.parametrize("changes", SHAPES)
@pytest.mark.parametrize("classes", [1, 3])
def test_the_file_is_header_values_and_checksum(changes, classes):
    _, file = made(classes=classes, **changes)
    magic, version, size, fingerprint = HEADER.unpack(file.data[: HEADER.size])
    assert (magic, version, size, fingerprint) == (MAGIC, VERSION, len(file.data), file.fingerprint)
    assert struct.unpack("<I", file.data[-4:]) == (zlib.crc32(file.data[:-4]),)
    assert len(file.data) % 4 == 0
    end = HEADER.size
    for entry in file.entries:
        assert entry.offset >= end, entry.name
        assert entry.offset % entry.values.itemsize == 0
        assert not any(file.data[end : entry.offset])
        end = entry.offset + entry.values.nbytes
        stored = np.frombuffer(file.data[entry.offset : end], entry.values.dtype)
        assert stored.tolist() == entry.values.ravel().tolist()
    assert end <= len(file.data) - 4


def test_arrays_begin_at_multiples_of_eight_and_hold_the_constants():
    plan, file = made(hidden_size=5, embedding_size=3, goldens=GOLDEN)
    values = {entry.name: entry for entry in file.entries}
    for constant in constants(plan):
        assert values[constant.name].offset % 8 == 0
        assert np.array_equal(values[constant.name].values, constant.values)
    assert values[GOLDENS].values.tolist() == [list(golden.logits) for golden in GOLDEN]
    with pytest.raises(KeyError):
        made()[1].offset(GOLDENS)


def test_every_scalar_that_training_decides_is_in_the_file():
    plan, file = made(residual=True)
    held = {entry.name: entry.values for entry in file.entries}
    for name, kind, op in structured(plan):
        for field in scalars_of(op, plan)[1]:
            if field in VALUES and not field.endswith("lift"):
                assert held[f"{name}_{field}"].tolist() == [getattr(op, field)]
            elif field not in VALUES:
                assert f"{name}_{field}" not in held
        assert f"check_{name}(blob)" in checks(plan)
        assert kind in ("embed", "norm", "linear", "attend", "conv")


def test_scalars_of_other_architectures_are_in_the_file():
    plan = architectures.bert()
    file = blob(plan, (), "")
    held = {entry.name: entry.values.tolist() for entry in file.entries}
    ops = {f"{stage.name}_{op.name}": op for stage in plan.stages for op in stage.ops}
    found = {name: kind for name, kind, _ in structured(plan)}
    assert set(found.values()) == {"embed_wide", "rescale", "linear", "attend", "layer_norm", "look_up"}
    for name in ("embed_y_to_x", "layer0_x_to_y"):
        assert held[f"{name}_multiplier"] == [ops[name].multiplier]
        assert held[f"{name}_shift"] == [ops[name].shift]
    assert held["layer0_norm2_epsilon"] == [7]
    assert held["layer0_norm2_bias"] == ops["layer0_norm2"].bias.tolist()
    assert held["embed_embed_position_shift"] == [ops["embed_embed"].position_shift]
    assert "layer0_attend0_value_cols" not in held
    for name in found:
        assert f"check_{name}(blob)" in checks(plan)


@pytest.mark.parametrize("name", architectures.PLANS)
def test_other_values_of_the_same_architecture_fit(name):
    first, second = (blob(architectures.PLANS[name](seed), (), "") for seed in (0, 1))
    assert first.fingerprint == second.fingerprint
    assert first.data != second.data


def test_other_sizes_do_not_fit():
    made = [architectures.bert(), architectures.bert(inner=15), architectures.bert(value_size=4)]
    made += [architectures.bert(pooling="mean"), architectures.bert(heads=1)]
    assert len({blob(plan, (), "").fingerprint for plan in made}) == len(made)


def test_lifts_of_the_embedding_are_bounded_by_shapes():
    plan, file = made()
    op = plan.stages[0].ops[0]
    held = {entry.name: int(entry.values[0]) for entry in file.entries if entry.values.size == 1}
    assert held["embed_embed_token_lift"] == lift(op.token_shift, op.token_table.shape[1] * 127**2)
    assert held["embed_embed_position_lift"] <= scalars_of(op, plan)[1]["position_lift"]


def test_the_fingerprint_knows_what_fits():
    _, file = made(seed=0)
    assert made(seed=1)[1].fingerprint == file.fingerprint
    assert made(seed=1)[1].data != file.data
    others = [
        made(identity="another tokenizer"),
        made(goldens=GOLDEN),
        made(classes=4),
        made(max_length=23),
        made(causal_conv=False),
        made(pooling="mean"),
        made(vocab_size=38),
    ]
    found = {other.fingerprint for _, other in others}
    assert len(found) == len(others)
    assert file.fingerprint not in found


def test_a_stage_with_its_operators_renamed_does_not_fit():
    plan, file = made()
    stages = list(plan.stages)
    op = stages[-1].ops[0]
    stages[-1] = spec.Stage("head", "one", (dataclasses.replace(op, name="other"),))
    assert blob(dataclasses.replace(plan, stages=tuple(stages)), (), "").fingerprint != file.fingerprint
