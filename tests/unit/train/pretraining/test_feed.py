"""What each process trains and measures on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from embbert.errors import DataError, UsageError
from embbert.train.pretraining.feed import Feed, check_rows
from pretraining import QUICK, job, of_one_document, stream


def equal(one, other):
    pairs = list(zip(one, other, strict=True))
    return all((a is None and b is None) or torch.equal(a, b) for a, b in pairs)


def rows(feed, step, done=0.0):
    """Ids, labels and pair marks of a step, from all its parts."""
    parts = feed.parts(step, done)
    labels = torch.cat([part.labels.reshape(len(part.ids), -1) for part in parts])
    other = None if parts[0].other is None else torch.cat([part.other for part in parts])
    return torch.cat([part.ids for part in parts]), labels, other


@pytest.mark.parametrize("config", [QUICK, replace(QUICK, pairs=True)])
@pytest.mark.parametrize(("step", "done"), [(0, 0.0), (7, 0.3), (40, 0.95)])
def test_processes_share_the_rows_of_one_without_overlap(config, step, done):
    alone = rows(Feed(job(config), 0, 1), step, done)
    shared = [rows(Feed(job(config), rank, 4), step, done) for rank in range(4)]
    both = tuple(None if part[0] is None else torch.cat(part) for part in zip(*shared, strict=True))
    assert equal(alone, both)
    assert len(alone[0]) == (4 if done > 0.9 else 8)


def test_places_point_at_the_labels():
    plain = replace(QUICK, mask_share=0.3)
    (ids, places, labels, other), *_ = Feed(job(plain), 0, 1).parts(0, 0.0)
    assert ids.shape == (4, 32)
    assert places.shape == labels.shape == (4 * 9,)
    assert (places // 32).tolist() == np.repeat(np.arange(4), 9).tolist()
    # One in ten of the hidden tokens is left as it is, and random ones are rarely right.
    assert 0.0 < (ids.flatten()[places] == labels).float().mean() < 0.4
    assert other is None


def test_rows_get_long_at_the_end():
    feed = Feed(job(), 0, 1)
    assert feed.parts(14, 0.89)[0].ids.shape[1] == 32
    assert feed.parts(14, 0.91)[0].ids.shape[1] == 64
    assert feed.tokens(0.89) == feed.tokens(0.91) == 256
    assert Feed(job(replace(QUICK, long_share=0.0)), 0, 1).parts(15, 0.99)[0].ids.shape[1] == 32


def test_what_is_measured_on_does_not_depend_on_seed_masks_or_process():
    plain = Feed(job(), 0, 1).held_out
    for other in (
        Feed(job(replace(QUICK, seed=7)), 0, 1),
        Feed(job(replace(QUICK, mask_share=0.4, whole_words=True)), 0, 1),
        Feed(job(), 1, 2),
    ):
        assert len(other.held_out) == len(plain)
        assert all(equal(one, two) for one, two in zip(plain, other.held_out, strict=True))
    assert not equal(plain[0], Feed(job(), 0, 1).parts(0, 0.0)[0])


def test_little_validation_text_is_used_as_it_is():
    little = replace(job(), validation=stream(200, seed=3))
    (part,) = Feed(little, 0, 1).held_out
    assert 2 <= len(part.ids) <= 6
    nothing = replace(job(), validation=stream(20, seed=3))
    with pytest.raises(DataError, match=r"(?s)the validation text has 20 tokens, too few for one row of 32"):
        Feed(nothing, 0, 1)


def test_pairs_of_one_document_are_refused():
    one = replace(job(replace(QUICK, pairs=True)), training=of_one_document(stream()))
    with pytest.raises(DataError, match=r"(?s)one document.*no pairs.*leave --pairs out"):
        Feed(one, 0, 1)
    Feed(replace(one, config=QUICK), 0, 1)


def test_pairs_to_measure_on_may_be_of_one_kind():
    pairs = job(replace(QUICK, pairs=True))
    assert Feed(pairs, 0, 1).tells_apart
    assert not Feed(replace(pairs, validation=of_one_document(pairs.validation)), 0, 1).tells_apart
    assert not Feed(job(), 0, 1).tells_apart


def test_too_little_text_for_a_batch_is_refused():
    with pytest.raises(DataError, match="one batch of"):
        Feed(job(replace(QUICK, batch_tokens=65536)), 0, 1)


@pytest.mark.parametrize(
    ("tokens", "micro", "processes", "expected"),
    [
        (256, 128, 1, 8),
        (256, 128, 3, 6),  # no process has a row more than the others
        (32 * 67, 32 * 33, 1, 66),  # two parts of 33: not 67 of one row each
        (32 * 65, 32 * 32, 1, 64),  # two parts of 32: not five of 13
        (32 * 9, 16, 1, 9),  # a row is the least there is
    ],
)
def test_a_process_has_as_many_rows_as_fill_equal_parts(tokens, micro, processes, expected):
    config = replace(QUICK, batch_tokens=tokens, micro_tokens=micro, long_share=0.0)
    found = check_rows(config, job().model, processes)[32]
    most = max(1, micro // 32)
    own = found // processes
    sizes = {len(part.ids) for part in Feed(job(config), 0, processes).parts(0, 0.0)}
    assert len(sizes) == 1
    assert min(most, own) / 2 < sizes.pop() <= most
    assert found == expected


def test_rows_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match=r"rows of 32 tokens do not fit a model of at most 16.*--length"):
        check_rows(QUICK, job(max_length=16).model, 1)
    with pytest.raises(UsageError, match=r"holds 8 rows of 32, and each process needs one.*288 or more"):
        check_rows(QUICK, job().model, 9)
    with pytest.raises(UsageError, match=r"--batch-tokens 320 or more"):
        check_rows(QUICK, job(max_length=320).model, 1)
