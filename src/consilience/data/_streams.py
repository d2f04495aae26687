"""Reads the training rows of a source as they come: filled and checked chunk by chunk, never all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from consilience.data._decks import seeded
from consilience.data._failed import failed
from consilience.data._fields import mapped
from consilience.data._fill import Filler
from consilience.data._parts import DRAW, ROW
from consilience.data._plan import DataPlan
from consilience.data._select import matches, select
from consilience.data._slices import Slice, kind_of
from consilience.data._tables import decode, open_streams
from consilience.data._values import plain
from consilience.errors import DataError, Diagnostic
from consilience.host import PLUGIN_ERRORS

__all__ = ["RowStream", "open_stream"]

_CHUNK = 500
"""The rows that are filled at once."""
_ROOM, _STREAMED = 40, 1 << 39
"""Bits of an example's number that count the rows of its source, and where those of a stream begin."""


@dataclass(frozen=True)
class RowStream:
    """The training rows of one source, in passes without end: each reads the source anew."""

    plan: DataPlan
    source: str
    table: str
    """Under which split the source gives them."""
    stream: datasets.IterableDataset

    def passes(self, seed: int, is_shuffled: bool = True) -> Iterator[dict[str, Any]]:
        """Gives example after example; each pass is drawn out of a buffer by a seed of its own."""
        buffer = self.plan.fusion.sources[self.source].buffer if is_shuffled else 1
        for number in count():
            given = 0
            for example in _shuffled(self.rows(), buffer, seeded(seed, self.source, "buffer", number)):
                yield {**example, DRAW: number}
                given += 1
            if not given:
                found = "no rows" + (" that where keeps" if self.plan.fusion.sources[self.source].where else "")
                fix = f"# name rows under {self.source}, or remove it"
                raise self._fault(Diagnostic("CN506", ("sources", self.source), found, "at least one row", fix))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Gives one pass in the order of the source; raises `DataError` at the chunk of a row that no field takes."""
        start = 0
        for chunk in self._chunks():
            yield from self._filled(chunk, start)
            start += len(chunk)

    def _chunks(self) -> Iterator[pa.Table]:
        chunks = self.stream.with_format("arrow").iter(batch_size=_CHUNK)
        read = 0
        while True:
            level = datasets.logging.get_verbosity()
            datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # its errors become diagnostics
            try:
                chunk = next(chunks, None)
            except PLUGIN_ERRORS as error:
                reason = " ".join(str(error.__cause__ or error).split())[:200]
                found = f"a stream that breaks off after row {read}: {reason}"
                expected, fix = "rows to the end", "# correct the rows that follow, or leave them out"
                raise self._fault(Diagnostic("CN533", ("sources", self.source), found, expected, fix)) from error
            finally:
                datasets.logging.set_verbosity(level)
            if chunk is None:
                return
            read += len(chunk)
            yield chunk

    def _filled(self, chunk: pa.Table, start: int) -> Iterator[dict[str, Any]]:
        node = self.plan.fusion.sources[self.source]
        info = datasets.DatasetInfo(features=self.stream.features)
        view = datasets.Dataset(datasets.table.InMemoryTable(chunk), info=info)
        filler = Filler(self.plan, self.source, {self.table: view}, {})
        faults: dict[str, list[Diagnostic]] = {}
        readers = list(filler.readers(faults))
        local = np.flatnonzero(matches(view, node))
        columns = {column.column for column in mapped(self.plan, self.source).values()}
        kinds = {name: kind for name in columns if (kind := kind_of([view], name)) is not None}
        part = Slice(self.table, start + local, np.zeros(len(local), np.int8), chunk, local, view.features, kinds)
        values: dict[str, list[Any]] = {}
        for reader in readers:
            try:
                converted = reader.read(part)
                if reader.name not in filler.texts:
                    values[reader.name] = converted.values.to_pylist()
                faults |= {reader.name: told} if (told := list(reader.faults())) else {}
            except DataError as error:
                faults[reader.name] = [*error.diagnostics]
        if faults:
            raise self._fault(*(item for told in faults.values() for item in told))
        for field, column in filler.texts.items():
            cells = decode(plain(chunk.column(column.name)), view.features[column.name]).take(pa.array(local))
            values[field] = [column.read(cell) for cell in cells.to_pylist()]
        first = (list(self.plan.fusion.sources).index(self.source) << _ROOM) + _STREAMED
        for at, row in enumerate((start + local).tolist()):
            yield {ROW: first + row, **{field: own[at] for field, own in values.items()}}

    def _fault(self, *faults: Diagnostic) -> DataError:
        return DataError(self.plan.fusion.locate(faults))


def open_stream(plan: DataPlan, name: str) -> tuple[RowStream | None, Filler | None]:
    """Opens a source whose training rows are read as they come; its other splits are read at once.

    Reads the first chunk, so that what its columns lack is told before the training. Raises `DataError`.
    """
    node = plan.fusion.sources[name]
    try:
        streams = open_streams(name, plan.sources[name], node.use)
        pool = next((split for split in ("all", "train") if split in streams), None)
        stream = RowStream(plan, name, pool, streams[pool]) if pool else None
        others = {split: _read(own) for split, own in streams.items() if split != pool}
    except DataError:
        raise
    except PLUGIN_ERRORS as error:
        raise DataError(failed(plan, plan.sources[name], node.use, ("sources", name), "stream", error)) from error
    if stream is not None:
        next(stream.passes(0), None)
    filler = Filler(plan, name, others, select(("sources", name), node, others)) if others else None
    return stream, filler


def _read(stream: datasets.IterableDataset) -> datasets.Dataset:
    return datasets.Dataset.from_list(list(stream), features=stream.features)


def _shuffled(rows: Iterable[Any], size: int, random: np.random.RandomState) -> Iterator[Any]:
    """Draws each next row out of a buffer of so many."""
    held: list[Any] = []
    for row in rows:
        if len(held) < size:
            held.append(row)
            continue
        place = random.randint(size)
        yield held[place]
        held[place] = row
    yield from (held[place] for place in random.permutation(len(held)))
