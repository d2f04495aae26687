"""Fills the fields of one source from its tables: counts what its rows hold, and keeps their values when asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

import datasets
import numpy as np
import pyarrow as pa

from consilience.data._columns import Converted
from consilience.data._failed import failed
from consilience.data._fields import LABELLED, FieldReader, mapped
from consilience.data._parts import Part, TextColumn
from consilience.data._plan import DataPlan
from consilience.data._select import held_columns, select
from consilience.data._slices import Chosen, Slice, slices
from consilience.data._tables import SPLITS, decode, open_tables
from consilience.data._tally import Tally
from consilience.data._values import Rows, plain
from consilience.declare import SourceNode
from consilience.errors import DataError, Diagnostic
from consilience.host import PLUGIN_ERRORS

__all__ = ["Filler", "Watch", "open_source"]

_ROOM = 40
"""Bits of an example's number that count the rows of its source."""

Watch = Callable[[int], object]
"""What is told how many rows were just read."""


def open_source(plan: DataPlan, name: str) -> Filler:
    """Opens a source and chooses its rows; raises `DataError` with every fault of either."""
    node = plan.fusion.sources[name]
    try:
        tables = open_tables(name, plan.sources[name], node.use)
    except DataError:
        raise
    except PLUGIN_ERRORS as error:
        raise DataError(failed(plan, plan.sources[name], node.use, ("sources", name), "open", error)) from error
    _see_columns(plan, name, tables)
    try:
        chosen = select(("sources", name), node, tables)
    except DataError as error:
        unknown: dict[str, list[Diagnostic]] = {}
        list(Filler(plan, name, tables, {}).readers(unknown))
        raise DataError([*error.diagnostics, *(item for told in unknown.values() for item in told)]) from None
    return Filler(plan, name, tables, chosen)


def _see_columns(plan: DataPlan, name: str, tables: Mapping[str, datasets.Dataset]) -> None:
    """Raises `DataError` where no column that is read is there, and the source can say why."""
    node, source = plan.fusion.sources[name], plan.sources[name]
    read = [*(column.column for column in mapped(plan, name).values()), *node.where, node.distinct]
    wanted, held = [column for column in dict.fromkeys(read) if column], held_columns(tables)
    if not wanted or not set(wanted).isdisjoint(held):
        return
    try:
        faults = [fault.at("sources", name) for fault in source.explain_columns(wanted, held)]
    except PLUGIN_ERRORS as error:
        raise DataError(failed(plan, source, node.use, ("sources", name), "explain the columns of", error)) from error
    if faults:
        raise DataError(faults)


