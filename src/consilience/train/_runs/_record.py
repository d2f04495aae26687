"""The record of a run: what is known when it starts, and what came of it; an unfinished run has the first."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from consilience.fuse import provenance
from consilience.plan import Plan
from consilience.train._runs._device import machine
from consilience.train._runs._distributions import distributions
from consilience.train._runs._run import Run

__all__ = ["Timings", "facts", "outcome", "write_record"]


Result = TypeVar("Result")


class Timings:
    """Tells how long each part of a training took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Adds what passes meanwhile to a part."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.monotonic() - started

    def timed(self, part: str, call: Callable[[], Result]) -> Callable[[], Result]:
        """Gives a function that adds its time to a part whenever it is called."""

        def run() -> Result:
            with self.of(part):
                return call()

        return run


def facts(plan: Plan, device: torch.device) -> dict[str, Any]:
    """Gives all that a run is made from, as JSON holds it: known before its first step, and equal for an equal run.

    The name, `base` and `seed`; the machine, the environment and the command; the fusion, and the solved plan; plugins,
    resources and sources with versions and hashes; every distribution of whose modules one is imported.
    """
    return {
        "name": plan.fusion.name,
        "base": str(plan.fusion.base),
        "seed": plan.fusion.train.seed,
        **machine(device),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        **provenance(plan),
        "distributions": distributions(),
        "fusion": plan.fusion.to_dict(),
        "plan": plan.to_dict(),
    }


def outcome(
    history: Iterable[Mapping[str, Any]], timings: Timings, trained_rows: float, device: torch.device
) -> dict[str, Any]:
    """Gives what came of a run: seconds by part, rows a second, peak memory, and every validation by its step.

    Times, rows and memory are those of the process that ends it: of a run that was resumed, since then.
    """
    training = timings.seconds.get("training", 0.0)
    # The validations are a part of the training's time.
    alone = max(training - timings.seconds.get("validating", 0.0), 1e-9)
    seconds = {part: round(value, 3) for part, value in timings.seconds.items()}
    return {
        "timings": {"seconds": seconds, "rows_per_second": round(trained_rows / alone, 3)},
        "peak_memory_bytes": _peak_memory(device),
        "validation": [_measured(line) for line in history if any(name.startswith("eval_") for name in line)],
    }


def write_record(run: Run, known: Mapping[str, Any], status: str, more: Mapping[str, Any] | None = None) -> None:
    """Writes `record.json`, whole or not at all: `status` is `running`, `finished`, or what stopped it."""
    run.write_json("record.json", {"status": status, **known, **(more or {})})


def _measured(line: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name.removeprefix("eval_"): value for name, value in line.items() if name.startswith("eval_")}
    return {"step": line["step"], "epoch": line.get("epoch"), "metrics": kept}


def _peak_memory(device: torch.device) -> dict[str, int]:
    found = {}
    try:
        import resource

        # Linux counts in kilobytes, macOS in bytes.
        found["process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    except ImportError:  # Windows has no such module
        pass
    if device.type == "cuda":
        found["device"] = int(torch.cuda.max_memory_allocated(device))
    return found
