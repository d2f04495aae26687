"""Finds texts that stand in two places, by hashes of 8 bytes a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from consilience.data._values import Rows, as_text

__all__ = ["NOTHING", "Hashes", "Index", "Shared", "first_rows", "hash_both", "hash_text"]

Hashes = npt.NDArray[np.uint64]

NOTHING = 0
"""The hash of a row without a text."""


def hash_text(parts: Iterable[object]) -> int:
    """Hashes the texts of one row; case and white space make no difference."""
    return hash_both(parts)[1]


def hash_both(parts: Iterable[object]) -> tuple[int, int]:
    """Hashes the texts of one row, as they stand and without case and white space."""
    exact = [_text(part) for part in parts if part is not None]
    normal = [" ".join(text.casefold().split()) for text in exact]
    if not any(normal):
        return NOTHING, NOTHING
    folded = _hash(normal)
    return folded if normal == exact else _hash(exact), folded


def _hash(texts: list[str]) -> int:
    return int.from_bytes(blake2b("\x1f".join(texts).encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def _text(part: object) -> str:
    return " ".join(map(str, part)) if isinstance(part, list) else part if isinstance(part, str) else as_text(part)


def first_rows(hashes: Sequence[Hashes]) -> list[Rows]:
    """Gives, for each of several tables, the rows whose text stands neither higher up nor in an earlier table.

    Rows without a text all stay.
    """
    together = np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)
    _, first = np.unique(together, return_index=True)
    kept = np.unique(np.concatenate([first, np.flatnonzero(together == NOTHING)]))
    starts = np.cumsum([0, *map(len, hashes)])
    bounds = np.searchsorted(kept, starts)
    return [kept[low:high] - start for low, high, start in zip(bounds, bounds[1:], starts, strict=False)]


@dataclass(frozen=True)
class Shared:
    """The rows of one table whose texts stand in another too, each with a row there."""

    rows: Rows
    twins: Rows


class Index:
    """The hashes of one table, sorted once for all that is looked for among them."""

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._order = np.argsort(hashes, kind="stable")

    def shared_rows(self, here: Hashes) -> Shared:
        """Finds the rows here whose text stands in the table, and one row there for each."""
        there, order = self._hashes, self._order
        if not len(there):
            return Shared(np.zeros(0, np.int64), np.zeros(0, np.int64))
        places = np.searchsorted(there, here, sorter=order)
        candidates = order[np.minimum(places, len(there) - 1)]
        rows = np.flatnonzero((there[candidates] == here) & (here != NOTHING))
        return Shared(rows, candidates[rows])
