"""Columns to fields: one value a row, null where the row has none, and the rows that no such field can take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from consilience.data._labels import IGNORED, LabelReader
from consilience.data._values import Rows, WrongShapeError, as_text, encode, is_list, is_text, items

__all__ = [
    "LARGEST",
    "Converted",
    "read_categories",
    "read_category",
    "read_number",
    "read_numbers",
    "read_text",
    "read_token_labels",
    "word_counts",
]

LARGEST = 1e18
"""The largest number that is read: its square stays finite in float32."""

_Numbers = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Converted:
    """A field's values by row, and for each cell that was refused the rows that hold it."""

    values: pa.Array
    refused: Mapping[str, Rows] = field(default_factory=dict)
    misshapen: Mapping[str, Rows] = field(default_factory=dict)


def read_text(array: pa.Array) -> pa.Array:
    """Checks that a column can be read as texts or lists of words, and gives how long each is (0: missing)."""
    if is_list(array.type):
        if not is_text(array.type.value_type):
            raise WrongShapeError(f"a list of {array.type.value_type}")
        flat, counts, present = items(array, " ", words=True)
        rows = np.repeat(np.arange(len(counts)), counts)
        lengths = pc.utf8_length(flat).fill_null(0).to_numpy(zero_copy_only=False)
        total = np.bincount(rows, lengths, minlength=len(counts)) + np.maximum(counts - 1, 0)
        return pa.array(np.where(present, total, 0).astype(np.int64))
    if is_text(array.type):
        return pc.utf8_length(pc.utf8_trim_whitespace(array)).fill_null(0).cast(pa.int64())
    if pa.types.is_struct(array.type) or pa.types.is_map(array.type) or pa.types.is_binary(array.type):
        raise WrongShapeError("a mapping or bytes")
    values, codes = encode(array)
    lengths = np.array([*(len(as_text(value)) for value in values), 0])
    return pa.array(lengths[codes])


def word_counts(array: pa.Array) -> Rows:
    """Counts the words of each text: those of a list, or those between white space."""
    _, counts, _ = items(array, " ", words=True)
    return counts


def read_category(array: pa.Array, reader: LabelReader) -> Converted:
    """Reads one label a row."""
    found, missing, refused = _look_up(array, reader, 0)
    return Converted(pa.array(found.astype(np.int64), mask=missing), refused)


def read_categories(array: pa.Array, reader: LabelReader, separator: str) -> Converted:
    """Reads any number of labels a row: null where the row has no cell, or only labels without a counterpart."""
    flat, counts, present = items(array, separator, words=False)
    found, missing, refused = _look_up(flat, reader, 0)
    rows = np.repeat(np.arange(len(counts)), counts)
    size = len(reader.space)
    pairs = np.unique(rows[~missing] * size + found[~missing].astype(np.int64))
    kept = np.bincount(pairs // size, minlength=len(counts))
    absent = ~present | ((counts > 0) & (kept == 0))
    return Converted(_lists(pa.array(pairs % size), kept, absent), _of_rows(refused, rows))


def read_number(array: pa.Array) -> Converted:
    """Reads one number a row, finite and of at most `LARGEST`."""
    found, missing, refused = _look_up(array, _number, 0.0)
    return Converted(pa.array(found, mask=missing), refused)


def read_numbers(array: pa.Array, size: int, separator: str) -> Converted:
    """Reads `size` numbers a row, finite and of at most `LARGEST`."""
    flat, counts, present = items(array, separator, words=True)
    found, missing, refused = _look_up(flat, _number, 0.0)
    rows = np.repeat(np.arange(len(counts)), counts)
    holes = np.bincount(rows[missing], minlength=len(counts)) > 0 if not refused else np.zeros(len(counts), bool)
    wrong = np.flatnonzero(present & ((counts != size) | holes))
    misshapen = {f"{count} numbers": wrong[counts[wrong] == count] for count in np.unique(counts[wrong])}
    return Converted(_lists(pa.array(found), counts, ~present), _of_rows(refused, rows), misshapen)


def read_token_labels(array: pa.Array, reader: LabelReader, separator: str, words: Rows) -> Converted:
    """Reads one label a word; a label without a counterpart, and -100, is a word that is ignored."""

    def read(text: str) -> int | None:
        return None if text == str(IGNORED) else reader(text)

    flat, counts, present = items(array, separator, words=True)
    found, missing, refused = _look_up(flat, read, IGNORED)
    rows = np.repeat(np.arange(len(counts)), counts)
    present &= counts > 0
    wrong = np.flatnonzero(present & (counts != words))
    shapes = [f"{labels} labels for {count} words" for labels, count in zip(counts[wrong], words[wrong], strict=True)]
    misshapen = {shape: wrong[[other == shape for other in shapes]] for shape in dict.fromkeys(shapes[:100])}
    found[missing] = IGNORED
    return Converted(_lists(pa.array(found.astype(np.int64)), counts, ~present), _of_rows(refused, rows), misshapen)


def _look_up(
    array: pa.Array, convert: Callable[[str], float | None], empty: float
) -> tuple[_Numbers, _Mask, dict[str, Rows]]:
    values, codes = encode(array)
    found = np.full(len(values) + 1, empty, np.float64)
    missing = np.zeros(len(values) + 1, bool)
    missing[-1] = True
    refused = {}
    for index, value in enumerate(values):
        try:
            converted = convert(as_text(value))
        except (KeyError, ValueError):
            refused[as_text(value)] = index
            continue
        found[index], missing[index] = (empty, True) if converted is None else (converted, False)
    places = {text: np.flatnonzero(codes == index) for text, index in list(refused.items())[:100]}
    rest = np.flatnonzero(np.isin(codes, list(refused.values())[100:]))
    return found[codes], missing[codes], places | ({"other values": rest} if len(rest) else {})


def _number(text: str) -> float:
    number = float(text)
    if not abs(number) <= LARGEST or "_" in text:  # nan is not
        raise ValueError(text)
    return number


def _of_rows(refused: Mapping[str, Rows], rows: Rows) -> dict[str, Rows]:
    return {text: np.unique(rows[places]) for text, places in refused.items()}


def _lists(flat: pa.Array, counts: Rows, absent: _Mask) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(absent))
