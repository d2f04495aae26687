"""Counts how many rows of each source an epoch has."""

from __future__ import annotations

from collections.abc import Mapping

from consilience.declare import Mixing

__all__ = ["epoch_rows", "shares_of"]


def shares_of(mixing: Mixing, rows: Mapping[str, int], repeats: Mapping[str, int]) -> dict[str, float]:
    """Gives the share of each source in an epoch; they sum to 1.

    `by: temperature` is that of T5 (Raffel et al. 2020, section 3.5.2) and of multilingual BERT: n^(1/T).
    """
    weights = {
        name: count * repeats[name]
        if mixing.by == "size"
        else mixing.proportions[name]
        if mixing.by == "proportions"
        else count ** (1 / mixing.temperature)
        if mixing.by == "temperature"
        else 1.0
        for name, count in rows.items()
    }
    whole = sum(weights.values())
    return {name: weight / whole for name, weight in weights.items()}


def epoch_rows(mixing: Mixing, rows: Mapping[str, int], repeats: Mapping[str, int]) -> dict[str, int]:
    """Gives how many rows of each source an epoch has, at least one, for sources of so many rows.

    The source that ends the epoch gives each of its rows once; the others are rounded to whole rows.
    """
    shares = shares_of(mixing, rows, repeats)
    if mixing.by == "size":
        counts = {name: count * repeats[name] for name, count in rows.items()}
    else:
        lasts = {name: count / shares[name] for name, count in rows.items()}
        ends = mixing.until
        if ends in ("longest", "shortest"):
            ends = (max if ends == "longest" else min)(lasts, key=lambda name: lasts[name])
        counts = {name: max(1, round(lasts[ends] * share)) for name, share in shares.items()}
        counts[ends] = rows[ends]
    if mixing.rows is None or sum(counts.values()) <= mixing.rows:
        return counts
    return _dealt(shares, mixing.rows)


def _dealt(shares: Mapping[str, float], rows: int) -> dict[str, int]:
    """Deals so many rows out by shares, by largest remainders; the largest gives to those that would have none."""
    exact = {name: rows * share for name, share in shares.items()}
    counts = {name: int(amount) for name, amount in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: rows - sum(counts.values())]:
        counts[name] += 1
    for name in [name for name, count in counts.items() if not count]:
        largest = max(counts, key=lambda other: counts[other])
        counts[largest] -= 1
        counts[name] = 1
    return counts
