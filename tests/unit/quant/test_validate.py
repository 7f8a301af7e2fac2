"""Plans of every architecture are taken; what is wrong with an operator is said by its name."""

import dataclasses

import numpy as np
import pytest

import architectures
from embbert.errors import ModelError
from embbert.quant import spec
from embbert.quant.validate import validate


def with_op(name, where, **changes):
    """A good plan in which one operator, `<stage>.<operator>`, has other fields."""
    plan = architectures.PLANS[name]()
    found = []

    def changed(stage, op):
        if f"{stage.name}.{op.name}" != where:
            return op
        found.append(op)
        return dataclasses.replace(
            op, **{key: value(op) if callable(value) else value for key, value in changes.items()}
        )

    stages = tuple(
        dataclasses.replace(stage, ops=tuple(changed(stage, op) for op in stage.ops)) for stage in plan.stages
    )
    assert len(found) == 1
    return dataclasses.replace(plan, stages=stages)


@pytest.mark.parametrize("name", architectures.PLANS)
def test_every_architecture_is_well_formed(name):
    validate(architectures.PLANS[name]())


def array(dtype, *shape, value=0):
    return np.full(shape, value, dtype=dtype)


BERT, WIDE, CONV, EFFICIENT = "bert", "embedder alone, wide", "embedder with a convolution", "efficient"
CASES = [
    (
        BERT,
        "embed.embed",
        {"token_table": array("int8", 37, 9)},
        r"token_table has shape \[37, 9\], not \[37, 10\]",
    ),
    (BERT, "embed.embed", {"token_table": array("int8")}, r"token_table has shape \[\], not \[37, 10\]"),
    (BERT, "embed.embed", {"position_table": array("int8", 23, 10)}, r"position_table has shape \[23, 10\]"),
    (BERT, "embed.embed", {"position_table": array("int16", 24, 10)}, "position_table is int16, not int8"),
    (BERT, "embed.embed", {"segment_table": array("int16", 3, 10)}, "segment_table has shape"),
    (BERT, "embed.embed", {"token_multiplier": array("int32", 9)}, "token_multiplier has shape"),
    (BERT, "embed.embed", {"position_shift": 63}, r"position_shift is 63, outside 1..62"),
    (BERT, "embed.embed", {"token_shift": 0}, r"token_shift is 0, outside 1..62"),
    (BERT, "embed.embed", {"out": "x"}, "tensor x is int8, not int16"),
    (CONV, "embed.embed", {"token_table": array("int8")}, "the tables have no columns"),
    (CONV, "embed.embed", {"token_table": array("int8", 37, 0)}, "the tables have no columns"),
    (BERT, "embed.y_to_x", {"source": "z"}, "it reads z before anything is written there"),
    (BERT, "embed.y_to_x", {"out": "f"}, "source and out differ in columns"),
    (BERT, "embed.y_to_x", {"shift": 63}, r"shift is 63, outside 1..62"),
    (BERT, "embed.y_to_x", {"multiplier": -(2**31)}, "multiplier does not fit"),
    (BERT, "embed.y_to_x", {"multiplier": 2**31}, "multiplier does not fit"),
    (BERT, "embed.y_to_x", {"accumulate": True}, "only an int16 row can be added to"),
    (BERT, "embed.y_to_x", {"out": "logits"}, "tensor logits is int32, not int8 or int16"),
    (EFFICIENT, "layer0.x0_to_y", {"source": "pooled"}, "tensor pooled has span one, not text or pass"),
    (BERT, "layer0.norm1", {"gain": array("int16", 11)}, r"gain has shape \[11\], not \[10\]"),
    (BERT, "layer0.norm1", {"bias": array("int32", 10)}, "bias is int32, not int16"),
    (BERT, "layer0.norm1", {"bias": array("int16", 10, value=-32768)}, "bias has a value below -32767"),
    (BERT, "layer0.norm1", {"epsilon": 0}, "epsilon must be from 1 to"),
    (BERT, "layer0.norm1", {"epsilon": 2**62}, "epsilon must be from 1 to"),
    (BERT, "layer0.norm1", {"epsilon": 1, "shift": 22}, r"shift with the root's is 7, outside 8..48"),
    (BERT, "layer0.norm1", {"shift": 48}, r"shift with the root's is 49, outside 8..48"),
    (BERT, "layer0.norm1", {"source": "x"}, "tensor x is int8, not int16"),
    (BERT, "layer0.norm1", {"out": "f"}, "source and out differ in columns"),
    (BERT, "layer0.relu", {"table": array("int8", 255)}, r"table has shape \[255\], not \[256\]"),
    (BERT, "layer0.relu", {"table": array("int8", 256, value=-128)}, "table has a value below -127"),
    (BERT, "layer0.relu", {"out": "z"}, "source and out differ in columns"),
    (BERT, "layer0.relu", {"source": "y"}, "tensor y is int16, not int8"),
    (BERT, "layer0.attend0", {"values": "v9"}, "there is no tensor 'v9'"),
    (BERT, "layer0.attend0", {"values": "z"}, "tensor z has span pass, not text"),
    (BERT, "layer0.attend0", {"values": "x"}, "values and out differ in columns"),
    (BERT, "layer0.attend0", {"keys": "x"}, "query and keys differ in columns"),
    (BERT, "layer0.attend0", {"exp_multiplier": -1}, "exp_multiplier does not fit"),
    (WIDE, "embed.pool", {"source": "y"}, "tensor y is int16, not int8"),
    (WIDE, "embed.pool", {"out": "y"}, "tensor y has span pass, not one"),
    (CONV, "conv.pool", {"source": "y"}, "tensor y is int16, not int8"),
]


