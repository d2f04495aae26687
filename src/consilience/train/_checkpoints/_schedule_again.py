"""Lets accepted settings of the optimizer take effect: its saved state, and the schedule's, would hide them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["take_effect"]


def take_effect(
    groups: Sequence[dict[str, Any]], fresh: Sequence[Mapping[str, Any]], scheduler: Any, bases: Sequence[float]
) -> None:
    """Gives each group its new settings, with the learning rate that the schedule has at the step it stands at."""
    before = list(scheduler.base_lrs)
    scheduler.base_lrs = list(bases)
    factors = getattr(scheduler, "lr_lambdas", None)
    rates = []
    for place, (group, new) in enumerate(zip(groups, fresh, strict=True)):
        if factors is not None:
            rate = bases[place] * factors[place](scheduler.last_epoch)
        else:  # a schedule that goes on from the last rate
            rate = group["lr"] * (bases[place] / before[place] if before[place] else 1.0)
        group.update(new)
        group["lr"] = rate
        rates.append(rate)
    scheduler._last_lr = rates
