"""What the command of a plugin works on runs with: the rooms above, handed over as an object."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Derived", "Workshop"]


@dataclass(frozen=True)
class Derived:
    """What becomes of a run: the fusion of the new one, and which of its nodes have weights of their own.

    `fusion` is what `Fusion.to_dict` gives, its paths absolute, or relative to where those of the old one are. The
    nodes in `remade` keep the weights that they are built with, such as those of a checkpoint that was written for
    them; all others take the old ones. `notes` stand in the record of the new run.
    """

    fusion: Mapping[str, Any]
    remade: Collection[str] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


class Workshop(Protocol):
    """Opens runs, measures them, and makes new ones of them: `@click.pass_obj` hands one to a plugin's command."""

    def open(self, run: str | os.PathLike[str]) -> Any:
        """Opens the directory of a finished run: `path`, `plan`, `record`, `model()`; raises `RunError` (CN704)."""

    def evaluate(self, run: Any, split: str = "test") -> Any:
        """Measures a run on a split, as `consilience evaluate` does: the report has `metrics` and `rows`."""

    def batch(self, run: Any, split: str, rows: int) -> Mapping[str, Any]:
        """Gives the first rows of a split as tensors by name, as the model of the run takes them."""

    def derive(
        self, run: Any, runs: str | os.PathLike[str] | None, word: str, make: Callable[[Any, Path], Derived]
    ) -> Any:
        """Makes a new run of a run, in a directory of its own under `runs` (beside the old one when left out).

        It is named after the fusion and the `word`. `make` is handed the trained model and the new directory, where it
        may write what the new fusion reads. What it raises, and every fault of the new fusion, leaves no directory.
        """
