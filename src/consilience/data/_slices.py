"""Reads the chosen rows of a source slice by slice, so that memory does not grow with the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consilience.data._tables import SPLITS, decode
from consilience.data._values import Rows, WrongShapeError, is_extension, plain

__all__ = ["LENGTH", "Chosen", "Places", "Slice", "kind_of", "slices", "table_slices"]

LENGTH = 20_000
"""The rows of one slice."""
_SHOWN = 3


@dataclass(frozen=True)
class Chosen:
    """The rows of one split: of which table of the source, and which, in rising order."""

    table: str
    rows: Rows


@dataclass
class Places:
    """Rows that have something in common: how many, and the first of them."""

    count: int = 0
    first: list[tuple[str, int]] = field(default_factory=list)

    def add(self, table: str, rows: Rows) -> None:
        """Takes in some rows of a table, counted from 0."""
        self.count += len(rows)
        room = _SHOWN - len(self.first)
        self.first += [(table, int(row) + 1) for row in rows[: max(room, 0)]]

    def __str__(self) -> str:
        names = [str(row) if table == "all" else f"{row} of {table}" for table, row in self.first]
        if self.count == 1:
            return f"row {names[0]}"
        more = f" and {self.count - len(names)} more" if self.count > len(names) else ""
        return f"rows {', '.join(names)}{more}"


@dataclass(frozen=True)
class Slice:
    """Some rows of one table, each in some split."""

    table: str
    rows: Rows
    """Their numbers in the table, from 0."""
    owners: npt.NDArray[np.int8]
    """The position of each row's split among `SPLITS`."""
    _whole: pa.Table
    _local: Rows
    _features: Mapping[str, object]
    _kinds: Mapping[str, pa.DataType]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> pa.Array:
        """Gives the cells of a column; null where the table lacks it.

        Raises `WrongShapeError` where the tables have values of several types that no text can stand for.
        """
        if name not in self._whole.column_names:
            return pa.nulls(len(self), self._kinds.get(name, pa.string()))
        array = decode(plain(self._whole.column(name)), self._features[name])
        if len(self) < len(array):
            array = array.take(pa.array(self._local))
        try:
            return array.cast(self._kinds[name]) if array.type != self._kinds[name] else array
        except pa.ArrowException:
            raise WrongShapeError("values of several types") from None


def slices(
    tables: Mapping[str, datasets.Dataset], chosen: Mapping[str, Chosen], columns: Iterable[str]
) -> Iterator[Slice]:
    """Gives the chosen rows of all splits, table by table, in the order of each."""
    columns = list(dict.fromkeys(columns))
    used = list(dict.fromkeys(one.table for one in chosen.values()))
    kinds = {name: kind for name in columns if (kind := kind_of([tables[table] for table in used], name)) is not None}
    for name in used:
        owners = np.full(len(tables[name]), -1, np.int8)
        for split, one in chosen.items():
            if one.table == name:
                owners[one.rows] = SPLITS.index(split)
        for start, whole in table_slices(tables[name], columns):
            part = owners[start : start + LENGTH]
            local = np.flatnonzero(part >= 0)
            if len(local):
                yield Slice(name, start + local, part[local], whole, local, tables[name].features, kinds)


def table_slices(table: datasets.Dataset, columns: Iterable[str]) -> Iterator[tuple[int, pa.Table]]:
    """Gives a table slice by slice, with the number of its first row; it stays on disk."""
    view = table.select_columns([name for name in columns if name in table.column_names]).with_format("arrow")
    for start in range(0, len(table), LENGTH):
        yield start, view[start : start + LENGTH]


def kind_of(tables: Iterable[datasets.Dataset], name: str) -> pa.DataType | None:
    """Finds the type as which a column is read from every table that has it; None where none has it."""
    found = []
    for table in tables:
        if name in table.column_names:
            # Of no rows, so that nothing is read: what a type is decoded to does not hang on its values.
            empty = table.data.column(name).slice(0, 0)
            is_odd = is_extension(empty.type)
            found.append(pa.string() if is_odd else decode(plain(empty), table.features[name]).type)
    kinds = [kind for kind in dict.fromkeys(found) if not pa.types.is_null(kind)]
    return kinds[0] if len(kinds) == 1 else pa.string() if found else None
