"""What one source gives to a split: the rows, and how their fields are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import datasets
import pyarrow as pa

from consilience.data._tables import decode
from consilience.data._values import Rows, as_text, plain

__all__ = ["DRAW", "ROW", "Part", "Pick", "TextColumn"]

ROW = "_row"
"""The key of an example's number: one for each row of each source, the same in every run."""
DRAW = "_draw"
"""The key that tells how often the example's row was drawn before: what is random of it is drawn anew each time."""


class Pick(NamedTuple):
    """One row that an epoch sees: its place among the examples, -1 for none, and how often it was drawn before."""

    place: int
    draw: int


@dataclass(frozen=True)
class TextColumn:
    """The column that a text field is read from, and whether its texts are given as their words."""

    name: str
    as_words: bool = False

    def read(self, cell: object) -> str | list[str] | None:
        """Gives the field's value for one cell; None for an empty one."""
        if isinstance(cell, list):
            return [str(word) for word in cell if word is not None] or None
        text = "" if cell is None else cell if isinstance(cell, str) else as_text(cell)
        if not text.strip():
            return None
        return text.split() if self.as_words else text


@dataclass(frozen=True)
class Part:
    """The rows that one source gives to a split: texts stay on disk, the other fields are in memory."""

    source: str
    table: datasets.Dataset
    rows: Rows
    texts: Mapping[str, TextColumn]
    values: Mapping[str, pa.Array]
    lengths: Rows
    first: int
    repeat: int = 1
    table_name: str = "all"
    """The name of the table among those of its source."""

    def __len__(self) -> int:
        return len(self.rows) * self.repeat

    def read(self, places: Rows) -> list[dict[str, Any]]:
        """Gives the examples at some places."""
        places = places % len(self.rows)
        rows = self.rows[places]
        columns: dict[str, list[Any]] = {ROW: (self.first + rows).tolist()}
        for field, values in self.values.items():
            columns[field] = values.take(pa.array(places)).to_pylist()
        if self.texts:
            cells = self.table[rows]
            for field, column in self.texts.items():
                array = decode(plain(cells.column(column.name)), self.table.features[column.name])
                columns[field] = [column.read(cell) for cell in array.to_pylist()]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
