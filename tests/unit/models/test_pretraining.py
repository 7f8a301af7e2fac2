"""The heads of pre-training against sums written out, and what mixed precision may change."""

from functools import partial

import numpy as np
import pytest
import torch

import factory
from embbert.errors import UsageError
from embbert.models.heads import SequenceModel
from embbert.models.pretraining import PretrainingModel

VARIANTS = [
    {"residual": residual, "causal_conv": causal, "expansion": expansion}
    for residual in (False, True)
    for causal in (False, True)
    for expansion in (1, 2)
]
# Pairs are judged at position 0 by a model that will average its rows, too.
VARIANTS.append({"residual": True, "causal_conv": False, "pooling": "mean"})
ROWS, LENGTH = 4, 22
HEADS = pytest.mark.parametrize("tied", [False, True], ids=["full", "tied"])


def build(tied, pairs=False, dropout=0.0, **changes):
    torch.manual_seed(0)
    model = PretrainingModel(factory.small_config(**changes), tied=tied, pairs=pairs, dropout=dropout)
    for parameter in model.parameters():  # nothing may pass because it starts as zero or one
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def batch(vocab_size=37):
    """Full rows of pairs, three hidden tokens each."""
    random = np.random.default_rng(1)
    ids = random.integers(5, vocab_size, (ROWS, LENGTH))
    ids[:, 0], ids[:, [9, LENGTH - 1]] = 2, 4
    columns = np.array([[1, 5, 20], [2, 3, 4], [10, 11, 12], [8, 10, 19]])
    labels = np.take_along_axis(ids, columns, axis=1)
    np.put_along_axis(ids, columns, 3, axis=1)
    places = columns + np.arange(ROWS)[:, None] * LENGTH
    other = torch.tensor([0, 1, 1, 0])
    return torch.from_numpy(ids), torch.from_numpy(places.ravel()), torch.from_numpy(labels.ravel()), other


def naive(logits, labels):
    """Mean negative logarithm of what the softmax gives the labels, and the share that has the most."""
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    at = np.arange(len(labels)), labels
    return -np.log(shares[at]).mean(), (shares.argmax(1) == labels).mean()


@HEADS
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_losses_are_those_of_all_positions_of_which_some_are_looked_up(tied, variant):
    model = build(tied, pairs=True, **variant)
    ids, places, labels, other = batch()
    with torch.no_grad():
        losses = model(ids, places, labels, other)
        rows = model.backbone(ids).double().numpy()
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    if tied:
        narrow = rows @ weights["narrow.weight"].T + weights["narrow.bias"]
        logits = narrow @ weights["backbone.embedder.token.weight"].T + weights["bias"]
    else:
        logits = rows @ weights["scores.weight"].T + weights["scores.bias"]
    mlm, correct = naive(logits.reshape(ROWS * LENGTH, -1)[places.numpy()], labels.numpy())
    judged = rows[:, 0] @ weights["relation.weight"].T + weights["relation.bias"]
    nsp, paired = naive(judged, other.numpy())
    np.testing.assert_allclose([losses.mlm, losses.nsp], [mlm, nsp], rtol=0, atol=2e-5)
    np.testing.assert_allclose([losses.correct, losses.paired], [correct, paired], rtol=0, atol=1e-7)


@HEADS
def test_shares_count_what_scores_highest(tied):
    model = build(tied, pairs=True).eval()
    ids, places, *_ = batch()
    with torch.no_grad():
        rows = model.backbone(ids)
        best = model.token_logits(rows.flatten(0, 1)[places]).argmax(1)
        judged = model.relation(rows[:, 0]).argmax(1)
        right = model(ids, places, best, judged)
        best[:3] = (best[:3] + 1) % 37
        judged[0] = 1 - judged[0]
        partly = model(ids, places, best, judged)
    assert (right.correct, right.paired) == (1.0, 1.0)
    assert (partly.correct, partly.paired) == (0.75, 0.75)


@HEADS
def test_without_pairs_the_second_loss_is_nothing(tied):
    ids, places, labels, other = batch()
    for model, argument in [(build(tied), other), (build(tied, pairs=True), None), (build(tied), None)]:
        losses = model(ids, places, labels, argument)
        assert (losses.nsp, losses.paired) == (0.0, 0.0)
        assert losses.mlm > 0


def test_the_heads_have_the_parameters_of_the_formula():
    config = factory.small_config()
    d, r, v = config.hidden_size, config.embedding_size, config.vocab_size
    sizes = {
        (tied, pairs): sum(value.numel() for value in build(tied, pairs=pairs).parameters())
        for tied in (False, True)
        for pairs in (False, True)
    }
    assert sizes[True, False] == config.parameter_count + r * (d + 1) + v
    assert sizes[False, False] == config.parameter_count + v * (d + 1)
    assert all(sizes[tied, True] == sizes[tied, False] + 2 * (d + 1) for tied in (False, True))


@HEADS
@pytest.mark.parametrize("pairs", [False, True])
def test_every_parameter_learns(tied, pairs):
    model = build(tied, pairs=pairs)
    losses = model(*batch())
    (losses.mlm + losses.nsp).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_a_tied_head_teaches_tokens_that_the_text_does_not_have():
    ids, places, labels, _ = batch(vocab_size=30)
    taught = {}
    for tied in (False, True):
        model = build(tied)
        model(ids, places, labels).mlm.backward()
        taught[tied] = model.backbone.embedder.token.weight.grad[30:].abs().sum(1)
    assert not taught[False].any()
    assert taught[True].all()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("length", [1, 22, 64, 65, 100])
def test_full_rows_need_no_mask(variant, training, length):
    config = factory.small_config(max_length=100, **variant)
    torch.manual_seed(0)
    backbone = PretrainingModel(config, tied=True, pairs=False).backbone.train(training)
    ids = torch.tensor([factory.random_ids(config, seed, length, pair=True) for seed in range(3)])
    with torch.no_grad():
        difference = backbone(ids, padded=False) - backbone(ids, padded=True)
    assert difference.abs().max() <= 1e-5


@HEADS
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_half_precision_runs_both_ways_and_leads_the_same_way(tied, dropout, variant):
    def gradient(narrow):
        model = build(tied, pairs=True, dropout=dropout, **variant)
        torch.manual_seed(5)
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            losses = model(*batch())
        (losses.mlm + losses.nsp).backward()
        assert all(value.dtype == torch.float32 for value in losses)
        assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())
        return losses, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    losses, full = gradient(narrow=False)
    rounded, half = gradient(narrow=True)
    # Eight bits of mantissa through two layers: a few percent; another dropout mask would be far off.
    assert abs(losses.mlm - rounded.mlm) < 0.05 * losses.mlm
    assert abs(losses.nsp - rounded.nsp) < 0.1
    assert torch.nn.functional.cosine_similarity(full, half, dim=0) > 0.98


def test_ngrams_are_neither_pretrained_nor_trained():
    config = factory.small_config(ngrams=9, max_ngrams=3)
    for network in (partial(PretrainingModel, tied=True, pairs=False), partial(SequenceModel, outputs=2)):
        with pytest.raises(UsageError, match="a network reads tokens only"):
            network(config)
