"""The order of training: batches of like length."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from consilience.data import LengthGroupedBatches


@settings(deadline=None)  # the first example imports transformers
@given(
    lengths=st.lists(st.integers(0, 500), max_size=200),
    size=st.integers(1, 17),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 50),
)
def test_every_row_stands_once_and_the_longest_in_the_first_batch(
    lengths: list[int], size: int, seed: int, epoch: int
) -> None:
    sampler = LengthGroupedBatches(lengths, size, seed)
    sampler.set_epoch(epoch)
    rows = list(sampler)
    assert len(sampler) == len(rows)
    assert sorted(rows) == list(range(len(lengths)))
    if lengths:
        assert max(lengths) in [lengths[row] for row in rows[:size]]
    assert list(sampler) == rows


def test_epochs_and_seeds_give_other_orders() -> None:
    sampler = LengthGroupedBatches(list(range(100)), 4, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(LengthGroupedBatches(list(range(100)), 4, seed=2)) != first


def test_batches_are_of_like_length_and_in_no_order_of_length() -> None:
    lengths = [(37 * row) % 1000 for row in range(1000)]
    rows = list(LengthGroupedBatches(lengths, 10))
    batches = [[lengths[row] for row in rows[start : start + 10]] for start in range(0, 1000, 10)]
    spread = sum(max(batch) - min(batch) for batch in batches[1:]) / 99
    assert spread < 1000 / 10
    means = [sum(batch) / 10 for batch in batches]
    rises = sum(later > earlier for earlier, later in pairwise(means))
    assert 30 < rises < 70


@pytest.mark.parametrize("count", [0, 1, 8, 9])
def test_a_data_loader_takes_it(count: int) -> None:
    loader = DataLoader(range(count), 4, sampler=LengthGroupedBatches([1] * count, 4))  # type: ignore[arg-type]
    assert sorted(int(row) for batch in loader for row in batch) == list(range(count))
