"""Bytes and work by formula: the published numbers, and agreement with plans and with the reference."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
from embbert import footprint
from embbert.config import preset
from embbert.errors import UsageError
from embbert.quant import spec

WIDTH = {"int8": 1, "int16": 2, "int32": 4}
SHAPES = [
    {},
    {"residual": True},
    {"pooling": "mean"},
    {"residual": True, "pooling": "mean", "expansion": 2},
    {"num_layers": 1},
    {"num_layers": 3, "hidden_size": 9, "causal_conv": False},
]
NGRAMS = [
    factory.small_config(ngrams=50, max_ngrams=7),
    dataclasses.replace(factory.BASELINES["nano-embedder"], ngrams=9, max_ngrams=101),
]
CONFIGS = [*NGRAMS, *(factory.small_config(**changes) for changes in SHAPES), *factory.BASELINES.values()]


@pytest.mark.parametrize(
    ("name", "total"),
    [("nano", 656_640), ("tiny", 1_108_480), ("embbert", 1_953_280), ("med", 9_960_448), ("big", 39_712_768)],
)
def test_float_totals_of_the_family(name, total):
    assert footprint.paper(preset(name)).total == total


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("bert", 2_006_848),
        ("nanobert", 1_972_520),
        ("nano-embedder", 1_822_464),
        ("nano-embedder-conv", 1_844_224),
        ("bert-efficient", 1_724_416),
        ("nanobert-efficient", 1_983_376),
        ("mamba", 1_862_912),
    ],
)
def test_float_totals_of_the_baselines(name, total):
    assert footprint.paper(preset(name)).total == total


def test_what_runs_in_float_only_is_not_deployed():
    with pytest.raises(UsageError, match="mamba runs in float only"):
        footprint.deployed(factory.MAMBA, 2)


def test_the_781_kb_of_the_default_model():
    paper = footprint.paper(preset("embbert"))
    assert paper.quantized_total == 781_056
    assert (paper.weights, paper.activations) == (1_428_992, 524_288)


@pytest.mark.parametrize(
    ("name", "total"), [("nano", 333_504), ("tiny", 514_368), ("embbert", 887_616), ("big", 14_271_552)]
)
def test_published_8_bit_totals_that_include_adapters(name, total):
    assert footprint.paper(preset(name)).adapted_total == total


@pytest.mark.parametrize("config", CONFIGS)
def test_constants_are_those_of_the_plan(config):
    plan = factory.random_plan(config, classes=5)
    found = {}
    for stage in plan.stages:
        for op in stage.ops:
            size = sum(value.nbytes for value in vars(op).values() if isinstance(value, np.ndarray))
            if size:
                found[f"{stage.name}.{op.name}"] = size
    assert list(found.items()) == list(footprint.deployed(config, 5).constants.items())


@pytest.mark.parametrize("config", CONFIGS)
def test_arena_is_ids_then_the_tensors_of_the_plan_then_the_workspace(config):
    plan = factory.random_plan(config, classes=5)
    rows = {"text": config.max_length, "pass": footprint.ROWS_PER_PASS, "one": 1}
    expected = {"ids": 2 * (config.max_length + config.max_ngrams)}
    expected |= {t.name: rows[t.span] * t.cols * WIDTH[t.dtype] for t in plan.tensors}
    if config.layer_count:  # and so attention
        expected["scores"] = footprint.ROWS_PER_PASS * config.max_length * 4
    expected["sums"] = config.hidden_size * 4
    arena = footprint.deployed(config, 5).arena
    assert list(arena) == list(expected)
    for name, size in expected.items():
        assert arena[name] % 8 == 0
        assert 0 <= arena[name] - size < 8


@pytest.mark.parametrize(
    ("residual", "length", "arena"),
    [(False, 256, 80_000), (False, 64, 28_000), (True, 256, 112_000), (True, 64, 36_000)],
)
def test_budgets_of_the_default_model_with_32_classes(residual, length, arena):
    config = dataclasses.replace(preset("embbert"), residual=residual)
    deployed = footprint.deployed(config, 32, length)
    assert deployed.constant_bytes <= 390_000
    assert deployed.arena_bytes <= arena
    assert deployed.total == deployed.constant_bytes + deployed.arena_bytes


def test_a_shorter_deployment_drops_positions_and_buffers_only():
    config = factory.small_config(residual=True)
    full, short = footprint.deployed(config, 3), footprint.deployed(config, 3, 8)
    dropped = config.max_length - 8
    assert full.constant_bytes - short.constant_bytes == dropped * config.embedding_size
    # ids, the int16 stream, the int8 buffer and four rows of int32 scores shrink; all are multiples of 8 here
    assert full.arena_bytes - short.arena_bytes == dropped * (2 + 3 * config.hidden_size + 4 * 4)


@pytest.mark.parametrize(("classes", "length"), [(0, None), (2, 3), (2, 25), (-1, 8)])
def test_impossible_deployments_are_refused(classes, length):
    with pytest.raises(UsageError):
        footprint.deployed(factory.small_config(), classes, length)


def test_a_shorter_deployment_leaves_the_ngrams_as_they_are():
    full, short = (footprint.deployed(NGRAMS[1], 3, length) for length in (None, 8))
    assert full.constants["head.weigh"] == short.constants["head.weigh"] == 9 * 3 + 2 * 4 * 3
    assert (full.arena["ids"], short.arena["ids"]) == (256, 224)  # of 24 + 101, of 8 + 101


def test_known_ngrams_are_added_up():
    plain = dataclasses.replace(NGRAMS[0], ngrams=0, max_ngrams=0)
    without = footprint.macs(plain, 4, 9)
    assert footprint.macs(NGRAMS[0], 4, 9, 5) == without + 5 * 4
    assert footprint.macs(NGRAMS[0], 4, 9) == without + 7 * 4  # the most
    assert footprint.paper(NGRAMS[0]) == footprint.paper(plain)


def _count(config, classes, tokens):
    """Multiply-accumulates, counted one operator at a time from the definitions."""
    d, r, e, k = config.hidden_size, config.embedding_size, config.expansion, config.kernel_size
    total = 0
    for _ in range(tokens):
        total += d * r + d * r
    for layer in range(config.num_layers):
        last = layer == config.num_layers - 1
        for t in range(1 if last and config.pooling == "cls" else tokens):
            total += d * d  # query
            for _ in range(tokens):
                total += d + d  # score and mix
            total += d * d  # out
            for tap in range(k):
                if 0 <= t - config.conv_left + tap < tokens:
                    total += d * e
            total += d * d * e  # contract
    return total + classes * d


@settings(max_examples=60)
@given(
    tokens=st.integers(1, 24),
    kernel=st.integers(1, 30),
    expansion=st.integers(1, 2),
    causal=st.booleans(),
    pooling=st.sampled_from(["cls", "mean"]),
    layers=st.integers(1, 3),
)
def test_macs_are_those_of_a_naive_count(tokens, kernel, expansion, causal, pooling, layers):
    config = factory.small_config(
        kernel_size=kernel, expansion=expansion, causal_conv=causal, pooling=pooling, num_layers=layers
    )
    assert footprint.macs(config, 4, tokens) == _count(config, 4, tokens)


@settings(max_examples=60)
@given(name=st.sampled_from(list(factory.BASELINES)), tokens=st.integers(1, 24))
def test_macs_of_the_baselines_are_those_of_their_plans(name, tokens):
    """Summed over the integer operators: products, both halves of attention, taps on existing tokens."""
    plan, total = factory.random_plan(factory.BASELINES[name], classes=4), 0
    for stage in plan.stages:
        rows = tokens if stage.rows == "text" else 1
        for op in stage.ops:
            if isinstance(op, spec.Embed):
                total += rows * (op.token_weight.size + op.position_weight.size)
            elif isinstance(op, spec.Linear):
                total += rows * op.weight.size
            elif isinstance(op, spec.Attend):
                wide = plan.tensor(op.keys).cols + plan.tensor(op.values).cols
                total += rows * tokens * wide
            elif isinstance(op, spec.Conv):
                taps, channels = op.weight.shape
                for t in range(rows):
                    total += channels * sum(0 <= t - op.left + tap < tokens for tap in range(taps))
    assert footprint.macs(factory.BASELINES[name], 4, tokens) == total


def test_as_many_classes_as_the_integer_format_has_columns():
    assert footprint.MAX_CLASSES == spec.MAX_COLS
