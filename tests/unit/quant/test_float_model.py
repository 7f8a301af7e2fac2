"""The blueprints in NumPy compute what the models of the same weights compute in torch."""

import numpy as np
import pytest
import torch

import factory
from embbert.models.heads import SequenceModel, load_arrays
from embbert.quant.float_model import forward

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
