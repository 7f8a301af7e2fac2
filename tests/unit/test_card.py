"""The generated model card."""

import factory
from embbert.card import base_card, model_card
from embbert.footprint import deployed


def card(metrics=None, labels=("on", "off"), task="classify", pair=False, **changes):
    return model_card(factory.small_config(**changes), task, labels, pair=pair, metrics=metrics or {})


def test_float_and_integer_metrics_stand_side_by_side():
    text = card({"float": {"accuracy": 0.9, "macro_f1": 0.8}, "int8": {"accuracy": 0.875}})
    assert "| metric | float | int8 |" in text
    assert "| accuracy | 0.9000 | 0.8750 |" in text
    assert "| macro_f1 | 0.8000 | – |" in text


def test_everything_else_is_listed_nested():
    text = card({"seed": 3, "rate": 3e-05, "data": {"source": "a.csv", "rows": {"train": 10}}})
    assert "* seed: 3\n* rate: 3e-05\n* data\n  * source: a.csv\n  * rows\n    * train: 10\n" in text
    assert "## Measured" not in text


def test_the_course_of_the_training_is_left_to_the_metrics():
    text = card({"seed": 3, "history": [{"epoch": 1, "score": 0.5}]})
    assert "* seed: 3\n" in text
    assert "history" not in text
    assert "epoch" not in text


def test_bytes_are_those_of_the_footprint():
    sizes = deployed(factory.small_config(), 2)
    text = card()
    assert f"{sizes.constant_bytes:,} bytes of constants" in text
    assert f"an arena of {sizes.arena_bytes:,} bytes" in text


def test_labels_cannot_break_the_page():
    text = card(labels=("a|b", "`code`", "two\nlines"))
    assert "`a\\|b`, `'code'`, `two lines`" in text


def test_a_long_list_of_labels_is_cut():
    text = card(labels=[f"c{i}" for i in range(150)])
    assert "`c99` and 50 more" in text
    assert "c100" not in text


def test_regression_and_pairs_are_described_as_what_they_are():
    text = card(labels=(), task="regress", pair=True)
    assert "maps two texts to a number" in text
    assert "## Labels" not in text
    assert "softmax" not in text
    assert "maps a text to one of 2 labels" in card()


BASE = {
    "validation": {"loss": 4.25, "perplexity": 70.1054, "accuracy": 0.275},
    "tokens": 150_000_000,
    "corpus": {"sources": [{"source": "a|b.txt", "bytes": 12}, {"source": "c", "files": 3}]},
    "protocol": {"pairs": False, "learning_rate": 0.004},
    "history": [{"step": 1, "loss": 9.0}],
}


def test_a_base_tells_what_it_learned_from_and_how_well():
    config = factory.small_config()
    text = base_card(config, BASE, curve=True)
    assert "learned by masked-language modelling on 150.0 million tokens" in text
    assert "| loss | 4.2500 |\n| perplexity | 70.1054 |\n| accuracy | 0.2750 |" in text
    assert "* corpus\n  * sources\n    * source a\\|b.txt, bytes 12\n    * source c, files 3\n" in text
    assert "* protocol\n  * pairs: False\n  * learning_rate: 0.004\n" in text
    assert f"{config.parameter_count:,} parameters, {4 * config.parameter_count:,} bytes" in text
    assert "![Loss over tokens](curve.png)" in text
    assert "history" not in text


def test_a_base_made_from_a_base_tells_of_both_trainings():
    then = {**BASE, "tokens": 80_000_000, "protocol": {"pairs": True}, "base": {"name": "b", **BASE}}
    text = base_card(factory.small_config(), then, curve=False)
    assert (
        "learned by masked-language modelling on 150.0 million tokens of text, then by masked-language "
        "modelling and next-sentence prediction on 80.0 million tokens of text, and says"
    ) in text
    unknown = base_card(factory.small_config(), {**then, "base": {"name": "b"}}, curve=False)
    assert "learned by masked-language modelling and next-sentence prediction on 80.0" in unknown


def test_a_base_tells_of_pairs_and_of_a_curve_only_where_they_are():
    text = base_card(factory.small_config(), {**BASE, "protocol": {"pairs": True}}, curve=False)
    assert "masked-language modelling and next-sentence prediction on" in text
    assert "curve.png" not in text


def test_ngrams_beside_tokens_are_told():
    text = card(ngrams=1500, max_ngrams=70)
    assert "maps a text to one of 2 labels, with the weights of n-grams added. It runs" in text
    assert "Beside them 1,500 n-grams, 3,000 parameters. Deployed at 24 tokens and 70 known n-grams: " in text
    assert "* Only the first 24 tokens and 70 known n-grams of an input are read." in text
    assert "n-grams" not in card()
