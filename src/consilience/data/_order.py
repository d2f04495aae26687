"""The order in which training sees its rows: which of them an epoch has, how they are mixed, and in what batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from consilience.data._balance import classes_of
from consilience.data._decks import BalancedDeck, Deck, PlainDeck, seeded
from consilience.data._layout import by_length, cut, interleaved, like_length
from consilience.data._parts import Part, Pick
from consilience.data._plan import DataPlan
from consilience.data._prepare import Prepared
from consilience.data._shares import epoch_rows
from consilience.data._values import Rows

__all__ = ["TrainingOrder", "deck_of", "training_order"]

_NO_ROW = Pick(-1, 0)


@dataclass(frozen=True)
class _Heap:
    """The rows of one source: how they are dealt, how many an epoch takes, where they stand among all examples."""

    deck: Deck
    count: int
    first: int
    lengths: Rows


@dataclass(frozen=True)
class _Manner:
    """How an epoch is laid out."""

    batch_size: int
    processes: int
    strategy: str
    is_homogeneous: bool
    is_in_turn: bool
    """Whether the sources come strictly in turn, not somewhere in their stretch."""
    is_by_size: bool
    drops_last: bool


@dataclass(frozen=True)
class _Epoch:
    """The rows of one epoch, source after source."""

    indexes: Rows
    draws: Rows
    lengths: Rows
    owners: Rows


class TrainingOrder(torch.utils.data.Sampler[Pick]):
    """Gives the rows of each epoch, in the order of its batches: a function of the seed and the epoch alone.

    So a run that is resumed meets the batches it would have met, and all processes draw the same. Where a batch must be
    filled up (those of one source; the last ones of several processes), it is by picks of no row, which count for
    nothing: no row is seen twice for it.
    """

    def __init__(self, heaps: Sequence[_Heap], manner: _Manner, seed: int) -> None:
        self._heaps = tuple(heaps)
        self._manner = manner
        self._seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch; transformers and accelerate call it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        """How many picks an epoch has; those of no row count too."""
        manner, counts = self._manner, [heap.count for heap in self._heaps]
        size = manner.batch_size
        if not manner.is_homogeneous and (manner.processes == 1 or manner.drops_last):
            return sum(counts)
        if not manner.is_homogeneous:
            return _rounded_up(sum(counts), size * manner.processes)
        batches = sum(count // size if manner.drops_last else -(-count // size) for count in counts)
        return (batches if manner.drops_last else _rounded_up(batches, manner.processes)) * size

    def __iter__(self) -> Iterator[Pick]:
        epoch = self._dealt()
        given = 0
        for batch in self._batches(epoch):
            yield from map(Pick, epoch.indexes[batch].tolist(), epoch.draws[batch].tolist())
            given += len(batch)
            if self._manner.is_homogeneous:
                missing = self._manner.batch_size - len(batch)
                yield from [_NO_ROW] * missing
                given += missing
        yield from [_NO_ROW] * (len(self) - given)

    def _dealt(self) -> _Epoch:
        parts = []
        for owner, heap in enumerate(self._heaps):
            rows, draws = heap.deck.deal(self.epoch * heap.count, (self.epoch + 1) * heap.count)
            parts.append((heap.first + rows, draws, heap.lengths[rows], np.full(len(rows), owner, np.int64)))
        empty = [(np.zeros(0, np.int64),) * 4]
        return _Epoch(*(np.concatenate(columns) for columns in zip(*(parts or empty), strict=True)))

    def _batches(self, epoch: _Epoch) -> Iterable[Rows]:
        manner, random = self._manner, seeded(self._seed, "order", self.epoch)
        if not len(epoch.indexes):
            return []
        if manner.is_homogeneous:
            return self._of_one_source(epoch, random)
        counts = [heap.count for heap in self._heaps]
        if manner.strategy == "sequential" and manner.is_by_size:
            items = np.arange(len(epoch.indexes), dtype=np.int64)
        else:
            items = interleaved(counts, self._spread(random))
        if manner.strategy == "group_by_length":
            return like_length(items, epoch.lengths, epoch.owners, manner.batch_size, random)
        return cut(items, manner.batch_size)

    def _of_one_source(self, epoch: _Epoch, random: np.random.RandomState) -> list[Rows]:
        manner, size = self._manner, self._manner.batch_size
        heaps: list[list[Rows]] = []
        for owner in range(len(self._heaps)):
            items = np.flatnonzero(epoch.owners == owner).astype(np.int64)
            batches = cut(items, size)
            if manner.strategy == "group_by_length":
                batches = by_length(items, epoch.lengths, size, random)
            heaps.append([batch for batch in batches if len(batch) == size or not manner.drops_last])
        flat = [batch for batches in heaps for batch in batches]
        if manner.strategy == "sequential" and manner.is_by_size:
            return flat
        return [flat[place] for place in interleaved([len(batches) for batches in heaps], self._spread(random))]

    def _spread(self, random: np.random.RandomState) -> np.random.RandomState | None:
        return None if self._manner.is_in_turn else random


def training_order(plan: DataPlan, prepared: Prepared, batch_size: int, seed: int, processes: int = 1) -> TrainingOrder:
    """Gives the order in which the training rows come, as `mixing` and `train_sampling_strategy` say.

    `batch_size` is that of a micro-batch in each of so many processes; `seed` is what the order is drawn from.
    """
    mixing, arguments = plan.fusion.mixing, plan.fusion.train.arguments
    strategy = str(arguments.get("train_sampling_strategy") or "group_by_length")
    parts = prepared.train.parts
    counts = epoch_rows(
        mixing, {part.source: len(part.rows) for part in parts}, {part.source: part.repeat for part in parts}
    )
    heaps, first = [], 0
    for part in parts:
        heaps.append(
            _Heap(deck_of(plan, part, seed, strategy != "sequential"), counts[part.source], first, part.lengths)
        )
        first += len(part)
    manner = _Manner(
        batch_size,
        processes,
        strategy,
        mixing.batches == "homogeneous",
        mixing.by == "round_robin" or strategy == "sequential",
        mixing.by == "size",
        arguments.get("dataloader_drop_last") is True,
    )
    return TrainingOrder(heaps, manner, seed)


def deck_of(plan: DataPlan, part: Part, seed: int, is_shuffled: bool) -> Deck:
    """Gives how the rows of one source are dealt: each once a pass, or each class equally often."""
    field = plan.fusion.sources[part.source].balance
    if field is None:
        return PlainDeck(len(part.rows), seed, part.source, is_shuffled)
    space = plan.labels(field)
    classes, rest = classes_of(part.values[field], len(space) if space else 0)
    return BalancedDeck(classes, rest, seed, part.source, is_shuffled)


def _rounded_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit
