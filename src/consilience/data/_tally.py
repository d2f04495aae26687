"""Counts, split by split, what the rows of one source hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consilience.data._overlap import NOTHING, Hashes, hash_both
from consilience.data._slices import Chosen, Places, Slice
from consilience.data._tables import SPLITS
from consilience.data._values import Rows
from consilience.errors import Diagnostic

__all__ = ["Tally"]


@dataclass
class Tally:
    """What the rows of one source hold. Of each row two hashes of its text are kept, 16 bytes, and nothing else."""

    source: str
    chosen: Mapping[str, Chosen]
    fields: tuple[str, ...]
    """The fields that the source fills."""
    texts: tuple[str, ...]
    """Those of them that are texts."""
    faults: dict[str, tuple[Diagnostic, ...]] = field(default_factory=dict)
    """What is wrong with the columns of some fields: what these hold is not known."""
    present: dict[str, Counter[frozenset[str]]] = field(default_factory=dict)
    """For each split, how many rows have just these fields."""
    labels: dict[str, dict[str, Rows]] = field(default_factory=dict)
    """For each field of labels and each split, how many rows (or words) have each label."""
    positions: dict[str, set[str]] = field(default_factory=dict)
    """For each field of labels, the cells that were read as positions in its label space."""
    empty: dict[str, Places] = field(default_factory=dict)
    """For each split, the rows without any text."""
    exact: dict[str, Hashes] = field(default_factory=dict)
    normal: dict[str, Hashes] = field(default_factory=dict)
    """The hash of each row's texts, as they stand, and case and white space aside."""

    def __post_init__(self) -> None:
        if self.texts:
            self.exact = {split: np.zeros(len(one.rows), np.uint64) for split, one in self.chosen.items()}
            self.normal = {split: np.zeros(len(one.rows), np.uint64) for split, one in self.chosen.items()}

    def count_present(self, part: Slice, has: Mapping[str, npt.NDArray[np.bool_]]) -> None:
        """Counts which fields the rows of a slice have."""
        names = list(has)
        table = np.column_stack([part.owners, *(has[name] for name in names)])
        for (owner, *row), count in zip(*np.unique(table, axis=0, return_counts=True), strict=True):
            held = frozenset(name for name, is_there in zip(names, row, strict=True) if is_there)
            self.present.setdefault(SPLITS[owner], Counter())[held] += int(count)

    def count_labels(self, name: str, part: Slice, values: pa.Array, size: int) -> None:
        """Counts the labels of a field in a slice: one a row, or a list of them."""
        counts = self.labels.setdefault(name, {})
        for owner in np.unique(part.owners):
            own = values.filter(pa.array(part.owners == owner))
            flat = (own.flatten() if pa.types.is_list(own.type) else own).drop_null().to_numpy(zero_copy_only=False)
            found = np.bincount(flat[flat >= 0].astype(np.int64), minlength=size)
            counts[SPLITS[owner]] = counts.get(SPLITS[owner], np.zeros(size, np.int64)) + found

    def hash_texts(self, part: Slice, columns: list[pa.Array]) -> None:
        """Hashes the texts of a slice, and notes the rows that have none."""
        hashes = [hash_both(cells) for cells in zip(*(column.to_pylist() for column in columns), strict=True)]
        exact, normal = np.array(hashes, np.uint64).T
        for owner in np.unique(part.owners):
            split = SPLITS[owner]
            own = part.owners == owner
            places = np.searchsorted(self.chosen[split].rows, part.rows[own])
            self.exact[split][places], self.normal[split][places] = exact[own], normal[own]
            missing = part.rows[own][normal[own] == NOTHING]
            if len(missing):
                self.empty.setdefault(split, Places()).add(part.table, missing)

    def rows(self, split: str) -> int:
        """Counts the rows of a split."""
        return len(self.chosen[split].rows) if split in self.chosen else 0
