"""The blueprints in NumPy compute what the models of the same weights compute in torch."""

import numpy as np
import pytest
import torch

import factory
from embbert.blueprint import blueprint
from embbert.models.heads import SequenceModel, load_arrays
from embbert.quant.float_model import forward, run

CONFIGS = {
    "embbert": factory.small_config(),
    "residual": factory.small_config(residual=True, pooling="mean", causal_conv=False, expansion=2),
    **factory.BASELINES,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_are_those_of_the_network(name):
    config = CONFIGS[name]
    weights = factory.random_weights(config, 3, seed=7)
    network = SequenceModel(config, 3).eval()
    load_arrays(network, weights)
    for seed in range(6):
        ids = factory.random_ids(config, seed, pair=seed % 2 == 0)
        with torch.no_grad():
            expected = network(torch.tensor([ids])).numpy()[0]
        # float32, a few hundred sums of terms around 1, in another order
        np.testing.assert_allclose(forward(config, weights, ids), expected, atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize(("pooling", "last"), [("cls", 1), ("mean", 7)])
@pytest.mark.parametrize("residual", [False, True])
def test_only_rows_that_the_integer_model_computes_are_seen(pooling, last, residual):
    config = factory.small_config(pooling=pooling, residual=residual)
    weights, ids = factory.random_weights(config, 3), factory.random_ids(config, 1, 7)
    rows = {}
    run(blueprint(config, 3), weights, ids, lambda name, value: rows.setdefault(name, len(value)))
    end = config.num_layers - 1
    assert {name: rows[f"{end}.{name}"] for name in ("query", "context", "conv", "silu", "block")} == (
        dict.fromkeys(("query", "context", "conv", "silu", "block"), last)
    )
    assert rows["0.query"] == rows[f"{end}.norm"] == 7
