"""Every row once per epoch, in batches of like lengths, in an order that only seed and epoch decide."""

from itertools import product

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from embbert.train.batches import Buckets, Rows, epoch_seed, pad


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=300),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 2**40),
)
def test_every_row_is_visited_once(lengths, batch_size, seed):
    buckets = Buckets(lengths, batch_size, seed)
    batches = list(buckets)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert len(batches) == len(buckets)
    assert sum(len(batch) < batch_size for batch in batches) <= 1
    assert list(buckets) == batches


def test_epoch_and_seed_change_the_order():
    lengths = [1 + i % 7 for i in range(200)]

    def order(seed, epoch):
        buckets = Buckets(lengths, 8, seed)
        buckets.set_epoch(epoch)
        return list(buckets)

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_little_of_a_batch_is_padding():
    lengths = torch.randint(1, 60, (2000,), generator=torch.Generator().manual_seed(0)).tolist()
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in Buckets(lengths, 16, 0))
    assert padded < 1.05 * sum(lengths)


def test_rows_become_padded_tensors():
    rows = Rows([[2, 5], [2], [2, 6, 7]], np.array([1, 0, 2]))
    ids, targets = rows.collate([rows[0], rows[2]])
    assert ids.tolist() == [[2, 5, 0], [2, 6, 7]]
    assert ids.dtype == targets.dtype == torch.int64
    assert targets.tolist() == [1, 2]
    values = Rows([[2]], np.array([0.5], dtype=np.float32))
    assert values.collate([values[0]])[1].dtype == torch.float32
    assert pad([[2]]).tolist() == [[2]]


def test_seeds_do_not_meet_each_other():
    seeds = {epoch_seed(seed, epoch) for seed in range(100) for epoch in range(100)}
    assert len(seeds) == 100 * 100


def test_seeds_of_processes_meet_neither_those_of_other_epochs_nor_of_other_processes():
    every = product(range(9), range(99), range(9))
    assert len({epoch_seed(seed, epoch, process) for seed, epoch, process in every}) == 9 * 99 * 9
    assert epoch_seed(5, 7, 0) == epoch_seed(5, 7)
    assert all(0 <= epoch_seed(2**62, 10**6, process) < 2**63 for process in (0, 1, 4095))