class Filler:
    """Fills the fields from the chosen rows of one source, in one pass."""

    def __init__(
        self, plan: DataPlan, name: str, tables: Mapping[str, datasets.Dataset], chosen: Mapping[str, Chosen]
    ) -> None:
        self._plan, self._name, self._tables, self.chosen = plan, name, tables, chosen
        self._mapped = mapped(plan, name)

    @property
    def node(self) -> SourceNode:
        """What the file says of the source."""
        return self._plan.fusion.sources[self._name]

    def tally(self, watch: Watch | None = None) -> Tally:
        """Reads every row and counts; the faults of the source's columns stand in what was counted."""
        return self._read(watch, None)

    def parts(self, watch: Watch | None = None) -> tuple[dict[str, Part], Tally]:
        """Gives the part of each split, none where a column is at fault, and what was counted."""
        kept = _Kept()
        tally = self._read(watch, kept)
        return {} if tally.faults else self._cut(kept), tally

    @cached_property
    def texts(self) -> dict[str, TextColumn]:
        """The text fields; a text whose words are labelled is given as words."""
        worded = {self._plan.text_of(field) for field in self._mapped if self._kind(field) == "token_labels"}
        names = sorted(field for field in self._mapped if self._kind(field) == "text")
        return {field: TextColumn(self._mapped[field].column, field in worded) for field in names}

    def _kind(self, field: str) -> str:
        return self._plan.fields[field].word

    def readers(self, faults: dict[str, list[Diagnostic]]) -> Iterator[FieldReader]:
        for field, column in self._mapped.items():
            worded = self._plan.text_of(field) if self._kind(field) == "token_labels" else None
            text = (worded, self.texts[worded].name) if worded in self.texts else None
            try:
                reader = FieldReader(self._plan, self._name, field, column, text)
                reader.check_column(self._tables)
                yield reader
            except DataError as error:
                faults[field] = [*error.diagnostics]

    def _read(self, watch: Watch | None, kept: _Kept | None) -> Tally:
        faults: dict[str, list[Diagnostic]] = {}
        readers = list(self.readers(faults))
        tally = Tally(self._name, self.chosen, tuple(self._mapped), tuple(self.texts))
        for part in slices(self._tables, self.chosen, [column.column for column in self._mapped.values()]):
            found: dict[str, Converted] = {}
            for reader in list(readers):
                try:
                    found[reader.name] = reader.read(part)
                except DataError as error:
                    faults[reader.name] = [*error.diagnostics]
                    readers.remove(reader)
            self._count(tally, part, found)
            if kept is not None:
                kept.add(part, found, self.texts)
            if watch is not None:
                watch(len(part))
        faults |= {reader.name: told for reader in readers if (told := list(reader.faults()))}
        tally.faults = {field: tuple(told) for field, told in faults.items()}
        tally.positions = {
            reader.name: reader.labels.positions
            for reader in readers
            if reader.labels is not None and reader.name not in faults
        }
        return tally

    def _count(self, tally: Tally, part: Slice, found: Mapping[str, Converted]) -> None:
        has = {}
        for field, converted in found.items():
            values = converted.values
            if self._kind(field) == "text":
                has[field] = values.to_numpy(zero_copy_only=False) > 0
            else:
                has[field] = values.is_valid().to_numpy(zero_copy_only=False)
            space = self._plan.labels(field)
            if self._kind(field) in LABELLED and space is not None:
                tally.count_labels(field, part, values, len(space))
        tally.count_present(part, has)
        if self.texts and all(field in found for field in self.texts):
            tally.hash_texts(part, [part.column(column.name) for column in self.texts.values()])

    def _cut(self, kept: _Kept) -> dict[str, Part]:
        first = list(self._plan.fusion.sources).index(self._name) << _ROOM
        numbers = dict(zip(self._tables, np.cumsum([0, *map(len, self._tables.values())]).tolist(), strict=False))
        parts = {}
        for split, chosen in self.chosen.items():
            table = self._tables[chosen.table]
            texts = {field: text for field, text in self.texts.items() if text.name in table.column_names}
            columns = list(dict.fromkeys(text.name for text in texts.values()))
            parts[split] = Part(
                self._name,
                table.select_columns(columns).with_format("arrow"),
                chosen.rows,
                texts,
                {field: kept.value(field, split) for field in self._mapped if field not in self.texts},
                kept.length(split, len(chosen.rows)),
                first + numbers[chosen.table],
                self.node.repeat if split == "train" else 1,
                chosen.table,
            )
        return parts

    def column(self, field: str) -> str:
        """Gives the column that a field is read from."""
        return self._mapped[field].column

    def texts_at(self, split: str, places: Rows) -> list[str]:
        """Gives the first text of some rows of a split, counted from its first."""
        chosen, column = self.chosen[split], next(iter(self.texts.values()))
        texts = self._read_texts(chosen, column, chosen.rows[places])
        return [" ".join(text) if isinstance(text, list) else text or "" for text in texts]

    def sample(self, field: str, most: int) -> list[str | list[str]]:
        """Gives at most so many texts of a field, evenly from all its rows; those that are missing are left out."""
        if field not in self.texts:
            return []
        step = max(1, -(-sum(len(chosen.rows) for chosen in self.chosen.values()) // most))
        found: list[str | list[str]] = []
        for chosen in self.chosen.values():
            texts = self._read_texts(chosen, self.texts[field], chosen.rows[::step])
            found += [text for text in texts if text is not None]
        return found

    def _read_texts(self, chosen: Chosen, column: TextColumn, rows: Rows) -> list[str | list[str] | None]:
        table = self._tables[chosen.table]
        if column.name not in table.column_names or not len(rows):
            return [None] * len(rows)
        cells = table.select_columns([column.name]).with_format("arrow")[rows]
        array = decode(plain(cells.column(column.name)), table.features[column.name])
        return [column.read(cell) for cell in array.to_pylist()]


class _Kept:
    """The values of every field but the texts, and how long the texts are, split by split."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[pa.Array]] = {}
        self._lengths: dict[str, list[Rows]] = {}

    def add(self, part: Slice, found: Mapping[str, Converted], texts: Iterable[str]) -> None:
        """Takes in the rows of a slice."""
        lengths = [found[field].values.to_numpy(zero_copy_only=False) for field in texts if field in found]
        for owner in np.unique(part.owners):
            own, split = part.owners == owner, SPLITS[owner]
            for field, converted in found.items():
                if field not in texts:
                    self._values.setdefault((field, split), []).append(converted.values.filter(pa.array(own)))
            if lengths:
                self._lengths.setdefault(split, []).append(sum(lengths)[own])

    def value(self, field: str, split: str) -> pa.Array:
        """Gives a field's values in a split."""
        return pa.concat_arrays(self._values[field, split])

    def length(self, split: str, count: int) -> Rows:
        """Gives how many characters the texts of each row have."""
        return np.concatenate(self._lengths[split]) if split in self._lengths else np.zeros(count, np.int64)
