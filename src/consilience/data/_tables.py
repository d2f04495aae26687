"""Opens the sources: tables of raw columns, one for each split that a source has of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consilience.data._values import WrongShapeError, is_list, plain
from consilience.declare import Source, show
from consilience.errors import DataError, Diagnostic, nearest

__all__ = ["SPLITS", "decode", "open_streams", "open_tables", "read_column"]


SPLITS = ("train", "validation", "test")
_ALLOWED = (*SPLITS, "all")


def open_tables(name: str, source: Source, component: str = "") -> dict[str, datasets.Dataset]:
    """Opens a source; its `DataError` comes back with paths in the fusion.

    `component` is its full name, with its plugin's namespace. What is no table for each split raises `DataError`.
    """
    component = component or type(source).component
    tables = _called(name, source.open)
    wrong = _wrong_tables(tables)
    if wrong:
        raise _dishonoured(name, source, component, "open", wrong)
    return {split: _flat(table) for split, table in tables.items() if split in _ALLOWED}


def open_streams(name: str, source: Source, component: str = "") -> dict[str, datasets.IterableDataset]:
    """Opens a source whose rows are read as they come; its faults come back as those of `open_tables`."""
    streams = _called(name, source.stream)
    wrong = _wrong_tables(streams, datasets.IterableDataset)
    if wrong:
        raise _dishonoured(name, source, component or type(source).component, "stream", wrong)
    return {split: stream for split, stream in streams.items() if split in _ALLOWED}


def _called(name: str, opens: Callable[[], Any]) -> Any:
    try:
        return opens()
    except DataError as error:
        raise DataError(replace(item, path=("sources", name, *item.path)) for item in error.diagnostics) from error


def _dishonoured(name: str, source: Source, component: str, method: str, wrong: tuple[str, str, str]) -> DataError:
    owner = f"{type(source).__qualname__}.{method} of {type(source).__module__}"
    found = f"{wrong[0]}, from {component} ({owner})"
    return DataError(Diagnostic("CN207", ("sources", name), found, wrong[1], f"# mend {owner}: {wrong[2]}"))


def _wrong_tables(tables: object, kind: type = datasets.Dataset) -> tuple[str, str, str] | None:
    """Tells what is wrong with what a source gave when it was opened: found, expected, fix."""
    expected = f"a datasets.{kind.__name__} for each split of {', '.join(_ALLOWED)}"
    if not isinstance(tables, Mapping):
        return f"{_kind(tables)} in place of a mapping", expected, 'return {"all": dataset}'
    for split, table in tables.items():
        # A published data set has the splits that it has (`unsupervised`): the library that loads it writes them down.
        if split not in _ALLOWED and str(getattr(table, "split", None)) != split:
            near = nearest(str(split), _ALLOWED) or ("validation" if split in ("dev", "valid", "val") else "all")
            return f"the split {show(split)}", f"splits named {', '.join(_ALLOWED)}", f"name it {near}"
        if not isinstance(table, kind):
            made = "from_dict" if kind is datasets.Dataset else "from_generator"
            return (
                f"{_kind(table)} for the split {split}",
                expected,
                f"datasets.{kind.__name__}.{made}(...) for {split}",
            )
    return None


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__qualname__}"


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
