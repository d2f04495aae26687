"""Measures how long a layer of an encoder takes with fewer heads and fewer neurons."""

from __future__ import annotations

import copy
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from consilience_complexity.anatomy import Projection, find_blocks, find_projections
from consilience_complexity.cutting import keep_units

__all__ = ["CannotProfile", "profile_layer"]

_SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
_RUNS, _WARM_UP = 30, 5


class CannotProfile(ValueError):
    """A folder without an encoder whose layers could be timed."""


def profile_layer(folder: Path, length: int, batch: int) -> dict[str, Any]:
    """Gives the milliseconds of the first layer by its heads, and by its neurons: pairs in rising order.

    Each is the median of 30 forward passes, after 5 to warm up. Raises `CannotProfile`.
    """
    from transformers import AutoModel

    try:
        model = AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
        block = find_blocks(model)[0]
    except (OSError, ValueError, KeyError) as error:  # NothingToGate is a ValueError
        raise CannotProfile(str(error)) from error
    inside = [one for one in find_projections(model) if one.block == block.name]
    states = torch.randn(batch, length, inside[-1].linear.out_features, generator=torch.Generator().manual_seed(0))
    told: dict[str, Any] = {"length": length, "batch": batch}
    told |= {"torch": torch.__version__, "threads": torch.get_num_threads()}
    for kind in ("heads", "neurons"):
        found = next((index for index, one in enumerate(inside) if one.kind == kind), None)
        if found is None:
            raise CannotProfile(f"its layers have no {kind}")
        told[kind] = _curve(block.module, found, inside[found].units, states)
    return told


def _curve(block: nn.Module, index: int, units: int, states: Tensor) -> list[list[float]]:
    numbers = sorted({max(1, round(units * share)) for share in _SHARES})
    return [[number, _milliseconds(_with(block, index, number), states)] for number in numbers]


def _with(block: nn.Module, index: int, units: int) -> nn.Module:
    """Gives a copy of a layer whose projection of that place has so many units."""
    smaller = copy.deepcopy(block)
    holder = nn.ModuleList([smaller])
    projection: Projection = find_projections(nn.ModuleDict({"layers": holder}))[index]
    with torch.no_grad():
        keep_units(projection, torch.arange(units))
    return smaller


def _milliseconds(block: nn.Module, states: Tensor) -> float:
    times = []
    with torch.no_grad():
        for number in range(_WARM_UP + _RUNS):
            started = time.perf_counter()
            block(states)
            if number >= _WARM_UP:
                times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times), 4)
