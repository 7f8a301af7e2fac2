"""Shapes, presets and settings."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factory
from embbert.config import (
    PRESETS,
    EmbbertConfig,
    PretrainConfig,
    TrainConfig,
    from_mapping,
    preset,
    to_mapping,
)
from embbert.errors import UsageError
from embbert.store import weight_shapes


@given(
    v=st.integers(6, 400),
    length=st.integers(4, 300),
    d=st.integers(1, 80),
    r=st.integers(1, 20),
    e=st.integers(1, 3),
    k=st.integers(1, 40),
    n=st.integers(1, 5),
    residual=st.booleans(),
)
def test_parameter_count_is_the_sum_over_the_tensors_without_the_head(v, length, d, r, e, k, n, residual):
    config = EmbbertConfig(v, length, d, r, expansion=e, kernel_size=k, num_layers=n, residual=residual)
    shapes = weight_shapes(config, 3)
    assert shapes.pop("head.weight") == (3, d)
    assert shapes.pop("head.bias") == (3,)
    count = 0
    for shape in shapes.values():
        size = 1
        for side in shape:
            size *= side
        count += size
    assert config.parameter_count == count


@pytest.mark.parametrize(
    ("kernel", "causal", "left"), [(32, True, 31), (32, False, 15), (5, False, 2), (1, True, 0)]
)
def test_where_the_kernel_starts(kernel, causal, left):
    assert factory.small_config(kernel_size=kernel, causal_conv=causal).conv_left == left


def test_mapping_round_trip():
    for config in (*PRESETS.values(), TrainConfig(seed=4), PretrainConfig(pairs=True)):
        assert from_mapping(type(config), to_mapping(config)) == config


def test_unknown_key_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"'hiden_size' \(did you mean 'hidden_size'\?\)"):
        from_mapping(EmbbertConfig, {"hiden_size": 3})
    with pytest.raises(UsageError, match=r"'zzz'$"):
        from_mapping(TrainConfig, {"zzz": 3})


def test_unknown_preset_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"'embert' \(did you mean 'embbert'\?\); there are nano, tiny"):
        preset("embert")


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("vocab_size", 5, "between 6 and 65536, not 5"),
        ("max_length", 3, "between 4 and 65536"),
        ("hidden_size", 0, "between 1 and"),
        ("num_layers", 65537, "between 1 and"),
        ("hidden_size", 1.5, "whole number"),
        ("hidden_size", True, "whole number"),
        ("hidden_size", "128", "whole number"),
        ("residual", 1, "true or false"),
        ("pooling", "max", "'cls' or 'mean'"),
        ("norm_epsilon", 1.0, "norm_epsilon"),
        ("norm_epsilon", float("nan"), "norm_epsilon"),
    ],
)
def test_impossible_shapes_are_refused_by_name(field, value, complaint):
    with pytest.raises(UsageError, match=complaint) as caught:
        EmbbertConfig(**{field: value})
    assert field in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("patience", 0),
        ("batch_size", 0),
        ("dropout", 1.0),
        ("label_smoothing", -0.1),
        ("score", "f1"),
        ("warmup_steps", -1),
        ("seed", -1),
        ("seed", 1 << 63),
        ("token_dropout", 1.0),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("max_grad_norm", 0.0),
        ("weight_decay", -1.0),
        ("base_rate", 0.0),
        ("base_rate", 1.1),
        ("layer_decay", 0.0),
        ("layer_decay", float("nan")),
    ],
)
def test_settings_that_cannot_train_are_refused_by_name(field, value):
    with pytest.raises(UsageError, match=field):
        TrainConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokens", 0),
        ("max_seconds", -1),
        ("length", 7),
        ("batch_tokens", 7),
        ("micro_tokens", 7),
        ("long_share", 1.1),
        ("long_share", float("nan")),
        ("final_rate", -0.1),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("warmup_steps", -1),
        ("weight_decay", -1.0),
        ("beta2", 1.0),
        ("dropout", 1.0),
        ("max_grad_norm", 0.0),
        ("mask_share", 0.0),
        ("mask_share", 0.6),
        ("seed", -1),
        ("seed", 1 << 63),
    ],
)
def test_settings_that_cannot_pretrain_are_refused_by_name(field, value):
    with pytest.raises(UsageError, match=f"^{field} must"):
        PretrainConfig(**{field: value})


def test_the_least_and_the_most_of_pretraining_can_be():
    PretrainConfig(tokens=1, length=8, batch_tokens=8, micro_tokens=8, long_share=0.0, warmup_steps=0)
    PretrainConfig(long_share=1.0, final_rate=1.0, mask_share=0.5, weight_decay=0.0, beta2=0.0)


def test_configs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EmbbertConfig().hidden_size = 3


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ngrams": 5}, "ngrams and max_ngrams must both be 0 or neither, not 5 and 0"),
        ({"max_ngrams": 5}, "must both be 0 or neither, not 0 and 5"),
        ({"ngrams": -1, "max_ngrams": 5}, "ngrams must be between 0 and 65536, not -1"),
        ({"ngrams": 5.0, "max_ngrams": 5}, "ngrams must be a whole number"),
        ({"ngrams": 5, "max_ngrams": 65536}, "max_ngrams must be at most 65535, not 65536"),
        ({"ngrams": 65536, "max_ngrams": 5}, "ngrams must be at most 65535, not 65536"),
        ({"ngrams": 57345, "max_ngrams": 5}, "at most 65536, not 8192 \\+ 57345"),
    ],
)
def test_ngrams_beside_tokens_must_be_possible(changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        EmbbertConfig(**changes)


def test_ngrams_beside_tokens_are_told_of_where_there_are_some():
    config = EmbbertConfig(ngrams=57344, max_ngrams=65535)
    plain = EmbbertConfig()
    assert to_mapping(config) == {**to_mapping(plain), "ngrams": 57344, "max_ngrams": 65535}
    assert to_mapping(config).keys() - to_mapping(plain).keys() == {"ngrams", "max_ngrams"}
    assert from_mapping(EmbbertConfig, to_mapping(config)) == config
    assert config.parameter_count == plain.parameter_count
    assert weight_shapes(config, 7) == {**weight_shapes(plain, 7), "ngrams.weight": (7, 57344)}


def test_what_runs_in_float_only_has_no_ngrams():
    with pytest.raises(UsageError, match="mamba runs in float only: it cannot have n-grams"):
        dataclasses.replace(factory.MAMBA, ngrams=3, max_ngrams=3)
