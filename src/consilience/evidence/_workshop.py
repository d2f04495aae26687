"""Hands to the commands of plugins what they work on runs with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from consilience.data import prepare
from consilience.declare import Derived
from consilience.evidence._evaluate import evaluate
from consilience.evidence._report import Report
from consilience.fuse import FusedModel
from consilience.train import Run, derive, evaluation_loader

__all__ = ["Workshop"]


@dataclass(frozen=True)
class Workshop:
    """Opens runs, measures them, and makes new ones of them; what it does takes `announce`, a line for a person."""

    announce: Callable[[str], None] | None = None

    def open(self, run: str | os.PathLike[str]) -> Run:
        """Opens the directory of a finished run; raises `RunError` (CN704) when it is none."""
        return Run.open(run)

    def evaluate(self, run: Run, split: str = "test") -> Report:
        """Measures a run on a split, as `consilience evaluate` does."""
        return evaluate(run, split, announce=self.announce, progress=False)

    def batch(self, run: Run, split: str, rows: int) -> Mapping[str, Tensor]:
        """Gives the first rows of a split as tensors by name, on the CPU."""
        first: Mapping[str, Tensor] = next(iter(evaluation_loader(run.plan, prepare(run.plan), split, rows)))
        return first

    def derive(
        self, run: Run, runs: str | os.PathLike[str] | None, word: str, make: Callable[[FusedModel, Path], Derived]
    ) -> Run:
        """Makes a new run of a run, in a directory of its own."""
        return derive(run, runs, word, make)
