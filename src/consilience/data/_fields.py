"""Reads the fields of one source from its columns, slice by slice, and tells what of a column no field can take."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from unicodedata import normalize

import datasets
import numpy as np

from consilience.data._columns import (
    LARGEST,
    Converted,
    read_categories,
    read_category,
    read_number,
    read_numbers,
    read_text,
    read_token_labels,
    word_counts,
)
from consilience.data._kinds import kinds_of_values
from consilience.data._labels import LabelReader, NoMappingError
from consilience.data._plan import DataPlan
from consilience.data._select import unknown_column
from consilience.data._slices import Places, Slice
from consilience.data._values import Rows, WrongShapeError
from consilience.declare import ColumnMap, LabelSpace, paste, show
from consilience.errors import DataError, Diagnostic, Path, is_slip, nearest

__all__ = ["LABELLED", "FieldReader", "mapped"]

LABELLED = ("category", "categories", "token_labels")
"""The types of fields that hold labels."""
_SHOWN = 3
_MOST_SHAPES = 100
_REST = "other values"
_CUT = 3
"""How many letters a label that is cut short has at least."""
_DIGITS = re.compile(r"\d")


def mapped(plan: DataPlan, source: str) -> dict[str, ColumnMap]:
    """Gives the column of each field that a source fills."""
    written = plan.fusion.sources[source].map
    return {
        name: ColumnMap(column=column) if isinstance(column, str) else column
        for name, column in written.items()
        if name in plan.fields
    }


@dataclass
class FieldReader:
    """Reads one field, and keeps what could not be read; raises `DataError` when the file itself says it wrongly."""

    plan: DataPlan
    source: str
    name: str
    column: ColumnMap
    text: tuple[str, str] | None
    """The text whose words the labels of words are of, and its column."""
    refused: dict[str, Places] = field(default_factory=dict)
    misshapen: dict[str, Places] = field(default_factory=dict)
    negative: dict[str, Places] = field(default_factory=dict)
    """The cells below 0 of a field that weighs examples."""
    labels: LabelReader | None = None
    space: LabelSpace | None = None

    def __post_init__(self) -> None:
        self.kind = self.plan.fields[self.name].word
        self.space = self.plan.labels(self.name)
        if self.space is None and self.kind not in ("text", "number"):
            raise LookupError(f"the plan gives no label space for field {self.name}")
        if self.kind in LABELLED:
            assert self.space is not None
            self.labels = self._reader(self.space)
        if self.kind == "token_labels" and self.text is None:
            fix = f"map: {{text: text, {self.name}: {self.column.column}}}"
            raise DataError(Diagnostic("CN508", self.path(), "labels of words, and no text", "a text field", fix))

    def path(self, *keys: str) -> Path:
        """Gives the path of the field's key under `map`, or of a key below it."""
        return ("sources", self.source, "map", self.name, *keys)

    def check_column(self, tables: Mapping[str, datasets.Dataset]) -> None:
        """Raises `DataError` when no table has the column, or one has values of several types in it."""
        if not any(self.column.column in table.column_names for table in tables.values()):
            keys = () if isinstance(self.plan.fusion.sources[self.source].map[self.name], str) else ("column",)
            fix = f"{keys[0] if keys else self.name}: {{}}"
            raise DataError(unknown_column(self.path(*keys), self.column.column, tables, fix))
        kinds = kinds_of_values(tables, self.column.column)
        if kinds:
            told = ", ".join(f"{kind} in {places}" for kind, places in kinds.items())
            if len(kinds) == 1:  # the reader takes the quotes from numbers where it can
                told = f"{next(iter(kinds))}, with quotes and without"
            found = f"column {self.column.column} holds values of several types: {told}"
            fix = f"# write the odd values as the others are, or read {self.name} from another column"
            raise DataError(Diagnostic("CN508", self.path(), found, f"what a {self.kind} field can hold", fix))

    def read(self, part: Slice) -> Converted:
        """Reads the rows of a slice; notes what it refuses; raises `DataError` for a column of the wrong form."""
        try:
            converted = self._convert(part)
        except WrongShapeError as error:
            found, expected = f"column {self.column.column} holds {error}", f"what a {self.kind} field can hold"
            fix = f"# read {self.name} from another column"
            raise DataError(Diagnostic("CN508", self.path(), found, expected, fix)) from None
        below_0 = self._below_0(converted)
        wrong = ((converted.refused, self.refused), (converted.misshapen, self.misshapen), (below_0, self.negative))
        for places, noted in wrong:
            for text, rows in places.items():
                key = text if text in noted or len(noted) < _MOST_SHAPES else _REST
                noted.setdefault(key, Places()).add(part.table, part.rows[rows])
        return converted

    def _below_0(self, converted: Converted) -> Mapping[str, Rows]:
        """Gives the rows whose weight is below 0, by their cell, where the field weighs the examples of a loss."""
        if self.name not in {node.example_weight for node in self.plan.fusion.losses.values()} or self.kind != "number":
            return {}
        values = converted.values.fill_null(0).to_numpy(zero_copy_only=False)
        return {f"{value:g}": np.flatnonzero(values == value) for value in np.unique(values[values < 0])[:_MOST_SHAPES]}

    def _convert(self, part: Slice) -> Converted:
        array = part.column(self.column.column)
        if self.kind == "text":
            return Converted(read_text(array))
        if self.kind == "number":
            return read_number(array)
        if self.kind == "numbers":
            assert self.space is not None
            return read_numbers(array, len(self.space), self.column.separator)
        assert self.labels is not None
        if self.kind == "category":
            return read_category(array, self.labels)
        if self.kind == "categories":
            return read_categories(array, self.labels, self.column.separator)
        return read_token_labels(array, self.labels, self.column.separator, self._words(part))

    def _words(self, part: Slice) -> Rows:
        assert self.text is not None
        return word_counts(part.column(self.text[1]))

    def _reader(self, space: LabelSpace) -> LabelReader:
        wrong = {value: label for value, label in self.column.values.items() if space.position(label) is None}
        if wrong:
            raise DataError(
                Diagnostic(
                    "CN502",
                    self.path("values", value),
                    f"the unknown label {label}",
                    f"a label of {space}",
                    f"{show(value)}: {paste(near)}"
                    if (near := nearest(label, space.labels))
                    else f"# write one of the labels for {show(value)}",
                )
                for value, label in wrong.items()
            )
        try:
            return LabelReader(space, self.column, self._written_in())
        except LookupError as error:
            # A label space maps from others of its own plugin, and names them without the plugin's name.
            owner = str(self.plan.fields[self.name].labels).rpartition(".")[0]
            maps = [f"{owner}.{name}" if owner and "." not in name else name for name in space.maps]
            known = ", ".join(maps)
            expected = f"a label space that {space.name} maps from" + (
                f": {known}" if known else ", and it maps from none"
            )
            near = nearest(str(self.column.space), maps) or next(iter(maps), None)
            fix = f"space: {near}" if near else "# remove the key space, and write values: {their label: yours}"
            found = str(error) if isinstance(error, NoMappingError) else f"the unknown label space {self.column.space}"
            raise DataError(Diagnostic("CN510", self.path("space"), found, expected, fix)) from None

    def _written_in(self) -> LabelSpace | None:
        return self.plan.label_space(self.column.space) if self.column.space else None

    def faults(self) -> Iterable[Diagnostic]:
        """Tells what the rows that were read hold and the field cannot."""
        if self.refused:
            yield self._told_refused()
        elif self.negative:
            weighed = [name for name, node in self.plan.fusion.losses.items() if node.example_weight == self.name]
            found = f"column {self.column.column}: {_listed(self.negative, plain=True, more='more values')}"
            expected = f"a weight of 0 or more, by which an example counts for {', '.join(weighed)}"
            fix = "# correct these cells, or empty them: an example without a weight counts as 1"
            yield Diagnostic("CN530", self.path(), found, expected, fix)
        elif self.misshapen:
            found = _listed(self.misshapen, plain=True, more="more shapes")
            names = ", ".join(self.space.labels) if self.space else ""
            words = f"one label for each word of {self.text[0] if self.text else 'the text'}"
            expected = words if self.kind == "token_labels" else f"one number for each of {names}"
            fix = f'{self.name}: {{column: {self.column.column}, separator: ";"}}  # if that divides them'
            yield Diagnostic("CN508", self.path(), found, expected, f"{fix}; or correct the rows")

    def _told_refused(self) -> Diagnostic:
        found = f"column {self.column.column}: " + _listed(self.refused, plain=False, more="more values")
        if self.space is None or self.kind == "numbers":
            fix = "# correct these cells, or empty them: an empty cell is a missing value"
            expected = "a finite number"
            if any(map(_is_too_large, self.refused)):
                expected = f"a number of at most {LARGEST:.0e}, whose square a 32-bit float can hold".replace("+", "")
                fix = "# correct these cells, or write the column in a larger unit"
            return Diagnostic("CN503", self.path(), found, expected, fix)
        alike = [name for name in self.space.labels if any(_is_composed_otherwise(text, name) for text in self.refused)]
        if alike:
            found += f"; the same letters as in {', '.join(alike[:_SHOWN])}, composed differently"
        fix = self._values_meant(self.space)
        expected = LabelReader(self.space, self.column, self._written_in()).expected
        return Diagnostic("CN502", self.path(), found, expected, fix)

    def _values_meant(self, space: LabelSpace) -> str:
        """Writes the labels of the values refused, where they are clear; the others nobody can guess."""
        meant = self._meant(space)
        unclear = [text for text in self.refused if text not in meant and text != _REST]
        more = ", ..." if len(unclear) > _SHOWN or _REST in self.refused else ""
        rest = ", ".join(show(text) for text in unclear[:_SHOWN]) + more
        if not any(text in meant for text in self.refused):
            return f"# write the label of each value under values, or correct the rows: {rest}"
        values = ", ".join(
            f"{json.dumps(value) if _is_composed_otherwise(value, label) else show(value)}: {paste(label)}"
            for value, label in meant.items()
        )
        fix = f"{self.name}: {{column: {paste(self.column.column)}, values: {{{values}}}}}"
        return f"{fix}  # and the label of {rest}" if unclear else fix

    def _meant(self, space: LabelSpace) -> dict[str, str]:
        """Gives the labels that are clear, and those of the codes, which are not read beside `values`."""
        assert self.labels is not None
        refused = [text for text in self.refused if text != _REST]
        codes = sorted(self.labels.positions, key=int)
        if refused == [str(len(space))] and "0" not in codes:
            codes = [*codes, *refused]
            return self.column.values | {code: space.labels[int(code) - 1] for code in codes}  # counted from 1
        clear = {text: label for text in refused if (label := _clear(text, space))}
        return self.column.values | {code: space.labels[int(code)] for code in codes} | clear


