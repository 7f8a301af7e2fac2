"""Architectures as data: weights, tensors, and the order in which they are written and read."""

import pytest

import factory
from embbert.blueprint import backbone_shapes, blueprint, steps
from embbert.config import ARCHITECTURES
from embbert.errors import UsageError
from embbert.shape import weight_shapes

CONFIGS = {
    "embbert": factory.small_config(),
    "residual": factory.small_config(residual=True, pooling="mean"),
    "one layer": factory.small_config(num_layers=1),
    "n-grams": factory.small_config(ngrams=30, max_ngrams=9),
    **factory.BASELINES,
}


def reads(step):
    """The tensors that a step reads."""
    if isinstance(step, steps.Attend):
        return [step.query, step.keys, step.values]
    if isinstance(step, steps.Embed | steps.Bag):
        return []
    adds = isinstance(step, steps.Add) or getattr(step, "accumulate", False)
    return [step.source, *([step.out] if adds else [])]


def test_every_architecture_is_tried_here():
    tried = {config.architecture for config in CONFIGS.values()} | {factory.MAMBA.architecture}
    assert tried >= ARCHITECTURES.keys() - {"linear"}


@pytest.mark.parametrize("name", CONFIGS)
def test_names_are_unique_and_every_tensor_is_written_and_read(name):
    drawn = blueprint(CONFIGS[name], 3)
    assert len({stage.name for stage in drawn.stages}) == len(drawn.stages)
    written, read = set(), set()
    for stage in drawn.stages:
        assert len({step.name for step in stage.steps}) == len(stage.steps)
        for step in stage.steps:
            assert set(reads(step)) <= written
            read |= set(reads(step))
            written.add(step.out)
    assert written == set(drawn.tensors)
    assert read | {"logits"} == set(drawn.tensors)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_weight_is_used_and_exists(name):
    config, used = CONFIGS[name], set()
    for stage in blueprint(config, 3).stages:
        for step in stage.steps:
            if isinstance(step, steps.Embed):
                used |= {weight for weight in backbone_shapes(config) if weight.startswith("embedder.")}
            elif isinstance(step, steps.Norm):
                used |= {f"{step.weight}.weight", *([f"{step.weight}.bias"] if step.centred else [])}
            elif isinstance(step, steps.Linear):
                used |= {f"{step.weight}.weight", f"{step.weight}.bias"}
                used |= {step.gain.first, step.gain.second} if step.gain else set()
            elif isinstance(step, steps.Conv):
                used |= {f"{step.weight}.weight", f"{step.weight}.bias"}
            elif isinstance(step, steps.Bag):
                used.add(f"{step.weight}.weight")
    assert used == weight_shapes(config, 3).keys()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_scale_is_decided_by_something_that_is_seen(name):
    every = [step for stage in blueprint(CONFIGS[name], 3).stages for step in stage.steps]
    seen = {step.seen for step in every} | {step.inner for step in every if isinstance(step, steps.Conv)}
    for step in every:
        if step.out not in ("pooled", "logits", "known"):
            assert set(step.deciding) <= seen - {""}


@pytest.mark.parametrize("name", CONFIGS)
def test_parts_of_a_sum_count_for_its_scale(name):
    drawn = blueprint(CONFIGS[name], 3)
    for step in (step for stage in drawn.stages for step in stage.steps):
        if drawn.tensors[step.out].dtype == "int16" and step.out != "pooled":
            assert step.seen in step.deciding, step.name


def test_mamba_has_weights_and_no_operators():
    assert "layers.1.A_log" in backbone_shapes(factory.MAMBA)
    with pytest.raises(UsageError, match="mamba runs in float only"):
        blueprint(factory.MAMBA, 2)
