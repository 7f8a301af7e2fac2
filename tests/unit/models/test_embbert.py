"""The PyTorch model: its size, its oracle in NumPy, and what padding must not do."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
from embbert.config import EmbbertConfig, preset
from embbert.errors import ModelError
from embbert.models.embedding import real_tokens, segment_ids
from embbert.models.heads import SequenceModel, load_arrays, to_arrays
from embbert.quant.float_model import forward
from embbert.store import weight_shapes

VARIANTS = [
    {"residual": residual, "causal_conv": causal, "pooling": pooling}
    for residual in (False, True)
    for causal in (False, True)
    for pooling in ("cls", "mean")
]


def parameters(model):
    return sum(value.numel() for value in model.parameters())


def batch(rows):
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


def test_the_default_preset_has_the_papers_parameters():
    model = SequenceModel(preset("embbert"), 2)
    assert parameters(model.backbone) == 357_248
    assert parameters(model) == 357_248 + 258


@settings(max_examples=40)
@given(
    vocab_size=st.integers(6, 60),
    max_length=st.integers(4, 20),
    hidden_size=st.integers(1, 12),
    embedding_size=st.integers(1, 6),
    expansion=st.integers(1, 3),
    kernel_size=st.integers(1, 9),
    num_layers=st.integers(1, 3),
    residual=st.booleans(),
    causal_conv=st.booleans(),
    outputs=st.integers(1, 5),
)
def test_any_shape_has_the_parameters_of_the_formula_and_the_stored_names(outputs, **shape):
    config = EmbbertConfig(**shape)
    model = SequenceModel(config, outputs)
    assert parameters(model) == config.parameter_count + outputs * (config.hidden_size + 1)
    assert {name: value.shape for name, value in to_arrays(model).items()} == weight_shapes(config, outputs)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("expansion", [1, 2])
def test_it_computes_what_the_numpy_model_computes(variant, expansion, training):
    config = factory.small_config(expansion=expansion, **variant)
    weights = factory.random_weights(config, 3)
    model = SequenceModel(config, 3).train(training)  # the two modes convolve in two ways
    load_arrays(model, weights)
    for seed in range(6):
        ids = factory.random_ids(config, seed, pair=seed % 2 == 0)
        with torch.no_grad():
            logits = model(torch.tensor([ids]))[0].numpy()
        np.testing.assert_allclose(logits, forward(config, weights, ids), rtol=0, atol=2e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_padding_and_batch_never_change_a_texts_logits(variant, training):
    config = factory.small_config(num_layers=3, max_length=130, **variant)
    model = SequenceModel(config, 3).train(training)
    load_arrays(model, factory.random_weights(config, 3))
    lengths = [1, 2, 7, 24, 90, 130]
    rows = [factory.random_ids(config, seed, length, pair=True) for seed, length in enumerate(lengths)]
    with torch.no_grad():
        together = model(batch(rows))
        for row, logits in zip(rows, together, strict=True):
            alone = model(torch.tensor([row]))[0]
            assert (alone - logits).abs().max() <= 1e-5


def test_gradients_do_not_flow_into_the_rows_of_pads():
    config = factory.small_config()
    model = SequenceModel(config, 3)
    model(batch([[2, 7, 8, 9], [2, 7]])).sum().backward()
    assert not model.backbone.embedder.token.weight.grad[0].any()
    assert not model.backbone.embedder.segment.weight.grad[0].any()
    assert model.backbone.embedder.token.weight.grad[8].any()


def test_segments_start_with_the_first_separator():
    ids = torch.tensor([[2, 9, 4, 9, 4, 0], [2, 9, 9, 0, 0, 0], [2, 4, 9, 9, 9, 9]])
    assert segment_ids(ids).tolist() == [[1, 1, 2, 2, 2, 0], [1, 1, 1, 0, 0, 0], [1, 2, 2, 2, 2, 2]]
    assert real_tokens(ids).sum(1).tolist() == [5, 3, 6]


def test_the_causal_model_cannot_see_what_comes_later_through_its_kernels():
    # With attention shut off (its gain e^−1000 = 0), a row is a function of the tokens before it.
    config = factory.small_config(causal_conv=True)
    model = SequenceModel(config, 3).eval()
    for layer in model.backbone.layers:
        torch.nn.init.constant_(layer.lambda_q1, -1000.0)
        torch.nn.init.ones_(layer.lambda_k1)
    with torch.no_grad():
        one, other = model.backbone(torch.tensor([[2, 7, 8, 9], [2, 7, 8, 11]]))
    assert torch.equal(one[:3], other[:3])
    assert not torch.equal(one[3], other[3])


def test_dropout_acts_while_training_only():
    model = SequenceModel(factory.small_config(), 3, dropout=0.5)
    ids = torch.tensor([[2, 7, 8, 9]])
    assert not torch.equal(model(ids), model(ids))
    model.eval()
    assert torch.equal(model(ids), model(ids))


def test_the_same_seed_gives_the_same_weights():
    def weights(seed):
        torch.manual_seed(seed)
        return to_arrays(SequenceModel(factory.small_config(), 3))

    first, second, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["embedder.token.weight"], other["embedder.token.weight"])


def test_weights_of_another_model_are_refused():
    config = factory.small_config()
    model = SequenceModel(config, 3)
    weights = factory.random_weights(config, 3)
    with pytest.raises(ModelError, match=r"head\.bias missing or unknown"):
        load_arrays(model, {name: value for name, value in weights.items() if name != "head.bias"})
    with pytest.raises(ModelError, match=r"head\.weight"):
        load_arrays(model, factory.random_weights(config, 4))
