"""Deals the rows of one source out, pass by pass, each in a new order: what comes when is known without dealing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

import numpy as np

from consilience.data._values import Rows

__all__ = ["BalancedDeck", "Deck", "PlainDeck", "seeded"]


class Deck(Protocol):
    """The rows of one source, again and again without end."""

    def __len__(self) -> int:
        """How many rows one pass has."""

    def deal(self, start: int, stop: int) -> tuple[Rows, Rows]:
        """Gives the rows at some places of the endless deal, and how often each was dealt before."""


def seeded(*seeds: int | str) -> np.random.RandomState:
    """Gives a generator for one purpose, named by numbers and words."""
    # RandomState, not Generator: numpy promises that its stream never changes (NEP 19), and a run may be resumed.
    words = [crc32(seed.encode()) if isinstance(seed, str) else seed & 0xFFFFFFFF for seed in seeds]
    return np.random.RandomState(np.array(words, np.uint32))


def _passes(start: int, stop: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Cuts a stretch at the ends of passes: the number of each, and where in it the stretch begins and ends."""
    while start < stop:
        number, low = divmod(start, length)
        high = min(length, low + stop - start)
        yield number, low, high
        start += high - low


@dataclass(frozen=True)
class PlainDeck:
    """Every row once a pass."""

    count: int
    seed: int
    name: str
    is_shuffled: bool = True

    def __len__(self) -> int:
        return self.count

    def deal(self, start: int, stop: int) -> tuple[Rows, Rows]:
        """Gives the rows at some places of the endless deal, and the pass of each."""
        rows, draws = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, low, high in _passes(start, stop, self.count):
            rows.append(self._pass(number)[low:high])
            draws.append(np.full(high - low, number, np.int64))
        return np.concatenate(rows), np.concatenate(draws)

    def _pass(self, number: int) -> Rows:
        if not self.is_shuffled:
            return np.arange(self.count, dtype=np.int64)
        return seeded(self.seed, self.name, number).permutation(self.count).astype(np.int64)


class BalancedDeck:
    """Every class equally often; the rows of a class come in passes of their own, each in a new order.

    A pass is as long as the source has rows. Those of no class (`rest`) keep their number in it; the others are dealt
    to the classes in turn, so that over any passes two classes differ by one row at most.
    """

    def __init__(self, classes: Sequence[Rows], rest: Rows, seed: int, name: str, is_shuffled: bool = True) -> None:
        groups = [*classes, rest] if len(rest) else list(classes)
        self._groups = groups
        self._decks = [PlainDeck(len(rows), seed, f"{name}/{at}", is_shuffled) for at, rows in enumerate(groups)]
        self._classes, self._rest = len(classes), len(rest)
        self._length = sum(map(len, groups))
        self._seed, self._name, self._is_shuffled = seed, name, is_shuffled

    def __len__(self) -> int:
        return self._length

    def deal(self, start: int, stop: int) -> tuple[Rows, Rows]:
        """Gives the rows at some places of the endless deal, and how often each was dealt before."""
        rows, draws = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, low, high in _passes(start, stop, self._length):
            own_rows, own_draws = self._pass(number)
            rows.append(own_rows[low:high])
            draws.append(own_draws[low:high])
        return np.concatenate(rows), np.concatenate(draws)

    def _pass(self, number: int) -> tuple[Rows, Rows]:
        ring = np.arange(number * self._dealt, (number + 1) * self._dealt, dtype=np.int64) % self._classes
        owners = np.concatenate([ring, np.full(self._rest, self._classes, np.int64)])
        if self._is_shuffled:
            owners = owners[seeded(self._seed, self._name, "classes", number).permutation(self._length)]
        rows, draws = np.zeros(self._length, np.int64), np.zeros(self._length, np.int64)
        for at, deck in enumerate(self._decks):
            places = np.flatnonzero(owners == at)
            start = self._before(at, number)
            found, draws[places] = deck.deal(start, start + len(places))
            rows[places] = self._groups[at][found]
        return rows, draws

    @property
    def _dealt(self) -> int:
        return self._length - self._rest

    def _before(self, at: int, number: int) -> int:
        """Counts what a class was dealt before a pass."""
        if at == self._classes:
            return number * self._rest
        return (number * self._dealt + self._classes - 1 - at) // self._classes
