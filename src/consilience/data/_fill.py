"""Fills the fields of one source from its columns, and tells what of a column no field can take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import datasets
import numpy as np
import pyarrow as pa

from consilience.data._columns import (
    Converted,
    read_categories,
    read_category,
    read_number,
    read_numbers,
    read_text,
    read_token_labels,
    word_counts,
)
from consilience.data._examples import Part, TextColumn
from consilience.data._labels import LabelReader, NoMappingError
from consilience.data._plan import DataPlan
from consilience.data._select import Chosen, unknown_column
from consilience.data._tables import read_column
from consilience.data._values import Rows, WrongShapeError
from consilience.declare import ColumnMap, LabelSpace, SourceNode, show
from consilience.errors import DataError, Diagnostic, Path, nearest

__all__ = ["Filler"]

_ROOM = 40
"""Bits of an example's number that count the rows of its source."""
_SHOWN = 3


@dataclass(frozen=True)
class Filler:
    """Fills the fields from the chosen rows of one source."""

    plan: DataPlan
    name: str
    number: int
    tables: Mapping[str, datasets.Dataset]
    chosen: Mapping[str, Chosen]

    def parts(self) -> dict[str, Part]:
        """Gives the part of each split; raises `DataError` with every fault of the source's columns."""
        faults: list[Diagnostic] = []
        values: dict[str, pa.Array] = {}
        lengths: Rows = np.zeros(sum(len(chosen.rows) for chosen in self.chosen.values()), np.int64)
        for field, column in self._mapped.items():
            try:
                converted = self._fill(field, column)
            except DataError as error:
                faults += error.diagnostics
                continue
            if self._kind(field) == "text":
                lengths += converted.values.to_numpy()
            else:
                values[field] = converted.values
            faults += self._told(field, column, converted)
        if faults:
            raise DataError(faults)
        return self._cut(values, lengths)

    @property
    def node(self) -> SourceNode:
        """What the file says of the source."""
        return self.plan.fusion.sources[self.name]

    @cached_property
    def _mapped(self) -> dict[str, ColumnMap]:
        return {
            field: ColumnMap(column=column) if isinstance(column, str) else column
            for field, column in self.node.map.items()
            if field in self.plan.fields
        }

    @cached_property
    def _texts(self) -> dict[str, TextColumn]:
        """The text fields; the labels of words are those of the first text, which is then given as words."""
        has_words = any(self._kind(field) == "token_labels" for field in self._mapped)
        names = [field for field in self._mapped if self._kind(field) == "text"]
        return {field: TextColumn(self._mapped[field].column, has_words and field == names[0]) for field in names}

    def _kind(self, field: str) -> str:
        return self.plan.fields[field].word

    def _path(self, field: str, *keys: str) -> Path:
        return ("sources", self.name, "map", field, *keys)

    def _array(self, column: str) -> pa.Array:
        read: dict[str, list[Rows]] = {}
        for chosen in self.chosen.values():
            read.setdefault(chosen.table, []).append(chosen.rows)
        return read_column(self.tables, {table: np.concatenate(rows) for table, rows in read.items()}, column)

    @cached_property
    def _numbers(self) -> list[tuple[str, int]]:
        """The table and the row of each position, rows counted from 1."""
        return [(chosen.table, int(row) + 1) for chosen in self._in_order() for row in chosen.rows]

    def _in_order(self) -> list[Chosen]:
        tables = list(dict.fromkeys(chosen.table for chosen in self.chosen.values()))
        return sorted(self.chosen.values(), key=lambda chosen: tables.index(chosen.table))

    def _fill(self, field: str, column: ColumnMap) -> Converted:
        if not any(column.column in table.column_names for table in self.tables.values()):
            keys = () if isinstance(self.node.map[field], str) else ("column",)
            fix = f"{keys[0] if keys else field}: {{}}"
            raise DataError(unknown_column(self._path(field, *keys), column.column, self.tables, fix))
        try:
            return self._convert(field, column, self._array(column.column))
        except WrongShapeError as error:
            found, expected = f"column {column.column} holds {error}", f"what a {self._kind(field)} field can hold"
            fix = f"{field}: another column"
            raise DataError(Diagnostic("CN508", self._path(field), found, expected, fix)) from None

    def _convert(self, field: str, column: ColumnMap, array: pa.Array) -> Converted:
        kind = self._kind(field)
        if kind == "text":
            return Converted(read_text(array))
        if kind == "number":
            return read_number(array)
        space = self.plan.labels(field)
        if space is None:
            raise LookupError(f"the plan gives no label space for field {field}")
        if kind == "numbers":
            return read_numbers(array, len(space), column.separator)
        reader = self._reader(field, column, space)
        if kind == "category":
            return read_category(array, reader)
        if kind == "categories":
            return read_categories(array, reader, column.separator)
        return read_token_labels(array, reader, column.separator, self._words(field))

    def _words(self, field: str) -> Rows:
        if not self._texts:
            fix = f"map: {{text: text, {field}: {self._mapped[field].column}}}"
            raise DataError(Diagnostic("CN508", self._path(field), "labels of words, and no text", "a text field", fix))
        return word_counts(self._array(next(iter(self._texts.values())).name))

    def _reader(self, field: str, column: ColumnMap, space: LabelSpace) -> LabelReader:
        wrong = {value: label for value, label in column.values.items() if label not in space.labels}
        if wrong:
            raise DataError(
                Diagnostic(
                    "CN502",
                    self._path(field, "values", value),
                    f"the unknown label {label}",
                    f"a label of {space}",
                    f"{show(value)}: {nearest(label, space.labels) or space.labels[0]}",
                )
                for value, label in wrong.items()
            )
        try:
            return LabelReader(space, column, self.plan.label_space(column.space) if column.space else None)
        except LookupError as error:
            # A label space maps from others of its own plugin, and names them without the plugin's name.
            owner = str(self.plan.fields[field].labels).rpartition(".")[0]
            maps = [f"{owner}.{name}" if owner and "." not in name else name for name in space.maps]
            known = ", ".join(maps)
            expected = f"a label space that {space.name} maps from" + (
                f": {known}" if known else ", and it maps from none"
            )
            near = nearest(str(column.space), maps) or next(iter(maps), None)
            fix = f"space: {near}" if near else "remove the key space, and write values: {their label: yours}"
            found = str(error) if isinstance(error, NoMappingError) else f"the unknown label space {column.space}"
            raise DataError(Diagnostic("CN510", self._path(field, "space"), found, expected, fix)) from None

    def _told(self, field: str, column: ColumnMap, converted: Converted) -> Iterable[Diagnostic]:
        if converted.refused:
            yield self._refused(field, column, converted.refused)
        elif converted.misshapen:
            found = _listed(converted.misshapen, self._where, lambda shape: shape, "more shapes")
            space = self.plan.labels(field)
            names = ", ".join(space.labels) if space else ""
            words = f"one label for each word of {next(iter(self._texts), 'the text')}"
            expected = words if self._kind(field) == "token_labels" else f"one number for each of {names}"
            fix = f'{field}: {{column: {column.column}, separator: ";"}}  # if that divides them; or correct the rows'
            yield Diagnostic("CN508", self._path(field), found, expected, fix)

    def _refused(self, field: str, column: ColumnMap, refused: Mapping[str, Rows]) -> Diagnostic:
        found = f"column {column.column}: " + _listed(refused, self._where, show, "more values")
        space = self.plan.labels(field)
        if space is None or self._kind(field) == "numbers":
            fix = "correct these cells, or empty them: an empty cell is a missing value"
            return Diagnostic("CN503", self._path(field), found, "a finite number", fix)
        written = self.plan.label_space(column.space) if column.space else None
        meant = {value: nearest(value.casefold(), space.labels) or space.labels[0] for value in islice(refused, 5)}
        values = ", ".join(f"{show(value)}: {label}" for value, label in (column.values | meant).items())
        fix = f"{field}: {{column: {column.column}, values: {{{values}}}}}"
        return Diagnostic("CN502", self._path(field), found, LabelReader(space, column, written).expected, fix)

    def _where(self, places: Rows) -> str:
        numbered = [self._numbers[place] for place in places[:_SHOWN]]
        names = [str(row) if table == "all" else f"{row} of {table}" for table, row in numbered]
        if len(places) == 1:
            return f"row {names[0]}"
        more = f" and {len(places) - len(names)} more" if len(places) > len(names) else ""
        return f"rows {', '.join(names)}{more}"

    def _cut(self, values: Mapping[str, pa.Array], lengths: Rows) -> dict[str, Part]:
        parts, start = {}, 0
        by_chosen = {id(chosen): split for split, chosen in self.chosen.items()}
        offsets = dict(zip(self.tables, np.cumsum([0, *map(len, self.tables.values())]).tolist(), strict=False))
        for chosen in self._in_order():
            split, stop = by_chosen[id(chosen)], start + len(chosen.rows)
            table = self.tables[chosen.table]
            texts = {field: text for field, text in self._texts.items() if text.name in table.column_names}
            columns = list(dict.fromkeys(text.name for text in texts.values()))
            parts[split] = Part(
                self.name,
                table.select_columns(columns).with_format("arrow"),
                chosen.rows,
                texts,
                {field: array.slice(start, stop - start) for field, array in values.items()},
                lengths[start:stop],
                (self.number << _ROOM) + offsets[chosen.table],
                self.node.repeat if split == "train" else 1,
            )
            start = stop
        return parts


def _listed(
    refused: Mapping[str, Rows], where: Callable[[Rows], str], show_key: Callable[[str], str], more: str
) -> str:
    told = [f"{show_key(text)} in {where(rows)}" for text, rows in islice(refused.items(), _SHOWN)]
    if len(refused) > _SHOWN:
        told.append(f"and {len(refused) - _SHOWN} {more}")
    return ", ".join(told)
