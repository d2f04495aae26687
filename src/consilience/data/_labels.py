"""Finds the label that a cell means."""

from __future__ import annotations

import re
from collections.abc import Mapping

from consilience.declare import ColumnMap, LabelSpace

__all__ = ["IGNORED", "LabelReader", "NoMappingError"]

IGNORED = -100
"""The index of a position that no loss and no metric looks at."""

_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


class NoMappingError(LookupError):
    """A label space gives no label of its own for those of another."""


class LabelReader:
    """Gives the position in a field's label space of what a cell says: a label's name, an alias of it, or its position.

    A name always wins over a position. `values` of the column's map wins over both, and ends the reading of positions:
    who names the values names all of them. With `space` the cell is read in that space, and mapped from there.
    """

    def __init__(self, space: LabelSpace, column: ColumnMap, written_in: LabelSpace | None = None) -> None:
        self.space = space
        self._values = column.values
        self._read = written_in or space
        self._mapping = None if self._read.relation(space).is_one else _mapping(space, self._read, column.space)
        self.positions: set[str] = set()
        """The cells that were read as positions."""

    def __call__(self, text: str) -> int | None:
        """Gives the position, None where the label has no counterpart, or raises KeyError."""
        if text in self._values:
            return self.space.position(self._values[text])
        position = self._position(text)
        if self._mapping is None:
            return position
        mapped = self._mapping[self._read.labels[position]]
        return None if mapped is None else self.space.position(mapped)

    def _position(self, text: str) -> int:
        position = self._read.position(text)
        if position is None and _WHOLE_NUMBER.fullmatch(text) and int(text) < len(self._read) and not self._values:
            self.positions.add(text)
            return int(text)
        if position is None:
            raise KeyError(text)
        return position

    @property
    def expected(self) -> str:
        """Says what a cell may hold."""
        if self._values:
            return f"one of {', '.join([*self._values, *self._read.labels])}"
        return f"a label of {self._read}, or its position from 0 to {len(self._read) - 1}"


def _mapping(space: LabelSpace, other: LabelSpace, written: str | None) -> Mapping[str, str | None]:
    mapping = space.mapping_from(other, written or "")
    if mapping is not None:
        lacking = [label for label in other.labels if label not in mapping]
        if lacking:
            raise NoMappingError(f"{space.name} says nothing of {', '.join(lacking[:3])} of {other.name}")
        return mapping
    known = ", ".join(space.maps) or "no other space"
    raise NoMappingError(f"{space.name} maps from {known}, not from {other.name}")