def _is_too_large(text: str) -> bool:
    try:
        return LARGEST < abs(float(text)) < math.inf
    except ValueError:
        return False


def _clear(text: str, space: LabelSpace) -> str | None:
    """Finds the one label that a value can only mean: in another case, cut short, or with a slip of the pen."""
    value = _folded(text)
    labels = {_folded(name): label for label in space.labels for name in space.names_of(label)}
    if value in labels:
        return labels[value]
    longer = {label for name, label in labels.items() if len(value) >= _CUT and name.startswith(value)}
    if longer:
        return longer.pop() if len(longer) == 1 else None
    near = nearest(value, labels)
    # unsafe is no slip of safe, nor class3 of class1
    is_same = near is not None and near[0] == value[0] and _DIGITS.findall(near) == _DIGITS.findall(value)
    return labels[near] if near is not None and is_same and is_slip(value, near) else None


def _is_composed_otherwise(text: str, label: str) -> bool:
    """Tells whether two texts look alike and are not: é is one character, or e and an accent."""
    return _folded(text) == _folded(label) and text.strip().casefold() != label.casefold()


def _folded(text: str) -> str:
    return normalize("NFC", text.strip().casefold())


def _listed(refused: Mapping[str, Places], *, plain: bool, more: str) -> str:
    told = [f"{text if plain else show(text)} in {places}" for text, places in islice(refused.items(), _SHOWN)]
    if len(refused) > _SHOWN:
        told.append(f"and {len(refused) - _SHOWN} {more}")
    return ", ".join(told)
