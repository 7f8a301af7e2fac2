"""A plan survives the round trip; a damaged one is refused, by name, before use."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import architectures
import factory
import folders
import joints
import linears
import plans
from embbert.errors import ModelError
from embbert.quant.plan_io import load_plan, plan_from_arrays, plan_to_arrays
from embbert.quant.reference import predict
from embbert.store import load_model

CONFIG = factory.small_config(residual=True)
PLAN = factory.random_plan(CONFIG)
ARRAYS, DOCUMENT = plan_to_arrays(PLAN)


def damaged(change):
    arrays, document = dict(ARRAYS), copy.deepcopy(DOCUMENT)
    change(arrays, document)
    return arrays, document


@pytest.mark.parametrize("residual", [False, True])
def test_round_trip_through_json(residual):
    config = factory.small_config(residual=residual, pooling="mean")
    plan = factory.random_plan(config)
    arrays, document = plan_to_arrays(plan)
    again = plan_from_arrays(arrays, json.loads(json.dumps(document)))
    texts = [factory.random_ids(config, seed) for seed in range(4)]
    assert predict(again, texts).tolist() == predict(plan, texts).tolist()
    assert plan_to_arrays(again)[1] == document


@pytest.mark.parametrize("name", architectures.PLANS)
def test_every_architecture_survives_the_round_trip(name):
    plan = architectures.PLANS[name]()
    arrays, document = plan_to_arrays(plan)
    again = plan_from_arrays(arrays, json.loads(json.dumps(document)))
    texts = [question.ids for question in plans.id_questions(plan, count=11)]
    assert predict(again, texts).tolist() == predict(plan, texts).tolist()
    assert plan_to_arrays(again)[1] == document


def op(document, stage, name):
    found = next(s for s in document["stages"] if s["name"] == stage)
    return next(o for o in found["ops"] if o["name"] == name)


CASES = {
    "unknown format": (lambda a, d: d.update(format=4), "format 4"),
    "a name that is none": (lambda a, d: d.update(architecture="embbert */ int x; /*"), "must be a name"),
    "n-grams that are not counted": (lambda a, d: d.update(format=3), "'ngrams' must be of type int"),
    "format before values were apart from keys": (
        lambda a, d: d.update(format=1),
        "format 1, this version reads 2 and 3; make it again with  embbert quantize",
    ),
    "no values": (lambda a, d: op(d, "layer0", "attend").pop("values"), "'values' must be of type str"),
    "a scale that no float holds": (
        lambda a, d: d["tensors"][0].update(scale=10**400),
        "'scale' is too large for a float",
    ),
    "a scale beyond 64 bits": (lambda a, d: d["tensors"][0].update(scale=-(2**70)), "has a bad scale"),
    "missing array": (lambda a, d: a.pop("layer0.query.weight"), r"lacks 'layer0\.query\.weight'"),
    "extra array": (lambda a, d: a.update(intruder=np.zeros(1, np.int8)), "intruder"),
    "wrong dtype": (
        lambda a, d: a.update({"layer0.query.weight": a["layer0.query.weight"].astype(np.int16)}),
        r"layer0\.query: weight is int16",
    ),
    "wrong shape": (
        lambda a, d: a.update({"norm0.norm.gain": np.ones(5, np.int16)}),
        r"norm0\.norm: gain has shape",
    ),
    "out of range": (
        lambda a, d: a.update({"layer0.out.weight": np.full_like(a["layer0.out.weight"], -128)}),
        r"layer0\.out: weight has a value below -127",
    ),
    "shift too large": (lambda a, d: op(d, "layer0", "out").update(shift=63), r"layer0\.out: shift is 63"),
    "norm shift out of reach": (
        lambda a, d: op(d, "norm1", "norm").update(shift=62),
        r"norm1\.norm: shift with the root's is 6\d, outside",
    ),
    "shift of zero": (lambda a, d: op(d, "layer0", "attend").update(exp_shift=0), r"attend: exp_shift is 0"),
    "left outside the taps": (
        lambda a, d: op(d, "layer1", "conv").update(left=5),
        r"layer1\.conv: left is 5",
    ),
    "unknown kind": (lambda a, d: op(d, "layer0", "out").update(kind="Softmax"), "unknown kind 'Softmax'"),
    "unknown field": (lambda a, d: op(d, "layer0", "out").update(colour=1), "no field 'colour'"),
    "wrong type": (lambda a, d: op(d, "layer0", "out").update(shift=True), "must be of type int"),
    "missing field": (lambda a, d: op(d, "layer0", "out").pop("shift"), "must be of type int"),
    "no such tensor": (lambda a, d: op(d, "layer0", "query").update(source="w"), "there is no tensor 'w'"),
    "wrong tensor": (lambda a, d: op(d, "layer0", "query").update(source="y"), "before anything is written"),
    "stale rows": (lambda a, d: op(d, "final", "norm").update(source="y"), "before anything is written"),
    "rows": (lambda a, d: d["stages"][0].update(rows="half"), "rows 'half'"),
    "stages": (lambda a, d: d.update(stages={}), "list of objects"),
    "max_length": (lambda a, d: d.update(max_length=4096), "1 to 1024"),
    "output": (lambda a, d: d.update(output="y"), "int32"),
    "name": (lambda a, d: d["tensors"][0].update(name="a; system()"), "cannot name a tensor"),
    "twice": (lambda a, d: d["tensors"][1].update(name=d["tensors"][0]["name"]), "two tensors"),
    "overflow": (
        lambda a, d: a.update({"layer1.contract.bias": np.full_like(a["layer1.contract.bias"], 2**31 - 1)}),
        r"layer1\.contract: its accumulator can reach",
    ),
    "ratio": (
        lambda a, d: op(d, "layer0", "attend").update(out_multiplier=1 << 20),
        "out_multiplier is outside",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_damage_is_refused_by_name(case):
    change, message = case
    with pytest.raises(ModelError, match=message):
        plan_from_arrays(*damaged(change))


def test_a_stage_that_overwrites_what_its_other_rows_read_is_refused():
    arrays, document = plan_to_arrays(factory.random_plan(factory.small_config()))
    op(document, "layer0", "norm").update(out="x0")
    with pytest.raises(ModelError, match="stage layer0: it writes a tensor that its other rows read"):
        plan_from_arrays(arrays, document)


def paths(value, prefix=()):
    yield prefix
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from paths(entry, (*prefix, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from paths(entry, (*prefix, index))


PATHS = [path for path in paths(DOCUMENT) if path]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(), st.text(max_size=4), st.just([])
)


@settings(max_examples=300)
@given(path=st.sampled_from(PATHS), junk=JUNK)
def test_any_replaced_value_is_refused_or_still_runs(path, junk):
    document = copy.deepcopy(DOCUMENT)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = junk
    try:
        plan = plan_from_arrays(ARRAYS, document)
    except ModelError:
        return
    assert predict(plan, [[2, 5]]).shape == (1, plan.classes)


# -- a plan and its folder ----------------------------------------------------------------------------------


def swapped(tmp_path, config):
    """A quantised folder whose config.json says something else, and states no SHA-256."""
    path = folders.small_folder(tmp_path / "m").path
    values = json.loads((path / "config.json").read_text())
    values["model"] |= config
    del values["sha256"]
    (path / "config.json").write_text(json.dumps(values))
    return load_model(path)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"num_layers": 1}, r"tensors are not those that config\.json says \(x1\)"),
        ({"pooling": "mean"}, r"operators are not those that config\.json says \(layer1\.attend\)"),
        ({"residual": True}, r"tensors are not those that config\.json says \(h\)"),
        ({"causal_conv": False}, r"operators are not those that config\.json says \(layer0\.conv\)"),
        ({"kernel_size": 3}, r"operators are not those that config\.json says \(layer0\.conv\)"),
        (
            {"embedding_size": 3},
            r"bytes of constants are not those that config\.json says \(embed\.embed\)",
        ),
        ({"max_length": 12}, "max_length is 24, config and labels say 12"),
    ],
)
def test_a_plan_of_another_config_is_refused(tmp_path, config, complaint):
    folder = swapped(tmp_path, config)
    with pytest.raises(ModelError, match=complaint):
        load_plan(folder)


def test_a_plan_of_its_config_is_loaded(tmp_path):
    assert load_plan(swapped(tmp_path, {})).classes == 3


@pytest.mark.parametrize("make", [joints.joint_folder, linears.linear_folder])
def test_plans_with_ngrams_are_of_their_config(tmp_path, make):
    assert load_plan(make(tmp_path / "m")).classes == 3
