"""Plans of tokens and n-grams: specification against oracle, refusals, files, the float model."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
import joints
import oracle
import plans
from embbert.emit.checks import check
from embbert.emit.render import shortened
from embbert.errors import DataError, ModelError
from embbert.quant import reference, spec
from embbert.quant.build import quantize
from embbert.quant.float_model import forward
from embbert.quant.overflow import INT32_MAX, prove
from embbert.quant.plan_io import load_plan, plan_from_arrays, plan_to_arrays
from embbert.quant.validate import validate

NGRAMS, MOST = 20, 15
CONFIGS = {
    "embbert": factory.small_config(ngrams=NGRAMS, max_ngrams=MOST),
    "residual": factory.small_config(residual=True, pooling="mean", ngrams=NGRAMS, max_ngrams=MOST),
    **{
        name: dataclasses.replace(config, ngrams=NGRAMS, max_ngrams=MOST)
        for name, config in factory.BASELINES.items()
    },
}
PLAN = factory.random_plan(CONFIGS["embbert"])
PLANS = {"tame": PLAN, "wild": plans.wild(factory.random_plan(CONFIGS["nano-embedder"]), 3)}


def replaced(name, plan=PLAN, **changes):
    """The plan with other fields in one operator of the head."""
    *stages, head = plan.stages
    ops = tuple(dataclasses.replace(op, **changes) if op.name == name else op for op in head.ops)
    return dataclasses.replace(plan, stages=(*stages, dataclasses.replace(head, ops=ops)))


@settings(max_examples=60)
@given(
    name=st.sampled_from(list(PLANS)),
    tokens=st.lists(st.integers(0, 36), min_size=1, max_size=6),
    numbers=st.lists(st.integers(0, NGRAMS - 1), max_size=MOST),
)
def test_equals_the_oracle(name, tokens, numbers):
    ids = [*tokens, *(37 + number for number in numbers)]
    seen = {}
    logits = reference.run(PLANS[name], ids, lambda place, value: seen.__setitem__(place, value.tolist()))
    expected, rows = oracle.run(PLANS[name], ids)
    assert logits.tolist() == expected
    assert seen == rows


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_adds_what_its_ngrams_weigh(name):
    """The float logits are those without n-grams and their sum over the root; the integer ones are near."""
    config = CONFIGS[name]
    weights = factory.random_weights(config, 3)
    texts = [factory.random_ids(config, seed=100 + seed) for seed in range(8)]
    plan = quantize(config, weights, 3, texts)
    plain = dataclasses.replace(config, ngrams=0, max_ngrams=0)
    own = {field: value for field, value in weights.items() if field != "ngrams.weight"}
    without = quantize(plain, own, 3, [[i for i in ids if i < 37] for ids in texts])
    scale = np.abs(weights["ngrams.weight"]).max(axis=1) / 127
    for count in (0, 1, 7, MOST):
        tokens = factory.random_ids(plain, count + 50)
        numbers = np.random.default_rng(count).integers(0, NGRAMS, count)
        ids = [*tokens, *(37 + numbers).tolist()]
        added = weights["ngrams.weight"][:, numbers].sum(axis=1) / np.sqrt(max(1, count))
        np.testing.assert_allclose(
            forward(config, weights, ids), forward(plain, own, tokens) + added, atol=1e-5
        )
        found = (reference.run(plan, ids) - reference.run(without, tokens)) / spec.LOGIT_ONE
        assert (np.abs(found - added) <= scale * 0.5 * np.sqrt(count) + 3e-3 * np.abs(added) + 1e-4).all()
        assert count or not found.any()


@pytest.mark.parametrize("signs", [(1, 1), (-1, -1), (1, -1), (-1, 1)])
def test_sums_of_logits_saturate(signs):
    """Both logits are as large as they can be; of two signs nothing is left."""
    first, second = (np.full(3, sign * INT32_MAX, np.int32) for sign in signs)
    most = np.full(3, INT32_MAX, np.int32)
    plan = replaced("classify", weight=np.zeros((3, 12), np.int8), bias=first, multiplier=most, shift=1)
    plan = replaced("weigh", plan, bias=second)
    validate(plan)
    prove(plan)
    logits = reference.run(plan, [2, 5]).tolist()
    assert logits == [signs[0] * INT32_MAX if signs[0] == signs[1] else 0] * 3
    assert logits == oracle.run(plan, [2, 5])[0]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "1 to 24 tokens, this one has 0"),
        ([37], "1 to 24 tokens, this one has 0"),
        ([5] * 25, "1 to 24 tokens, this one has 25"),
        ([5] + [37] * 16, "at most 15 n-grams, this one has 16"),
        ([5, 57], r"n-gram ids must be in 0\.\.19, found 20\.\.20"),
        ([5, 38, 5], r"n-gram ids must be in 0\.\.19, found -32\.\.1"),
        ([-1, 38], r"token ids must be in 0\.\.36, found -1"),
    ],
)
def test_what_is_no_text_is_refused(ids, message):
    with pytest.raises(DataError, match=message):
        reference.run(PLAN, ids)


def test_longest_texts_are_taken():
    ids = [5] * 24 + [56] * 15
    assert reference.run(PLAN, ids).tolist() == oracle.run(PLAN, ids)[0]
    short = shortened(PLAN, 9)
    assert (short.max_length, short.max_ngrams) == (9, MOST)
    assert reference.run(short, ids[15:]).tolist() == oracle.run(PLAN, ids[15:])[0]


PLAIN = factory.random_plan(factory.small_config())


def spread(name):
    """The plan with one operator of the head over every token, where it would count the text many times."""
    *stages, head = PLAN.stages
    first, last = ((tuple(op for op in head.ops if (op.name == name) == mine)) for mine in (False, True))
    span = "pass" if name == "add" else "one"
    tensors = tuple(
        dataclasses.replace(one, span=span) if one.dtype == "int32" else one for one in PLAN.tensors
    )
    many = dataclasses.replace(head, rows="text", ops=last)
    if name == "weigh":
        return dataclasses.replace(
            PLAN, stages=(*stages, many, dataclasses.replace(head, name="rest", ops=first))
        )
    zero = next(op for op in PLAN.stages[1].ops if isinstance(op, spec.Linear))
    wide = np.zeros((3, zero.weight.shape[1]), np.int8)
    ones = {"bias": np.zeros(3, np.int32), "multiplier": np.ones(3, np.int32)}
    made = tuple(
        dataclasses.replace(zero, name=out, out=out, source="x0", weight=wide, accumulate=False, **ones)
        for out in ("logits", "known")
    )
    many = dataclasses.replace(many, ops=(*made, *last))
    bag = tuple(op for op in first if isinstance(op, spec.Bag))
    return dataclasses.replace(
        PLAN, tensors=tensors, stages=(*stages, many, dataclasses.replace(head, name="rest", ops=bag))
    )


def without_ngrams():
    """A plan of tokens alone that adds its logits to themselves."""
    add = spec.Add("add", "logits", "logits")
    return dataclasses.replace(PLAIN, stages=(*PLAIN.stages, spec.Stage("more", "one", (add,))))


REFUSED = [
    (dataclasses.replace(PLAN, ngrams=0), "cannot have 0 n-grams, 15 of a text at most, beside 37 tokens"),
    (dataclasses.replace(PLAN, max_ngrams=0), "cannot have 20 n-grams, 0 of a text"),
    (dataclasses.replace(PLAN, ngrams=65500), "cannot have 65500 n-grams"),
    (dataclasses.replace(PLAN, max_ngrams=65536), "65536 of a text at most"),
    (dataclasses.replace(PLAN, ngrams=21), r"head\.weigh: weight has shape \[20, 3\], not \[21, 3\]"),
    (dataclasses.replace(PLAIN, ngrams=20, max_ngrams=2), "reads only one of them"),
    (replaced("add", source="pooled"), "tensor logits is int32, not int16"),
    (spread("weigh"), r"head\.weigh: n-grams are summed once for a text"),
    (spread("add"), r"head\.add: sums of int32 are of single rows"),
    (without_ngrams(), r"more\.add: sums of int32 are those of n-grams beside tokens"),
    (replaced("weigh", bias=np.zeros(2, np.int32)), r"head\.weigh: bias has shape"),
]


@pytest.mark.parametrize(("plan", "message"), REFUSED)
def test_what_is_not_well_formed_is_refused(plan, message):
    with pytest.raises(ModelError, match=message):
        validate(plan)


def test_a_bag_alone_has_no_ngrams_beside_it():
    stage = spec.Stage("head", "one", (dataclasses.replace(PLAN.stages[-1].ops[1], out="logits"),))
    with pytest.raises(ModelError, match="reads only one of them"):
        validate(dataclasses.replace(PLAN, stages=(stage,)))


@pytest.mark.parametrize("name", CONFIGS)
def test_saved_and_loaded(name):
    plan = factory.random_plan(CONFIGS[name])
    check(plan)
    arrays, document = plan_to_arrays(plan)
    assert document["format"] == 3
    again = plan_from_arrays(arrays, json.loads(json.dumps(document)))
    assert (again.ngrams, again.max_ngrams) == (NGRAMS, MOST)
    ids = factory.random_ids(CONFIGS[name], 4)
    assert reference.run(again, ids).tolist() == reference.run(plan, ids).tolist()
    for field in ("ngrams", "max_ngrams"):
        with pytest.raises(ModelError, match=f"'{field}' must be of type int"):
            plan_from_arrays(arrays, document | {field: "20"})
    # Readers of format 2 know nothing of n-grams, and a plan without them is written as ever.
    assert plan_to_arrays(PLAIN)[1]["format"] == 2
    assert "ngrams" not in plan_to_arrays(PLAIN)[1]


def test_accumulators_of_the_longest_texts_are_proved():
    largest = dataclasses.replace(PLAN, max_ngrams=spec.MAX_BAG_IDS)
    assert prove(PLAN)["head.weigh"] < prove(largest)["head.weigh"] <= INT32_MAX
    assert prove(PLAN)["head.add"] == INT32_MAX


def test_an_integer_model_belongs_to_its_config(tmp_path, monkeypatch):
    folder = joints.joint_folder(tmp_path / "m")
    assert load_plan(folder).max_ngrams == joints.MAX_NGRAMS
    for field, message in (("ngrams", "number of n-grams is"), ("max_ngrams", "most n-grams of a text is")):
        other = dataclasses.replace(folder.config, **{field: 9})
        with pytest.raises(ModelError, match=f"{message} .*, config and labels say 9"):
            load_plan(dataclasses.replace(folder, config=other))
    arrays, document = folder.integer()
    stranger = {**document, "architecture": "bert"}
    monkeypatch.setattr(type(folder), "integer", lambda _: (arrays, stranger))
    with pytest.raises(ModelError, match=r"architecture is 'bert', .* 'embbert'"):
        load_plan(folder)
