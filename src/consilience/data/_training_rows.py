"""What training reads: the examples and their order, or, where a source is streamed, rows that come without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from consilience.data._decks import Deck, seeded
from consilience.data._examples import Examples
from consilience.data._layout import interleaved
from consilience.data._order import TrainingOrder, deck_of, training_order
from consilience.data._parts import Pick
from consilience.data._plan import DataPlan
from consilience.data._prepare import Prepared
from consilience.data._shares import shares_of

__all__ = ["StreamedRows", "training_rows"]

_BLOCK = 1000
"""The turns of sources that are laid out at once."""
_READ_AHEAD = 256


@dataclass(frozen=True)
class _Flow:
    """A source that gives examples without end, and its share of them."""

    share: float
    begin: Callable[[], Iterator[dict[str, Any]]]


class StreamedRows(torch.utils.data.IterableDataset[dict[str, Any]]):
    """Gives the examples of several sources in their shares, without end, in an order that hangs on the seed alone.

    Every process and every worker runs through the same order; accelerate gives each process its own rows of it, and
    each worker gives the batches whose turn it has: how many there are changes nothing. A run that is resumed runs
    through what it has seen, and goes on where it was.
    """

    def __init__(self, flows: Sequence[_Flow], group: int, batch_size: int, seed: int, is_in_turn: bool) -> None:
        self._flows = tuple(flows)
        self._group = group
        self._run = batch_size
        self._seed = seed
        self._is_in_turn = is_in_turn

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = torch.utils.data.get_worker_info()
        flows = [flow.begin() for flow in self._flows]
        for number, owner in enumerate(self._owners()):
            example = next(flows[owner])
            if worker is None or number // self._group % worker.num_workers == worker.id:
                yield example

    def _owners(self) -> Iterator[int]:
        """Gives whose turn it is, row by row; a turn of a source is one row, or a whole batch."""
        shares = np.array([flow.share for flow in self._flows])
        block = 0
        while True:
            counts = _rounded((block + 1) * _BLOCK * shares) - _rounded(block * _BLOCK * shares)
            random = None if self._is_in_turn else seeded(self._seed, "order", block)
            owners = np.repeat(np.arange(len(shares)), counts)[interleaved(counts.tolist(), random)]
            for owner in owners.tolist():
                yield from [owner] * self._run
            block += 1


def training_rows(
    plan: DataPlan, prepared: Prepared, batch_size: int, seed: int, processes: int = 1
) -> tuple[Examples | StreamedRows, TrainingOrder | None]:
    """Gives what a training reads, and in which order; streams have theirs in themselves.

    `batch_size` is that of a micro-batch in each of so many processes; `seed` is what the order is drawn from.
    """
    if not prepared.streams:
        return prepared.train, training_order(plan, prepared, batch_size, seed, processes)
    mixing, strategy = plan.fusion.mixing, plan.fusion.train.arguments.get("train_sampling_strategy")
    is_shuffled = strategy != "sequential"
    begins: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {}
    first = 0
    for part in prepared.train.parts:
        deck = deck_of(plan, part, seed, is_shuffled)
        begins[part.source] = _Dealt(prepared.train, deck, first)
        first += len(part)
    for name, stream in prepared.streams.items():
        begins[name] = _Passes(stream.passes, seed, is_shuffled)
    names = [name for name in plan.fusion.sources if name in begins]
    shares = shares_of(mixing, dict.fromkeys(names, 1), dict.fromkeys(names, 1))
    flows = [_Flow(shares[name], begins[name]) for name in names]
    run = batch_size if mixing.batches == "homogeneous" else 1
    is_in_turn = mixing.by == "round_robin" or not is_shuffled
    return StreamedRows(flows, batch_size * processes, run, seed, is_in_turn), None


@dataclass(frozen=True)
class _Passes:
    """Begins the passes of a stream."""

    passes: Callable[[int, bool], Iterator[dict[str, Any]]]
    seed: int
    is_shuffled: bool

    def __call__(self) -> Iterator[dict[str, Any]]:
        return self.passes(self.seed, self.is_shuffled)


@dataclass(frozen=True)
class _Dealt:
    """Begins the passes of a source that was read at once."""

    examples: Examples
    deck: Deck
    first: int

    def __call__(self) -> Iterator[dict[str, Any]]:
        start = 0
        while True:
            rows, draws = self.deck.deal(start, start + _READ_AHEAD)
            picks = map(Pick, (self.first + rows).tolist(), draws.tolist())
            yield from self.examples.__getitems__(list(picks))
            start += _READ_AHEAD


def _rounded(amounts: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.floor(amounts + 0.5).astype(np.int64)
