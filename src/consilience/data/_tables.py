"""Opens the sources: tables of raw columns, one for each split that a source has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consilience.data._values import WrongShapeError, is_list, plain
from consilience.declare import Source
from consilience.errors import DataError

__all__ = ["decode", "open_tables", "read_column"]


def open_tables(name: str, source: Source) -> dict[str, datasets.Dataset]:
    """Opens a source; its `DataError` comes back with paths in the fusion, another fault with a note of whose it is."""
    try:
        tables = source.open()
    except DataError as error:
        raise DataError(replace(item, path=("sources", name, *item.path)) for item in error.diagnostics) from error
    except Exception as error:
        error.add_note(f"while source {name} ({type(source).component}) was being opened")
        raise
    return {split: _flat(table) for split, table in tables.items()}


def _flat(table: datasets.Dataset) -> datasets.Dataset:
    # A selection stands beside the Arrow table; the columns are read from the table itself.
    return table.flatten_indices() if getattr(table, "_indices", None) is not None else table


def read_column(tables: Mapping[str, datasets.Dataset], rows: Mapping[str, Any], name: str) -> pa.Array:
    """Gives the chosen rows of a column over several tables in their order; null where a table lacks the column.

    Raises `WrongShapeError` where the values are of several types that no text can stand for.
    """
    pieces = []
    for split, chosen in rows.items():
        table = tables[split]
        if name in table.column_names:
            pieces.append(decode(plain(table.data.column(name).take(pa.array(chosen))), table.features[name]))
        else:
            pieces.append(pa.nulls(len(chosen)))
    kinds = {piece.type for piece in pieces if not pa.types.is_null(piece.type)}
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    try:
        return pa.concat_arrays([piece.cast(kind) for piece in pieces]) if pieces else pa.nulls(0, pa.string())
    except pa.ArrowException:
        raise WrongShapeError("values of several types") from None


def decode(array: pa.Array, feature: Any) -> pa.Array:
    """Puts names in place of the positions of a `ClassLabel`; -1, by which the hub marks an unknown one, is missing."""
    if isinstance(feature, datasets.ClassLabel):
        known = pc.if_else(pc.less(array, 0), pa.scalar(None, array.type), array)
        return pa.array(feature.names, pa.string()).take(known)
    inner = getattr(feature, "feature", None)
    if isinstance(inner, datasets.ClassLabel) and is_list(array.type):
        counts = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return pa.ListArray.from_arrays(
            pa.array(offsets), decode(pc.list_flatten(array), inner), mask=pc.is_null(array)
        )
    return array
