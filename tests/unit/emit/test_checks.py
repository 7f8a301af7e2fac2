"""Plans that the C could not run exactly are refused by name."""

import dataclasses

import numpy as np
import pytest

import architectures
import factory
import plans
from embbert.emit.checks import check, reads
from embbert.errors import ModelError
from embbert.quant import spec


def plan_with(change, stage_name="layer0", **config):
    """A good plan with the operators of one stage changed by a function."""
    plan = factory.random_plan(factory.small_config(**config))
    stages = tuple(
        dataclasses.replace(stage, ops=tuple(change(list(stage.ops)))) if stage.name == stage_name else stage
        for stage in plan.stages
    )
    return dataclasses.replace(plan, stages=stages)


@pytest.mark.parametrize("config", [{}, {"residual": True}, {"pooling": "mean"}, {"num_layers": 1}])
def test_real_plans_pass(config):
    check(factory.random_plan(factory.small_config(**config)))


def test_a_shift_that_could_leave_its_range_is_refused():
    def widen(ops):
        return [
            dataclasses.replace(op, shift=51, epsilon=2**61) if isinstance(op, spec.Norm) else op
            for op in ops
        ]

    with pytest.raises(ModelError, match=r"layer0\.norm: shift with the root's is 6\d, outside"):
        check(plan_with(widen))


def test_a_tensor_written_for_the_first_row_only_is_not_read_whole():
    plan = factory.random_plan(factory.small_config(num_layers=3))
    stages = tuple(
        dataclasses.replace(stage, rows="first") if stage.name == "layer0" else stage for stage in plan.stages
    )
    with pytest.raises(ModelError, match=r"layer1\.query: it reads rows of x1 that nothing has written"):
        check(dataclasses.replace(plan, stages=stages))


def test_names_of_constants_do_not_meet():
    """`token_weight` of `e.head` and `weight` of `e_head.token` would be one name in C."""
    plan = factory.random_plan(factory.small_config())
    head = plan.stages[-1]
    op = next(op for op in head.ops if isinstance(op, spec.Linear))
    embed, *others = plan.stages[0].ops
    stages = (
        dataclasses.replace(plan.stages[0], name="e", ops=(dataclasses.replace(embed, name="head"), *others)),
        *plan.stages[1:-1],
        dataclasses.replace(head, name="e_head", ops=(dataclasses.replace(op, name="token"),)),
    )
    with pytest.raises(ModelError, match=r"two constants would be called e_head_token_\w+ in C"):
        check(dataclasses.replace(plan, stages=stages))


def test_an_operator_does_not_write_over_its_input():
    onto = {"attend": {"out": "q"}, "out": {"source": "q"}}

    def onto_itself(ops):
        return [dataclasses.replace(op, **onto.get(op.name, {})) for op in ops]

    with pytest.raises(ModelError, match=r"layer0\.attend: it writes over what it reads"):
        check(plan_with(onto_itself))


def test_one_average_per_stage():
    def twice(ops):
        return [*ops, dataclasses.replace(ops[-1], name="again")]

    with pytest.raises(ModelError, match="averages twice"):
        check(plan_with(twice, "layer1", pooling="mean"))


@pytest.mark.parametrize("name", ["int", "scores", "while"])
def test_names_that_c_needs_are_refused(name):
    plan = factory.random_plan(factory.small_config())
    extra = spec.Tensor(name, "int8", 4, "pass", 1.0)
    with pytest.raises(ModelError, match=f"cannot be called '{name}'"):
        check(dataclasses.replace(plan, tensors=(*plan.tensors, extra)))


def test_two_operators_cannot_share_a_c_name():
    plan = factory.random_plan(factory.small_config())
    head = plan.stages[-1]
    stages = (
        *plan.stages[:-1],
        dataclasses.replace(head, name="a_b", ops=(dataclasses.replace(head.ops[0], name="c"),)),
        dataclasses.replace(head, name="a", ops=(dataclasses.replace(head.ops[0], name="b_c"),)),
    )
    with pytest.raises(ModelError, match="called a_b_c in C"):
        check(dataclasses.replace(plan, stages=stages))


def test_rows_that_are_added_to_exist():
    plan = factory.random_plan(factory.small_config(residual=True, num_layers=2))
    stages = tuple(
        dataclasses.replace(stage, rows="first") if stage.name == "layer0" else stage for stage in plan.stages
    )
    check(dataclasses.replace(plan, stages=stages))  # the residual stream is whole since the embedding


