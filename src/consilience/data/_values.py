"""Cells as texts, and the columns of Arrow tables that cells stand in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Rows", "WrongShapeError", "as_text", "encode", "is_extension", "is_list", "is_text", "items", "plain"]

Rows = npt.NDArray[np.int64]
_EXACT = 2.0**53
"""From where on a float no longer tells whole numbers apart: its digits would say more than it knows."""


class WrongShapeError(ValueError):
    """A column holds what no field of its type can take, such as a mapping."""


def as_text(value: object) -> str:
    """Writes one cell the way a text file would: `1` for 1 and 1.0, `true` for True."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, default=str)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_extension(kind: pa.DataType) -> bool:
    """Whether a column is of a type that Arrow's functions do not know, as JSON's values of several types are."""
    return isinstance(kind, pa.BaseExtensionType)  # pa.ExtensionType is the base of Python's own alone


def plain(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Gives a column as one array; raises `WrongShapeError` where rows are of several types."""
    if is_extension(column.type):
        raise WrongShapeError("values of several types")
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def encode(array: pa.Array) -> tuple[list[Any], Rows]:
    """Gives the distinct values, and for each row which of them it has: -1 for none.

    What is done for each distinct value is Python's work, what is done for each row is not.
    """
    if is_list(array.type) or pa.types.is_struct(array.type) or pa.types.is_map(array.type):
        raise WrongShapeError("a list or a mapping")
    if is_extension(array.type):  # the items of lists
        raise WrongShapeError("values of several types")
    if is_text(array.type):
        array = pc.utf8_trim_whitespace(array)
        array = pc.if_else(pc.equal(array, ""), pa.scalar(None, array.type), array)
    encoded = array.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


def items(array: pa.Array, separator: str, *, words: bool) -> tuple[pa.Array, Rows, npt.NDArray[np.bool_]]:
    """Splits the cells of a column into items.

    Gives the items of all rows in a row, how many each row has, and which rows have a value at all. A text cell is
    split at the separator, and with `words` at white space too; an empty one has no value, an empty list has one.
    """
    if is_text(array.type):
        text = pc.utf8_trim_whitespace(array)
        present = pc.and_kleene(pc.is_valid(text), pc.not_equal(text, "")).fill_null(False)
        lists = _pieces(pc.if_else(present, text, ""), separator, words=words)
        keep = None if words else pc.not_equal(pc.utf8_trim_whitespace(lists.flatten()), "")
    elif is_list(array.type):
        present, lists, keep = pc.is_valid(array), array, None
    else:
        present = pc.is_valid(array)
        counts = present.to_numpy(zero_copy_only=False).astype(np.int64)
        return array.filter(present), counts, present.to_numpy(zero_copy_only=False)
    has = present.to_numpy(zero_copy_only=False)
    counts = np.where(has, pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False), 0).astype(np.int64)
    flat = pc.list_flatten(lists.filter(present))
    if keep is not None:
        rows = np.repeat(np.arange(len(counts)), pc.list_value_length(lists).to_numpy(zero_copy_only=False))
        kept = keep.to_numpy(zero_copy_only=False)
        counts = np.bincount(rows[kept], minlength=len(counts)).astype(np.int64)
        flat = lists.flatten().filter(keep)
    return flat, counts, has


def _pieces(text: pa.Array, separator: str, *, words: bool) -> pa.Array:
    if words and separator.strip():
        text = pc.replace_substring(text, separator, " ")
    if words or not separator.strip():
        return pc.utf8_split_whitespace(pc.utf8_trim_whitespace(text))
    return pc.split_pattern(text, separator)
