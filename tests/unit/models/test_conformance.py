"""What every architecture promises, whatever its head: one battery for all of them.

`zoo.SMALL` has a small model of each; a new architecture joins by joining it.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import pretraining
import zoo
from embbert.config import (
    PRESETS,
    BertConfig,
    EfficientConfig,
    EmbbertConfig,
    EmbedderConfig,
    MambaConfig,
)
from embbert.errors import ModelError
from embbert.models.backbone import decays
from embbert.models.heads import SequenceModel, load_arrays, pool, to_arrays
from embbert.models.pretraining import PretrainingModel
from embbert.models.registry import BACKBONES, backbone
from embbert.shape import backbone_shapes, weight_shapes
from embbert.train.pretraining import loop
from embbert.train.pretraining.job import PretrainJob

OUTPUTS = {"classes": 3, "regression": 1}
PARAMETERS = {
    "nano": 65_856,
    "tiny": 146_048,
    "embbert": 357_248,
    "med": 1_834_752,
    "big": 7_306_752,
    "bert": 288_720,
    "nanobert": 269_898,
    "nano-embedder": 291_776,
    "nano-embedder-conv": 297_216,
    "bert-efficient": 322_560,
    "nanobert-efficient": 364_772,
    "mamba": 219_968,
    "bert-tiny": 4_369_280,
}
"""The paper's, and of BERT-Tiny the shape's: (30522 + 512 + 3)·128 and two layers of 198,272."""

each = pytest.mark.parametrize("name", zoo.SMALL)
each_pooled = pytest.mark.parametrize("name", zoo.POOLED)
each_head = pytest.mark.parametrize("head", OUTPUTS)
each_tied = pytest.mark.parametrize("tied", [False, True], ids=["full", "tied"])


def build(name, head="classes", *, seed=0, dropout=0.0, training=False):
    """A model of which nothing is as it starts, so that nothing passes because it is zero or one."""
    torch.manual_seed(seed)
    model = SequenceModel(zoo.POOLED[name], OUTPUTS[head], dropout)
    return stirred(model).train(training)


def stirred(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
            if name.endswith(("token.weight", "segment.weight")):
                parameter[0] = 0.0
    return model


def batch(rows):
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


def test_every_architecture_takes_part():
    assert {type(config) for config in zoo.SMALL.values()} == set(BACKBONES)
    assert {type(config) for config in PRESETS.values()} == set(BACKBONES)
    scales = {"nano", "tiny", "med", "big", "bert-tiny"}  # sizes of one that is here
    assert set(PRESETS) - scales <= set(zoo.SMALL)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_papers_parameters(name):
    assert sum(value.numel() for value in backbone(PRESETS[name]).parameters()) == PARAMETERS[name]
    assert PRESETS[name].parameter_count == PARAMETERS[name]


@each
def test_weights_have_the_names_and_shapes_that_are_stored(name):
    config = zoo.SMALL[name]
    model = backbone(config)
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == backbone_shapes(config)
    assert sum(value.numel() for value in model.parameters()) == config.parameter_count
    stored = to_arrays(SequenceModel(config, 3))
    assert {name: value.shape for name, value in stored.items()} == weight_shapes(config, 3)


# EmbBERT has its own such test, against the model that the quantiser measures.
@pytest.mark.parametrize("name", [name for name in zoo.POOLED if not name.startswith("embbert")])
@pytest.mark.parametrize("training", [False, True])
@each_head
def test_it_computes_what_is_written_out_in_numpy(name, head, training):
    model = build(name, head, training=training)
    weights = to_arrays(model)
    for seed, length in enumerate([1, 2, 9, 50]):
        ids = zoo.random_ids(seed, length, pair=True)
        rows = zoo.forward(zoo.POOLED[name], weights, ids)
        expected = weights["head.weight"] @ zoo.pooled(rows, model.pooling) + weights["head.bias"]
        with torch.no_grad():
            logits = model(torch.tensor([ids]))[0].numpy()
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=2e-5 * max(1.0, np.abs(rows).max()))


@each_pooled
@each_head
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
def test_padding_and_batch_never_change_an_answer_nor_its_gradient(name, head, training, pairs):
    model = build(name, head, training=training)
    rows = [zoo.random_ids(seed, length, pair=pairs) for seed, length in enumerate([1, 2, 7, 24, 50, 64])]

    def answer(ids, row):
        """Logits and gradient of one text among others."""
        model.zero_grad()
        logits = model(ids)[row]
        logits.sum().backward()
        return logits.detach(), torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    for number in (1, 3):
        alone = answer(torch.tensor([rows[number]]), 0)
        together = answer(batch(rows), number)
        few = answer(batch(rows[: number + 2]), number)
        for one in (together, few):
            for value, expected in zip(one, alone, strict=True):
                # Sums in another order: some roundings of 2⁻²⁴ of the largest term.
                assert (value - expected).abs().max() <= 2e-5 * max(1.0, float(expected.abs().max()))


@each
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("length", [1, 33, 64])
def test_full_rows_need_no_mask(name, training, length):
    torch.manual_seed(0)
    model = stirred(backbone(zoo.SMALL[name])).train(training)
    ids = torch.tensor([zoo.random_ids(seed, length, pair=True) for seed in range(3)])
    with torch.no_grad():
        plain, masked = model(ids, padded=False), model(ids, padded=True)
    assert (plain - masked).abs().max() <= 1e-5 * max(1.0, float(plain.abs().max()))


@each_pooled
@each_head
def test_saved_weights_make_the_same_model(name, head):
    model, other = build(name, head), build(name, head, seed=1)
    ids = batch([zoo.random_ids(seed, length, pair=True) for seed, length in enumerate([3, 40])])
    with torch.no_grad():
        assert not torch.equal(model(ids), other(ids))
        load_arrays(other, to_arrays(model))
        assert torch.equal(model(ids), other(ids))
    weights = to_arrays(model)
    weights.pop("embedder.segment.weight")
    with pytest.raises(ModelError, match=r"embedder\.segment\.weight missing"):
        load_arrays(other, weights)


def learn(name, head, pairs):
    """Loss before and after some steps on a few texts that have to be told apart, and what was learned."""
    torch.manual_seed(0)
    model = SequenceModel(zoo.POOLED[name], OUTPUTS[head], 0.0).train()
    ids = batch([zoo.random_ids(seed, 6 + seed, pair=pairs) for seed in range(8)])
    targets = torch.arange(8) % 3
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        logits = model(ids)
        if head == "classes":
            loss = functional.cross_entropy(logits, targets)
        else:
            loss = functional.mse_loss(logits[:, 0], targets.float())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[0], losses[-1], to_arrays(model)


@each_pooled
@pytest.mark.parametrize(("head", "pairs"), [("classes", False), ("regression", False), ("classes", True)])
def test_training_lowers_the_loss(name, head, pairs):
    before, after, _ = learn(name, head, pairs)
    assert after < 0.8 * before


@each
def test_the_same_seed_learns_the_same(name):
    pooled = next(pooled for pooled in zoo.POOLED if pooled.startswith(f"{name} "))
    first, second = (learn(pooled, "classes", pairs=False)[2] for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    torch.manual_seed(1)
    other = to_arrays(SequenceModel(zoo.POOLED[pooled], 3))
    assert not np.array_equal(first["embedder.token.weight"], other["embedder.token.weight"])


@each_tied
@each
def test_pretraining_lowers_the_loss(name, tied, monkeypatch):
    monkeypatch.setattr(loop, "POINTS", 4)  # measuring takes longer than the few steps
    config = replace(pretraining.QUICK, tied=tied, pairs=tied, long_share=0.0, learning_rate=2e-2)
    job = PretrainJob(zoo.SMALL[name], config, pretraining.stream(), pretraining.stream(2000, seed=1))
    trained = loop.pretrain_model(job, pretraining.Recorder(), compiled=False)
    first, last = trained.history[0], trained.history[-1]
    # The embedders see nothing but the token that is hidden: how often each occurs is all they can learn.
    assert last.validation_loss < first.validation_loss - 0.1
    assert trained.weights.keys() == backbone_shapes(zoo.SMALL[name]).keys()
    assert (trained.head is not None) == tied


@each
def test_whether_texts_follow_each_other_is_told_by_what_has_seen_both(name):
    torch.manual_seed(0)
    model = stirred(PretrainingModel(zoo.SMALL[name], tied=True, pairs=True)).eval()
    ids = torch.tensor([zoo.random_ids(seed, 20, pair=True) for seed in range(2)])
    ids[1] = ids[0]
    ids[1, 15] = 5 + (ids[0, 15] - 4) % 30  # another word in the second text
    places, labels = torch.tensor([3]), torch.tensor([7])
    with torch.no_grad():
        one, other = (model(ids[[row]], places, labels, torch.tensor([1])).nsp for row in range(2))
    assert abs(one - other) > 1e-6


@each_tied
@each
def test_half_precision_runs_both_ways_and_leads_the_same_way(name, tied):
    ids = torch.tensor([zoo.random_ids(seed, 30, pair=True) for seed in range(4)])
    places = torch.tensor([3, 40, 55, 70, 100, 110])
    labels = ids.flatten()[places] % 35 + 5

    def gradient(narrow):
        torch.manual_seed(0)
        model = stirred(PretrainingModel(zoo.SMALL[name], tied=tied, pairs=True)).train()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            losses = model(ids, places, labels, torch.tensor([0, 1, 1, 0]))
        (losses.mlm + losses.nsp).backward()
        assert all(value.dtype == torch.float32 for value in losses)
        assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())
        return losses, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    losses, full = gradient(narrow=False)
    rounded, half = gradient(narrow=True)
    # Eight bits of mantissa through a few layers: a few percent.
    assert abs(losses.mlm - rounded.mlm) < 0.05 * losses.mlm
    assert abs(losses.nsp - rounded.nsp) < 0.05 + 0.05 * losses.nsp
    assert functional.cosine_similarity(full, half, dim=0) > 0.98


@each
def test_every_parameter_learns(name):
    torch.manual_seed(0)
    model = stirred(PretrainingModel(zoo.SMALL[name], tied=True, pairs=True)).train()
    ids = torch.tensor([zoo.random_ids(seed, 30, pair=True) for seed in range(4)])
    losses = model(ids, torch.tensor([3, 40, 70]), torch.tensor([7, 8, 9]), torch.tensor([0, 1, 1, 0]))
    (losses.mlm + losses.nsp).backward()
    idle = [name for name, parameter in model.named_parameters() if not parameter.grad.any()]
    # A key's bias adds the same to all scores of a query, which the softmax does not see.
    assert all(name.endswith("key.bias") for name in idle)


@each
def test_dropout_acts_while_training_only(name):
    torch.manual_seed(0)
    model = stirred(backbone(zoo.SMALL[name], 0.5)).train()
    ids = torch.tensor([zoo.random_ids(0, 20)])
    with torch.no_grad():
        assert not torch.equal(model(ids), model(ids))
        model.eval()
        assert torch.equal(model(ids), model(ids))
        sure = backbone(zoo.SMALL[name], 0.0).train()
        assert torch.equal(sure(ids), sure(ids))


@each
def test_weights_decay_but_neither_norms_nor_biases_nor_decay_rates(name):
    model = backbone(zoo.SMALL[name])
    kept = {name.rpartition(".")[2] for name, value in model.named_parameters() if decays(name, value)}
    left = {name for name, value in model.named_parameters() if not decays(name, value)}
    assert kept == {"weight"}
    assert not any("norm" in name for name in set(dict(model.named_parameters())) - left)
    assert all(name.endswith(".A_log") for name in left if model.get_parameter(name).ndim > 1)


class Live(TorchDispatchMode):
    """Adds up what the tensors that operators make occupy at once; `peak` in numbers of four bytes."""

    def __init__(self):
        super().__init__()
        self.peak, self.storages = 0.0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        given = {self._key(value) for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)}
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and self._key(value) not in given:  # no view of an input
                storage = value.untyped_storage()
                self.storages[self._key(value)] = StorageWeakRef(storage), storage.nbytes()
        self.storages = {key: kept for key, kept in self.storages.items() if not kept[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.storages.values()) / 4)
        return result

    @staticmethod
    def _key(value):
        return StorageWeakRef(value.untyped_storage()).cdata


ACTIVATIONS = {
    # The formula counts the scores once; PyTorch keeps them while it writes the softmax, and makes scaled
    # copies of the queries and the keys.
    EmbbertConfig: (1.9, 2.1),
    EfficientConfig: (1.9, 2.1),
    # The formula counts the scores of all heads; PyTorch's kernel for several heads never has them all, and
    # the feed-forward part decides: the larger its share, the nearer.
    BertConfig: (0.7, 1.05),
    # Vectors of tokens, positions and segments beside their sum, where two would do.
    EmbedderConfig: (1.9, 2.1),
    # Decay, input and state of every state, of which the formula counts two: the third could be in place.
    MambaConfig: (1.5, 1.7),
}
"""Live numbers of a forward pass over one full text, as a share of the paper's count: between these."""


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in ("med", "big")])
def test_activations_are_about_as_many_as_the_paper_counts(name):
    config = PRESETS[name]
    model = backbone(config).eval()
    ids = torch.randint(5, config.vocab_size, (1, config.max_length))
    with torch.no_grad(), Live() as live:
        model(ids, padded=False)
    least, most = ACTIVATIONS[type(config)]
    assert least <= live.peak / config.activation_count <= most


