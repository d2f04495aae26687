"""What is the balancer's own: whose code raised, and what is wrong with the factors and penalties that it gives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from consilience.plan import Plan

__all__ = ["in_balancer", "misweighed"]

_PATH = ("objective", "balance")


@contextmanager
def in_balancer(plan: Plan, doing: str) -> Iterator[None]:
    """Notes on an exception whose code raised it: the balancer, its distribution, and where the file names it."""
    try:
        yield
    except Exception as error:
        name = plan.fusion.objective.balance["use"]
        offer = plan.registry.component(name)
        owner = f"{offer.distribution} {offer.version}".strip() if offer else "its plugin"
        place = plan.fusion.place(_PATH)
        at = f", at {place}" if place else ""
        error.add_note(f"in the {doing} of the balancer {name} (from {owner}{at})")
        raise


def misweighed(given: Any, asked: Collection[str], known: Collection[str]) -> str | None:
    """Says what of a balancer's answer cannot be used, but for its values: None where each is a single number.

    `asked` are the losses that it was given, `known` all that it was built for: it may weigh more than it was asked.
    """
    if not isinstance(given, tuple) or len(given) != 2 or not all(isinstance(part, Mapping) for part in given):
        return type(given).__name__
    factors, penalties = given
    if lacking := [name for name in asked if name not in factors]:
        return f"no factor for {lacking[0]}"
    for word, part in (("factor", factors), ("penalty", penalties)):
        for name, value in part.items():
            if name not in known:
                return f"a {word} for {name}, which is none of its losses,"
            if not _is_single(value):
                return f"{_shown(value)} as the {word} for {name}"
    return None


def _is_single(value: Any) -> bool:
    return value.dim() == 0 if isinstance(value, Tensor) else isinstance(value, int | float)


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"a tensor of the shape {tuple(value.shape)}"
