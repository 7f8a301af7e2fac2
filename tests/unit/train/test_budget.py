"""What models take of a budget, and what a budget pays for."""

import dataclasses

import pytest

import factory
import folders
import linears
from embbert.config import LinearConfig
from embbert.footprint import STACK_BYTES, deployed
from embbert.text.tables import tables_of
from embbert.train.budget import (
    ModelBytes,
    alphabet_bytes,
    folder_bytes,
    joint_bytes,
    linear_bytes,
    longest,
    model_bytes,
    most_ngrams,
    shorter,
    untrained_tables,
)


def stated(folder):
    """What the export says."""
    from embbert.emit.c99 import contents
    from embbert.quant.plan_io import load_plan

    found = contents(folder, load_plan(folder), "model")[1]["bytes"]
    return {name: found[name] for name in ("constants", "tokenizer", "arena", "stack")}


def test_a_linear_model():
    sizes = linear_bytes(LinearConfig(vocab_size=100, max_length=128), 3, 50)
    assert sizes.constants == 3 * 100 + 8 * 3
    assert sizes.tokenizer == 50 + 2 * 100 + 2 * 17
    assert sizes.arena == 2 * 128 + 16
    assert sizes.stack == STACK_BYTES
    assert sizes.total == 324 + 284 + 272 + STACK_BYTES
    assert sizes.as_mapping() == {**dataclasses.asdict(sizes), "total": sizes.total}


@pytest.mark.parametrize("kind", ["tokens", "ngrams"])
def test_a_folder_takes_what_its_export_states(tmp_path, kind):
    make = folders.small_folder if kind == "tokens" else linears.linear_folder
    folder = make(tmp_path / "m")
    sizes = folder_bytes(folder)
    assert {**stated(folder), "total": sum(stated(folder).values())} == sizes.as_mapping()


def test_the_formula_for_ngrams_is_that_of_their_tables():
    tokenizer = linears.tokenizer_of()
    alphabet = alphabet_bytes(tokenizer.characters)
    config = LinearConfig(vocab_size=tokenizer.vocab_size)
    assert linear_bytes(config, 2, alphabet).tokenizer == tables_of(tokenizer).bytes


def test_ngrams_beside_tokens_add_their_weights_and_places():
    config = factory.small_config()
    plain = model_bytes(config, 3, 1000)
    joint = joint_bytes(dataclasses.replace(config, ngrams=100, max_ngrams=64), 3, 1000)
    assert joint.tokenizer - plain.tokenizer == 2 * 100 + 2 * 17
    assert joint.constants - plain.constants == 3 * 100 + 8 * 3
    assert joint.arena - plain.arena >= 2 * 64


@pytest.mark.parametrize("budget", [12_000, 65_536, 10_000_000])
def test_most_ngrams_is_the_most(budget):
    shape, alphabet = LinearConfig(max_length=128), alphabet_bytes("abc")

    def total(count):
        return linear_bytes(dataclasses.replace(shape, vocab_size=count), 3, alphabet).total

    found = most_ngrams(total, budget)
    assert total(found) <= budget
    assert found == 65535 or total(found + 1) > budget
    assert most_ngrams(total, budget, 700) == min(found, 700)


def test_too_few_bytes_pay_for_none():
    assert most_ngrams(lambda count: 10 * count, 60) == 6
    assert most_ngrams(lambda count: 10 * count, 59) is None


def test_a_model_with_room_for_hardly_any_gets_none():
    assert most_ngrams(lambda count: 10 * count, 100, 6) == 6
    assert most_ngrams(pytest.fail, 100, 5) is None


def test_the_longest_that_fits():
    config = factory.small_config(max_length=64)
    totals = {n: model_bytes(dataclasses.replace(config, max_length=n), 3, 77).total for n in (64, 32, 16)}
    for length, total in totals.items():
        assert longest(config, (64, 32, 16), 3, 77, total).max_length == length
    assert longest(config, (64, 32, 16), 3, 77, totals[16] - 1) is None
    assert totals[64] == deployed(config, 3).total + 77 + STACK_BYTES


def test_lengths_fall_from_all_positions():
    assert shorter(256) == [256, 192, 128, 96, 64, 48, 32]
    assert shorter(100) == [100, 96, 64, 48, 32]
    assert shorter(24) == [24]


def test_tables_to_come_are_bounded(tmp_path):
    """Those of a tokenizer that was trained are smaller than what was reckoned with before."""
    for size in (45, 78):
        tokenizer = folders.small_tokenizer(size)
        assert tables_of(tokenizer).bytes <= untrained_tables(size)


def test_bytes_have_the_stack_of_any_call():
    assert ModelBytes(1, 2, 3).total == 6 + STACK_BYTES