@pytest.mark.parametrize("name", ["add", "contract"])
def test_rows_that_are_added_to_must_have_been_written(name):
    """A stage of the first row writes to w; the next one adds to every row of it."""
    plan = factory.random_plan(factory.small_config(residual=True, num_layers=3))
    changes = {
        "layer0": {"out": {"out": "w"}, "contract": {"out": "w"}, "add": {"source": "w"}},
        "layer1": {name: {"out": "w"}},
    }
    stages = []
    for stage in plan.stages:
        ops = tuple(
            dataclasses.replace(op, **changes.get(stage.name, {}).get(op.name, {})) for op in stage.ops
        )
        rows = "first" if stage.name == "layer0" else stage.rows
        stages.append(dataclasses.replace(stage, rows=rows, ops=ops))
    tensors = (*plan.tensors, spec.Tensor("w", "int16", 12, "text", 0.5))
    with pytest.raises(ModelError, match=rf"layer1\.{name}: it reads rows of w that nothing has written"):
        check(dataclasses.replace(plan, tensors=tensors, stages=tuple(stages)))


def test_sizes_that_c_cannot_hold_are_refused():
    def long(taps):
        def stretch(ops):
            return [
                dataclasses.replace(op, weight=np.zeros((taps, op.weight.shape[1]), np.int8))
                if isinstance(op, spec.Conv)
                else op
                for op in ops
            ]

        return plan_with(stretch)

    check(long(65_535))
    with pytest.raises(ModelError, match=r"layer0\.conv: a size of 65536 does not fit 16 bits"):
        check(long(65_536))


def test_reads_of_every_operator():
    plan = factory.random_plan(factory.small_config(residual=True))
    found = {f"{stage.name}.{op.name}": reads(op) for stage in plan.stages for op in stage.ops}
    assert found["layer0.out"] == (["ctx"], [])
    assert found["layer0.contract"] == (["u"], [])
    assert found["layer0.add"] == (["y"], [])
    assert found["layer0.attend"] == (["q"], ["x", "x"])
    assert found["layer0.conv"] == ([], ["x"])
    assert found["embed.embed"] == ([], [])


def test_reads_of_every_operator_of_other_architectures():
    found = {
        f"{stage.name}.{op.name}": reads(op)
        for plan in (architectures.bert(), architectures.embedder())
        for stage in plan.stages
        for op in stage.ops
    }
    assert found["layer0.attend1"] == (["q"], ["k1", "v1"])
    assert found["layer0.x_to_y"] == (["x"], [])
    assert found["layer0.norm2"] == (["y"], [])
    assert found["layer0.relu"] == (["f"], [])
    assert found["conv.pool"] == (["u"], [])
    assert reads(architectures.bert().stages[0].ops[0]) == ([], [])


@pytest.mark.parametrize("name", architectures.PLANS)
def test_other_architectures_pass(name):
    """A row may be written over once all of its own operators have read it."""
    plan = architectures.PLANS[name]()
    check(plan)
    check(plans.low_plan(plans.wild(plan, 3)))


def changed(plan, where, change):
    """The plan with the operators of one stage changed by a function."""
    return dataclasses.replace(
        plan,
        stages=tuple(
            dataclasses.replace(stage, ops=tuple(change(list(stage.ops)))) if stage.name == where else stage
            for stage in plan.stages
        ),
    )


def test_values_written_for_the_first_row_only_are_not_mixed():
    plan = architectures.bert()
    keys = plan.stages[1]
    values = dataclasses.replace(
        keys, name="values", rows="first", ops=tuple(op for op in keys.ops if op.out == "v1")
    )
    others = dataclasses.replace(keys, ops=tuple(op for op in keys.ops if op.out != "v1"))
    stages = (plan.stages[0], others, values, *plan.stages[2:])
    with pytest.raises(ModelError, match=r"layer0\.attend1: it reads rows of v1 that nothing has written"):
        check(dataclasses.replace(plan, stages=stages))


def test_a_rescaled_row_is_not_added_to_itself():
    def onto_itself(ops):
        return [dataclasses.replace(op, source="y") if op.name == "x_to_y" else op for op in ops]

    with pytest.raises(ModelError, match=r"layer0\.x_to_y: it writes over what it reads"):
        check(changed(architectures.bert(), "layer0", onto_itself))


def test_two_kinds_of_average_share_one_row_of_sums_as_well():
    plan = architectures.embedder()
    extra = spec.Tensor("mean", "int16", 11, "one", 1.0)

    def both(ops):
        return [*ops, spec.Pool("mean", "u", "mean", 8)]

    with pytest.raises(ModelError, match="stage conv: it averages twice"):
        check(changed(dataclasses.replace(plan, tensors=(*plan.tensors, extra)), "conv", both))
