"""The fixed texts of the self-test, and the logits that it is to repeat."""

import pytest

import folders
from embbert.emit.golden import TEXTS, goldens
from embbert.quant import reference
from embbert.quant.plan_io import load_plan


@pytest.mark.parametrize("pair", [False, True])
def test_every_text_has_the_reference_s_logits_and_in_a_pair_the_next_text(tmp_path, pair):
    model = folders.small_folder(tmp_path / "m", pair=pair)
    plan = load_plan(model)
    made = goldens(plan, model.tokenizer, pair=pair)
    assert [golden.text for golden in made] == list(TEXTS)
    assert [golden.pair for golden in made] == ([*TEXTS[1:], TEXTS[0]] if pair else [None] * len(TEXTS))
    for golden in made:
        ids = model.tokenizer.encode(golden.text, golden.pair, max_length=plan.max_length)
        assert golden.logits == tuple(reference.run(plan, ids).tolist())


def test_they_cover_nothing_plenty_and_unicode():
    assert "" in TEXTS
    assert max(map(len, TEXTS)) > 250
    assert any(not text.isascii() for text in TEXTS)