def test_pooling_reads_real_tokens():
    rows = torch.tensor([[[1.0, -2.0], [3.0, 2.0], [5.0, 9.0]], [[3.0, 4.0], [7.0, 7.0], [7.0, 7.0]]])
    ids = torch.tensor([[2, 7, 8], [2, 0, 0]])
    assert pool(rows, ids, "cls").tolist() == [[1, -2], [3, 4]]
    assert pool(rows, ids, "mean").tolist() == [[3, 3], [3, 4]]
    squares = torch.tensor([[35 / 3, 89 / 3], [9, 16]])
    torch.testing.assert_close(pool(rows, ids, "rms"), squares.sqrt(), rtol=1e-6, atol=0)


def test_the_gradient_of_a_root_of_nothing_is_nothing():
    rows = torch.zeros(1, 3, 2, requires_grad=True)
    pool(rows, torch.tensor([[2, 7, 0]]), "rms").sum().backward()
    assert torch.equal(rows.grad, torch.zeros(1, 3, 2))


def test_steps_of_a_new_scan_are_short_and_its_decays_differ():
    torch.manual_seed(0)
    layer = backbone(zoo.SMALL["mamba"]).layers[0]
    steps = functional.softplus(layer.dt_proj.bias.detach())
    assert 0.999e-3 <= steps.min() < 0.02 < steps.max() <= 0.1001
    torch.testing.assert_close(layer.A_log.exp(), torch.tensor([1.0, 2, 3]).repeat(12, 1))


def test_heads_of_bert_see_their_own_part_of_query_and_key():
    torch.manual_seed(0)
    model = backbone(zoo.SMALL["bert"]).eval()
    layer = model.layers[0]
    ids = torch.tensor([zoo.random_ids(0, 9)])
    read = partial(functional.linear, bias=torch.zeros(12))
    with torch.no_grad():
        layer.out.weight.copy_(torch.eye(12))
        layer.value.weight.copy_(torch.eye(12))
        layer.query.weight[:6] = 0.0  # the first head attends to all alike
        rows = []
        layer.attention_norm.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0]))
        model(ids)
        x = model.embedder(ids)
        mean = read(x, layer.value.weight).mean(1, keepdim=True)
        change = rows[0] - x
    torch.testing.assert_close(change[..., :6], mean.expand(1, 9, 12)[..., :6])
    assert not torch.allclose(change[..., 6:], mean.expand(1, 9, 12)[..., 6:], rtol=1e-4, atol=0)
