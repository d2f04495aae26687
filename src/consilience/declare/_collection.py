"""A mapping or a list that is being read: what it holds so far, and where that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consilience.declare._document import Spot

__all__ = ["LEFT_OUT", "Anchored", "Collection", "Spots"]

Spots = dict[str, Spot] | list[Spot]

LEFT_OUT: Any = object()
"""Stands for a value that nothing sensible can be kept of."""


@dataclass(slots=True)
class Collection:
    """A collection whose end has not been read yet; a mapping with a key waits for that key's value."""

    value: dict[str, Any] | list[Any]
    spots: Spots
    start: int
    is_key: bool = False
    """Whether it stands where a key should."""
    key: str | None = None
    key_start: int = -1
    key_end: int = -1
    is_left_out: bool = False
    """Whether the pair of that key is no part of the document."""

    @property
    def step(self) -> str | int | None:
        """The key or the index of the value that is being read; None where a key is."""
        return len(self.spots) if isinstance(self.spots, list) else self.key

    def attach(self, value: Any) -> None:
        """Takes in a value; one that is left out leaves None in a list, and nothing in a mapping."""
        if isinstance(self.value, list):
            self.value.append(None if value is LEFT_OUT else value)
        elif self.key is not None and not self.is_left_out and value is not LEFT_OUT:
            self.value[self.key] = value

    def record(self, start: int, end: int, spots: Spots | None) -> None:
        """Keeps where a value stands that has been read to its end, with what stands inside it."""
        if isinstance(self.spots, list):
            self.spots.append(Spot(-1, -1, start, end, spots))
            return
        if self.key is not None and not self.is_left_out:
            self.spots[self.key] = Spot(self.key_start, self.key_end, start, end, spots)
        self.key = None


@dataclass(frozen=True, slots=True)
class Anchored:
    """A value that an alias may repeat, and the spots of what it holds."""

    value: Any
    spots: Spots | None = None