@pytest.mark.parametrize(("name", "where", "changes", "message"), CASES)
def test_what_is_wrong_is_said_by_name(name, where, changes, message):
    with pytest.raises(ModelError, match=rf"^{where}: {message}"):
        validate(with_op(name, where, **changes))


@pytest.mark.parametrize("shift", [23, 46])
def test_the_first_and_last_shift_of_a_layer_norm(shift):
    validate(with_op(BERT, "layer0.norm1", epsilon=1, shift=shift))


def stages_of(plan, change):
    return dataclasses.replace(plan, stages=tuple(change(list(plan.stages))))


def test_values_are_complete_before_they_are_mixed():
    def keys_last(stages):
        keys, layer = stages[1], stages[2]
        together = dataclasses.replace(layer, ops=(*keys.ops, *layer.ops))
        return [stages[0], together, *stages[3:]]

    with pytest.raises(ModelError, match=r"^layer0\.attend0: k0 is not complete when this stage begins"):
        validate(stages_of(architectures.bert(), keys_last))

    def values_last(stages):
        keys, layer = stages[1], stages[2]
        values = tuple(op for op in keys.ops if op.out.startswith("v"))
        rest = tuple(op for op in keys.ops if op not in values)
        return [
            stages[0],
            dataclasses.replace(keys, ops=rest),
            dataclasses.replace(layer, ops=values + layer.ops),
            *stages[3:],
        ]

    with pytest.raises(ModelError, match=r"^layer0\.attend0: v0 is not complete when this stage begins"):
        validate(stages_of(architectures.bert(), values_last))


def test_values_are_not_overwritten_where_other_rows_read_them():
    def extra(stages):
        again = next(op for op in stages[1].ops if op.out == "v0")
        layer = stages[2]
        return [*stages[:2], dataclasses.replace(layer, ops=(*layer.ops, again)), *stages[3:]]

    with pytest.raises(ModelError, match=r"^stage layer0: it writes a tensor that its other rows read"):
        validate(stages_of(architectures.bert(), extra))


def test_a_row_that_is_added_to_exists():
    def without_the_embedding(stages):
        rescale = dataclasses.replace(stages[0].ops[1], source="x", out="y", accumulate=True)
        return [stages[0], dataclasses.replace(stages[0], name="more", ops=(rescale,)), *stages[1:]]

    with pytest.raises(ModelError, match=r"^more\.y_to_x: it reads y before anything is written there"):
        validate(stages_of(architectures.bert(), without_the_embedding))


def test_a_stage_has_one_embedding():
    def twice(stages):
        again = dataclasses.replace(stages[0].ops[0], name="again")
        return [dataclasses.replace(stages[0], ops=(*stages[0].ops, again)), *stages[1:]]

    with pytest.raises(ModelError, match=r"^stage embed: it has two embeddings"):
        validate(stages_of(architectures.bert(), twice))


def test_the_output_is_a_single_row():
    """Rows of a pass are gone when the last stage ends."""
    plan = architectures.bert()
    source = plan.tensor("x")
    head = dataclasses.replace(
        plan.stages[-1].ops[-1], source="x", weight=array("int8", architectures.CLASSES, source.cols)
    )
    tensors = tuple(
        dataclasses.replace(one, span="pass") if one.name == "logits" else one for one in plan.tensors
    )
    embed, rescale = plan.stages[0].ops[:2]
    only = dataclasses.replace(plan.stages[0], ops=(embed, rescale, head))
    with pytest.raises(ModelError, match=r"its output must be a single row of int32"):
        validate(dataclasses.replace(plan, tensors=tensors, stages=(only,)))


@pytest.mark.parametrize("rows", ["first", "one"])
def test_an_embedding_runs_over_every_token(rows):
    def narrowed(stages):
        return [dataclasses.replace(stages[0], rows=rows), *stages[1:]]

    for name in (BERT, CONV):
        with pytest.raises(ModelError, match=r"^embed\.embed: an embedding runs over every token"):
            validate(stages_of(architectures.PLANS[name](), narrowed))


def test_single_rows_can_be_rescaled_and_looked_up():
    """In a stage of one row, as a head of two layers would."""
    plan = architectures.bert()
    tensors = (*plan.tensors, *(spec.Tensor(name, "int8", 10, "one", 1.0) for name in ("p", "p2")))
    ops = (
        spec.Rescale("narrow", "pooled", "p", 1, 8, False),
        spec.LookUp("relu", "p", "p2", array("int8", 256)),
        spec.Rescale("widen", "p2", "pooled", 1, 1, True),
    )
    stages = (*plan.stages[:-1], spec.Stage("between", "one", ops), plan.stages[-1])
    validate(dataclasses.replace(plan, tensors=tensors, stages=stages))
