"""Classes of a source whose labels shall come equally often, and what is told where one has no row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consilience.data._plan import DataPlan
from consilience.data._tally import Tally
from consilience.data._values import Rows, is_list
from consilience.errors import Diagnostic, shortlist

__all__ = ["classes_of", "lacking_classes"]


def classes_of(values: pa.Array, size: int) -> tuple[list[Rows], Rows]:
    """Gives the rows of each class that has any, and the rows without a value.

    A category's classes are its labels. A row of several labels is of the class of the one that fewest rows have (of
    equally rare ones the first in the label space); rows with an empty list are a class of their own.
    """
    codes = _rarest(values, size) if is_list(values.type) else pc.fill_null(values, -1).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable").astype(np.int64)
    starts = np.searchsorted(codes[order], np.arange(size + 2))
    classes = [order[low:high] for low, high in pairwise(starts) if low < high]
    return classes, order[: starts[0]]


def _rarest(values: pa.Array, size: int) -> Rows:
    """Gives the rarest label of each row; `size` for an empty list, -1 for none."""
    present = values.is_valid().to_numpy(zero_copy_only=False)
    counts = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    flat = values.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    rank = np.empty(size, np.int64)
    rarest_first = np.argsort(np.bincount(flat, minlength=size), kind="stable")
    rank[rarest_first] = np.arange(size)
    best = np.full(len(values), size, np.int64)
    np.minimum.at(best, np.repeat(np.arange(len(values)), counts), rank[flat])
    codes = np.where(best < size, rarest_first[np.minimum(best, size - 1)], size)
    return np.where(present, codes, -1).astype(np.int64)


def lacking_classes(plan: DataPlan, tallies: Iterable[Tally]) -> Iterator[Diagnostic]:
    """Tells of labels without a training row in a source that shall give all of them equally often."""
    for tally in tallies:
        field = plan.fusion.sources[tally.source].balance
        space = plan.labels(field) if field else None
        if field is None or space is None or field not in tally.labels or not tally.rows("train"):
            continue
        counts = tally.labels[field].get("train")
        never = (
            [label for label, count in zip(space.labels, counts, strict=True) if not count]
            if counts is not None
            else space.labels
        )
        if never:
            found = f"{field}, of which {tally.source} has no training row for {shortlist(never)}"
            path = ("sources", tally.source, "balance")
            expected = f"a training row for each label of {field}"
            yield Diagnostic("CN531", path, found, expected, "# remove the key balance, or add rows of these labels")
