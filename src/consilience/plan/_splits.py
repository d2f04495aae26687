"""Tells, without opening a source, in which splits it has rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from consilience.declare import Source
from consilience.errors import Path
from consilience.host import PLUGIN_ERRORS, innermost
from consilience.plan._resolved import Resolved

__all__ = ["MEASURED", "SPLITS", "own_splits", "splits_of", "takes_all", "tell_shares"]

MEASURED = frozenset({"validation", "test"})
SPLITS = MEASURED | {"train"}
_POOL = frozenset({"all", "train"})
"""The splits of its own whose rows the key `split` deals out."""


def own_splits(resolved: Resolved, name: str, source: Source) -> frozenset[str] | None:
    try:
        own = source.splits()
        if isinstance(own, str):  # its letters would be taken for names
            raise TypeError(f'splits gives the text "{own}": return frozenset({{"{own}"}})')
        return None if own is None else frozenset(own) & (SPLITS | {"all"})
    except PLUGIN_ERRORS as error:
        component = resolved.fusion.sources[name].use
        offer = resolved.registry.component(component)
        distribution = offer.distribution if offer else component
        found = f"{distribution} fails to tell the splits of {component}: {innermost(error)}"
        fix = f"# mend {distribution}, or upgrade it"
        resolved.fault("CN207", ("sources", name), found, "the names of splits, or None", fix)
        return None


def splits_of(own: frozenset[str] | None, dealt: Mapping[Any, int | float]) -> frozenset[str]:
    """Tells the splits that can have rows, once the key `split` has dealt them out."""
    if own is None:
        return SPLITS if not takes_all(dealt) else SPLITS - {"train"}
    kept = own - _POOL - set(dealt)
    if own & _POOL:
        kept |= set(dealt) - {"aside"}
        if "train" not in dealt and not takes_all(dealt):
            kept |= {"train"}
    return kept


def takes_all(dealt: Mapping[Any, int | float]) -> bool:
    return "train" not in dealt and _shares(dealt.values()) >= 1


def _shares(amounts: Iterable[int | float]) -> Fraction:
    return sum((Fraction(str(amount)) for amount in amounts if isinstance(amount, float)), Fraction(0))


def tell_shares(resolved: Resolved, name: str, dealt: Mapping[Any, int | float]) -> bool:
    """Notes a share that no number of rows allows; tells whether there is one."""
    left = Fraction(1)
    for split, amount in dealt.items():
        if not isinstance(amount, float):
            continue
        path: Path = ("sources", name, "split", split)
        if amount > 1:
            expected = "a whole number of rows, or a share of at most 1"
            meant = f"{split}: {int(amount)}" if amount.is_integer() else None
            fix = meant or f"# write a share below 1, such as 0.2, or how many rows {split} takes"
            resolved.fault("CN505", path, str(amount), expected, fix)
            return True
        if Fraction(str(amount)) > left:
            room = left if "train" in dealt else left / 2  # the rest is to be learnt from
            fix = f"{split}: {float(room):g}" if room else f"# remove the key {split}"
            found = f"{amount}, where {float(left):g} of the rows are left"
            resolved.fault("CN505", path, found, "shares that are at most 1 together", fix)
            return True
        left -= Fraction(str(amount))
    return False
