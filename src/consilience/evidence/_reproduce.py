"""Runs a run again from what it holds, and compares what came of it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from consilience.evidence._environment import environment_changes
from consilience.evidence._reproduction import Compared, Reproduction, Verdict
from consilience.train import Run, logged, train

__all__ = ["reproduce"]

_CLOCKED = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")
"""Series that tell of the machine's time and not of the model."""


def reproduce(
    run: Run | str | os.PathLike[str],
    runs: str | os.PathLike[str] | None = None,
    tolerance: float = 0.0,
    announce: Callable[[str], None] | None = None,
    progress: bool = True,
) -> Reproduction:
    """Trains the fusion of a finished run again, into a new run beside it, and compares the two.

    Every series of the log is compared step by step, and every weight; `tolerance` is the largest absolute difference
    that still counts as equal. Raises `RunError` or `DeclarationError` when the run, its plugins or its data are gone;
    data that changed are told among the differences of the environment.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    again = train(run.plan, runs if runs is not None else run.path.parent, announce, progress)
    return Reproduction(
        str(run.path),
        str(again.path),
        tolerance,
        tuple(environment_changes(run.record, again.record)),
        tuple(_series(_log(run.path), _log(again.path), tolerance)),
        tuple(_weights(_tensors(run.path), _tensors(again.path), tolerance)),
    )


def _log(run: Path) -> dict[str, dict[int, float | None]]:
    """Reads the log of a run: the value of each series by step."""
    found: dict[str, dict[int, float | None]] = {}
    for line in logged(run):
        for name, value in line.items():
            if name not in ("step", *_CLOCKED):
                found.setdefault(name, {})[line["step"]] = value
    return found


def _series(
    was: Mapping[str, Mapping[int, float | None]], now: Mapping[str, Mapping[int, float | None]], tolerance: float
) -> Iterator[Compared]:
    for name in [*was, *(name for name in now if name not in was)]:
        first, second = was.get(name, {}), now.get(name, {})
        largest, where = 0.0, None
        for step in sorted({*first, *second}):
            apart = _apart(first.get(step, math.nan), second.get(step, math.nan))
            if apart > largest:
                largest, where = apart, step
        yield Compared(name, _verdict(largest, tolerance), largest, len({*first, *second}), where)


def _apart(first: float | None, second: float | None) -> float:
    """Gives the distance of two values; one that is in one log alone is infinitely far."""
    if first == second:
        return 0.0
    if first is None or second is None or math.isnan(first) or math.isnan(second):
        return math.inf
    return abs(first - second)


def _tensors(run: Path) -> dict[str, Tensor]:
    return {name: value for file in (run / "model").glob("*.safetensors") for name, value in load_file(file).items()}


def _weights(was: Mapping[str, Tensor], now: Mapping[str, Tensor], tolerance: float) -> Iterator[Compared]:
    """Compares the weights node by node."""
    nodes: dict[str, list[str]] = {}
    for name in sorted({*was, *now}):
        parts = name.split(".")
        nodes.setdefault(parts[1] if parts[0] == "nodes" else parts[0], []).append(name)
    for node, names in nodes.items():
        apart = [_weight_apart(was.get(name), now.get(name)) for name in names]
        values = sum(was[name].numel() for name in names if name in was)
        yield Compared(node, _verdict(max(apart), tolerance), max(apart), values)


def _weight_apart(first: Tensor | None, second: Tensor | None) -> float:
    if first is None or second is None or first.shape != second.shape:
        return math.inf
    if torch.equal(first, second):
        return 0.0
    largest = float((first.double() - second.double()).abs().max())
    return largest if math.isfinite(largest) else math.inf


def _verdict(apart: float, tolerance: float) -> Verdict:
    if apart == 0:
        return Verdict.IDENTICAL
    return Verdict.WITHIN if apart <= tolerance else Verdict.DIFFERENT
