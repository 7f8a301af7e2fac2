"""Weights of a pre-training as arrays of a base folder, and back."""

import numpy as np
import pytest
import torch

from embbert.bases import head_shapes
from embbert.errors import ModelError
from embbert.models.pretraining import PretrainingModel
from embbert.shape import backbone_shapes
from embbert.train.pretraining.weights import head_arrays, load_start, trunk_arrays
from pretraining import model


def fresh(seed=0, tied=True, pairs=True, **changes):
    torch.manual_seed(seed)
    return PretrainingModel(model(**changes), tied=tied, pairs=pairs)


def arrays(net):
    return {**trunk_arrays(net), **(head_arrays(net) or {})}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_names_and_shapes_are_those_of_a_base_folder():
    net = fresh()
    trunk, head = trunk_arrays(net), head_arrays(net)
    assert {name: value.shape for name, value in trunk.items()} == backbone_shapes(model())
    assert {name: value.shape for name, value in head.items()} == head_shapes(model())
    assert {value.dtype for value in arrays(net).values()} == {np.dtype(np.float32)}
    assert head_arrays(fresh(tied=False)) is None


def test_arrays_are_copies_and_the_pad_is_zero():
    net = fresh()
    with torch.no_grad():
        net.backbone.embedder.token.weight[0] = 1.0
    trunk = trunk_arrays(net)
    assert (trunk["embedder.token.weight"][0] == 0).all()
    trunk["embedder.position.weight"][:] = 7.0
    assert (net.backbone.embedder.token.weight[0] == 1).all()
    assert (net.backbone.embedder.position.weight != 7).all()


def test_what_was_taken_out_is_put_back():
    first, second = fresh(0), fresh(1)
    assert not same(arrays(first), arrays(second))
    relation = second.relation.weight.clone()
    load_start(second, arrays(first))
    assert same(arrays(first), arrays(second))
    assert torch.equal(second.relation.weight, relation)  # of pairs there is nothing in a base


def test_a_head_is_taken_only_where_both_have_it():
    untied, tied = fresh(1, tied=False), fresh(2)
    narrow = tied.narrow.weight.clone()
    load_start(untied, arrays(fresh(0)))
    load_start(tied, trunk_arrays(fresh(0)))
    assert same(trunk_arrays(untied), trunk_arrays(tied))
    assert torch.equal(tied.narrow.weight, narrow)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda start: start.pop("layers.1.norm.weight"), "layers.1.norm.weight is missing or unknown"),
        (
            lambda start: start.update({"layers.2.x": start["layers.1.norm.weight"]}),
            "layers.2.x is missing or",
        ),
        (
            lambda start: start.update({"final_norm.weight": np.zeros(3, np.float32)}),
            r"size mismatch.*final_norm",
        ),
    ],
)
def test_weights_of_another_model_are_refused(change, message):
    start = arrays(fresh())
    change(start)
    with pytest.raises(ModelError, match=f"the base does not fit the model: .*{message}"):
        load_start(fresh(), start)
