"""Chooses the rows of a source: `where`, `distinct`, `split`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consilience.data._overlap import Hashes, first_rows, hash_text
from consilience.data._slices import Chosen, table_slices
from consilience.data._split import CutError, cut
from consilience.data._tables import SPLITS, decode
from consilience.data._values import Rows, WrongShapeError, as_text, encode, plain
from consilience.declare import SourceNode, paste, show
from consilience.errors import DataError, Diagnostic, Path, nearest, shortlist

__all__ = ["SPLITS", "held_columns", "matches", "select", "unknown_column"]

_KEPT_FIRST = ("test", "validation", "train")
"""Where a text stands in several splits of a source, `distinct` leaves the test set as it is known to others."""
_MOST_HELD = 1000
_LONGEST = 60
"""The characters that are shown of a column's name."""

Tables = Mapping[str, datasets.Dataset]


def select(path: Path, node: SourceNode, tables: Tables) -> dict[str, Chosen]:
    """Chooses the rows of each split; raises `DataError` with every fault of the three keys.

    Where the source has splits of its own, `split` cuts its train rows, and its validation and test rows stay unless
    `split` names them.
    """
    faults = [
        unknown_column((*path, "where", name), name, tables, f"where: {{{{}}: {show(value)}}}")
        for name, value in node.where.items()
        if not _has(tables, name)
    ]
    if node.distinct is not None and not _has(tables, node.distinct):
        faults.append(unknown_column((*path, "distinct"), node.distinct, tables, "distinct: {}"))
    if faults:
        raise DataError(faults)
    try:
        kept = {name: np.flatnonzero(matches(table, node)) for name, table in tables.items()}
    except WrongShapeError as error:
        fix = "# compare another column under where"
        raise DataError(
            Diagnostic("CN508", (*path, "where"), f"a column of {error}", "columns of single values", fix)
        ) from None
    if not sum(map(len, kept.values())):
        raise DataError(_nothing_left(path, node, tables))
    if node.distinct is not None:
        kept = _distinct(tables, kept, node.distinct)
    return _cut(path, node, kept)


def _has(tables: Tables, column: str) -> bool:
    return any(column in table.column_names for table in tables.values())


def held_columns(tables: Tables) -> list[str]:
    """Lists the columns of all tables of a source."""
    return list(dict.fromkeys(column for table in tables.values() for column in table.column_names))


def unknown_column(path: Path, name: str, tables: Tables, fix: str) -> Diagnostic:
    """Makes the diagnostic of a column that no table of the source has; `{}` in the fix becomes the nearest name."""
    columns = held_columns(tables)
    same = (column for column in columns if column.strip().casefold() == name.strip().casefold())
    near = next(same, None) or nearest(name, columns)
    shown = shortlist(
        paste(column if len(column) <= _LONGEST else f"{column[: _LONGEST - 3]}...") for column in columns
    )
    fix = fix.replace("{}", paste(near), 1) if near else f"# write one of its columns in place of {name}"
    return Diagnostic("CN501", path, f"the unknown column {name}", f"one of its columns: {shown}", fix)


def matches(table: datasets.Dataset, node: SourceNode) -> npt.NDArray[np.bool_]:
    """Tells which rows of a table have the values that `where` names."""
    kept = np.ones(len(table), bool)
    known = [column for column in node.where if column in table.column_names]
    if len(known) < len(node.where):
        kept[:] = False
    elif known:
        for start, part in table_slices(table, known):
            for column in known:
                here = slice(start, start + len(part))
                kept[here] &= _equals(plain(part.column(column)), table.features[column], node.where[column])
    return kept


def _equals(raw: pa.Array, feature: object, wanted: object) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(raw), bool)
    for array in (raw, decode(raw, feature)):
        values, codes = encode(array)
        found |= np.array([*(_is_same(value, wanted) for value in values), False])[codes]
    return found


def _is_same(value: object, wanted: object) -> bool:
    text = as_text(value)
    return (text.casefold() if isinstance(wanted, bool) else text) == as_text(wanted)


def _nothing_left(path: Path, node: SourceNode, tables: Tables) -> Diagnostic:
    count = sum(map(len, tables.values()))
    if not count:
        return Diagnostic("CN506", path, "no rows", "at least one row", f"# remove the key {path[-1]}")
    for column, wanted in node.where.items():
        alone = node.model_copy(update={"where": {column: wanted}})
        if not any(matches(table, alone).any() for table in tables.values()):
            held = _held(tables, column)
            found = f"{column} is {show(wanted)} in none of {count} rows"
            fix = (
                f"where: {{{column}: {show(nearest(as_text(wanted), held) or held[0])}}}"
                if held
                else "# remove the key where"
            )
            return Diagnostic("CN506", (*path, "where", column), found, f"a value of the column: {_shown(held)}", fix)
    found = f"none of {count} rows has all these values"
    fix = f"where: {{{next(iter(node.where))}: {show(next(iter(node.where.values())))}}}"
    return Diagnostic("CN506", (*path, "where"), found, "values that stand in one row together", fix)


def _held(tables: Tables, column: str) -> list[str]:
    """Lists values of a column, as many as anyone would look through."""
    held: dict[str, None] = {}
    for table in tables.values():
        for _, part in table_slices(table, [column]) if column in table.column_names else ():
            values, _ = encode(decode(plain(part.column(column)), table.features[column]))
            held |= dict.fromkeys(map(as_text, values))
            if len(held) >= _MOST_HELD:
                return list(held)[:_MOST_HELD]
    return list(held)


def _shown(values: Iterable[str]) -> str:
    values = list(values)
    first = [show(value) for value in islice(values, 5)]
    return ", ".join([*first, "..."] if len(values) > 5 else first)


def _hashes(table: datasets.Dataset, rows: Rows, column: str) -> Hashes:
    """Hashes the texts that a column holds in some rows, in rising order."""
    hashes = np.zeros(len(rows), np.uint64)
    for start, part in table_slices(table, [column]) if column in table.column_names else ():
        low, high = np.searchsorted(rows, [start, start + len(part)])
        cells = part.column(column).take(pa.array(rows[low:high] - start)).to_pylist()
        hashes[low:high] = [hash_text([cell]) for cell in cells]
    return hashes


def _distinct(tables: Tables, kept: Mapping[str, Rows], column: str) -> dict[str, Rows]:
    order = sorted(kept, key=lambda name: _KEPT_FIRST.index(name) if name in _KEPT_FIRST else -1)
    first = first_rows([_hashes(tables[name], kept[name], column) for name in order])
    chosen = {name: kept[name][rows] for name, rows in zip(order, first, strict=True)}
    return {name: chosen[name] for name in kept}


def _cut(path: Path, node: SourceNode, kept: Mapping[str, Rows]) -> dict[str, Chosen]:
    pool = "all" if "all" in kept else "train"
    chosen = {name: Chosen(name, rows) for name, rows in kept.items() if name != pool}
    rows = kept.get(pool, np.zeros(0, np.int64))
    try:
        dealt = cut(len(rows), node.split)
    except CutError as error:
        at = (*path, "split", error.split)
        raise DataError(Diagnostic("CN505", at, error.found, error.expected, error.fix)) from None
    chosen |= {split: Chosen(pool, rows[places]) for split, places in dealt.items()}
    return {split: chosen[split] for split in SPLITS if split in chosen and len(chosen[split].rows)}
