"""Tells which kinds of values stand in a column of JSON lines that no type of Arrow's is of."""

from __future__ import annotations

from collections.abc import Mapping

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consilience.data._slices import Places, table_slices

__all__ = ["kinds_of_values"]

_KINDS = {'"': "text", "[": "a list", "{": "a mapping", "t": "true or false", "f": "true or false"}
"""What a value of JSON is by its first character; the others are numbers."""


def kinds_of_values(tables: Mapping[str, datasets.Dataset], column: str) -> dict[str, Places]:
    """Gives where each kind of value stands, in the columns that are kept as JSON: those of several types."""
    found: dict[str, Places] = {}
    for name, table in tables.items():
        if column not in table.column_names or not isinstance(table.data.column(column).type, pa.JsonType):
            continue
        for start, part in table_slices(table, [column]):
            cells = part.column(column).combine_chunks()
            firsts = pc.utf8_slice_codeunits(cells.cast(pa.string()), 0, 1).fill_null("n")
            kinds = np.array([_KINDS.get(first, "a number") for first in firsts.to_pylist()])
            here = firsts.to_numpy(zero_copy_only=False) != "n"  # null is of no kind
            for kind in dict.fromkeys(kinds[here].tolist()):
                found.setdefault(kind, Places()).add(name, start + np.flatnonzero(here & (kinds == kind)))
    return found
