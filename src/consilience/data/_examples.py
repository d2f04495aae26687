"""The examples of one split: dicts of fields, read from the tables of their sources when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from consilience.data._parts import DRAW, ROW, Part, Pick
from consilience.data._slices import Places

__all__ = ["DRAW", "ROW", "Examples"]


class Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """The examples of one split, over all sources.

    An example is `{field: value}` with None for what it lacks: a text is a string or a list of words, a category its
    position in the label space, categories and token labels a list of positions, numbers a list of floats. Beside the
    fields it carries the number of its row and how often that was drawn before. A `Pick` of no row has no field.
    """

    def __init__(self, parts: Sequence[Part], fields: Sequence[str]) -> None:
        self.parts = tuple(parts)
        self.fields = tuple(fields)
        self._ends = np.cumsum([len(part) for part in self.parts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.parts else 0

    def __getitem__(self, index: int | Pick) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indexes: Sequence[int | Pick]) -> list[dict[str, Any]]:
        """Gives several examples at once; torch's data loader asks in this way."""
        picks = [one if isinstance(one, Pick) else Pick(int(one), 0) for one in indexes]
        places = [at for at, one in enumerate(indexes) if not (isinstance(one, Pick) and one.place < 0)]
        found: list[dict[str, Any]] = [{ROW: -1, DRAW: 0, **dict.fromkeys(self.fields)} for _ in picks]
        examples = self._read([picks[at].place for at in places])
        for at, example in zip(places, examples, strict=True):
            found[at] = {ROW: example[ROW], DRAW: picks[at].draw, **{name: example.get(name) for name in self.fields}}
        return found

    def _read(self, indexes: Sequence[int]) -> list[dict[str, Any]]:
        wanted = np.asarray(indexes, np.int64)
        if len(wanted) and not -len(self) <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"an index is out of range for {len(self)} examples")
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        owners = np.searchsorted(self._ends, wanted, side="right")
        found: list[dict[str, Any]] = [{} for _ in indexes]
        for owner in np.unique(owners):
            part = self.parts[owner]
            places = np.flatnonzero(owners == owner)
            examples = part.read(wanted[places] - (self._ends[owner] - len(part)))
            for place, example in zip(places, examples, strict=True):
                found[place] = example
        return found

    @property
    def lengths(self) -> list[int]:
        """How many characters the texts of each example have: what batches of like length are made by."""
        return [length for part in self.parts for length in part.lengths.tolist() * part.repeat]

    @property
    def sizes(self) -> dict[str, int]:
        """How many examples each source gives."""
        return {part.source: len(part) for part in self.parts}

    def places(self, numbers: Iterable[int]) -> str:
        """Writes where examples stand, by their numbers: `rows 3, 7 of reviews`, as the user counts them."""
        wanted = np.array(sorted(set(numbers)), np.int64)
        told = []
        for part in self.parts:
            own = np.intersect1d(wanted - part.first, part.rows)
            places = Places()
            places.add(part.table_name, own)
            told += [f"{places} of {part.source}"] if len(own) else []
        return " and ".join(told)

    def counts(self, field: str) -> dict[str, int]:
        """Counts, for each source, the examples that have a value for a field that is no text."""
        return {
            part.source: (len(part.rows) - part.values[field].null_count) * part.repeat
            for part in self.parts
            if field in part.values
        }
