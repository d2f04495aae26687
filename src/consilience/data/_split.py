"""Cuts the rows of a source into splits."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from consilience.data._values import Rows

__all__ = ["SHUFFLE_SEED", "CutError", "cut"]

SHUFFLE_SEED = 1840
"""The seed of the one shuffle, whatever `train.seed` is: a test set must not change with it. (1840: the year in which
William Whewell gave consilience its name.)"""


class CutError(ValueError):
    """A split takes what the source does not have."""

    def __init__(self, split: str, found: str, expected: str, fix: str) -> None:
        super().__init__(f"{split}: {found}")
        self.split, self.found, self.expected, self.fix = split, found, expected, fix


def cut(count: int, amounts: Mapping[Any, int | float]) -> dict[str, Rows]:
    """Deals `count` rows out, in the order of `amounts`: whole numbers are rows, others are shares of at most 1.

    Rows that are left go to `train`, unless `train` is named. Equal counts give equal shuffles, so that sources over
    the same rows deal from the same pack. Within a split the rows stand in their first order. Raises `CutError`.
    """
    # RandomState, not Generator: numpy promises that its stream never changes (NEP 19).
    shuffled = np.random.RandomState(SHUFFLE_SEED).permutation(count).astype(np.int64)
    dealt, end = {}, Fraction(0)
    for split, amount in amounts.items():
        if isinstance(amount, float) and amount > 1:
            expected = "a whole number of rows, or a share of at most 1"
            raise CutError(split, str(amount), expected, f"{split}: {int(amount)}")
        start, end = end, end + (Fraction(str(amount)) * count if isinstance(amount, float) else amount)
        if _round(end) > count:
            left = count - _round(start)
            room = left if "train" in amounts else left // 2  # the rest is to be learnt from
            found = f"{amount} where {left} of {count} rows are left"
            fix = f"{split}: {room}" if room else f"# remove the key {split}"
            raise CutError(split, found, f"at most {left} rows", fix)
        dealt[split] = np.sort(shuffled[_round(start) : _round(end)])
    if "train" not in dealt:
        dealt["train"] = np.sort(shuffled[_round(end) :])
    return dealt


def _round(place: Fraction) -> int:
    return int(place + Fraction(1, 2))
