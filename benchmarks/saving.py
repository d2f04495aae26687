"""Times a checkpoint (staged, hashed, synced, renamed) against the plain files of safetensors and of torch.save."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from measuring import Row, in_turns, machine, median, ratio, show
from safetensors.torch import save_file
from torch import Tensor

from consilience.train._checkpoints._store import Checkpoints

WIDTH = 384
"""The columns of each tensor, as in MiniLM."""
STATES = {"weights": 1, "weights and AdamW's state": 3}
"""How often the parameters are in what is saved: AdamW keeps two means of each."""


def state_of(megabytes: float, copies: int) -> dict[str, dict[str, Tensor]]:
    """Makes the files of a checkpoint: the weights, and the optimizer's state where there is one."""
    rows = max(1, round(megabytes * 1e6 / 4 / WIDTH / 16))
    names = ("model", "optimizer")[: min(copies, 2)]
    made = {name: 1 if name == "model" else copies - 1 for name in names}
    return {
        name: {f"{number}.{copy}": torch.rand(rows, WIDTH) for number in range(16) for copy in range(each)}
        for name, each in made.items()
    }


def sides_of(files: Mapping[str, Mapping[str, Tensor]], folder: Path) -> dict[str, Callable[[int], object]]:
    """Gives the three ways to save the same tensors; each keeps the newest alone."""
    checkpoints = Checkpoints(folder / "checkpoints", "run", ("plan",))

    def checkpoint(number: int) -> None:
        with checkpoints.write(number) as staged:
            for name, tensors in files.items():
                staged.tensors(f"{name}.safetensors", tensors)
        checkpoints.keep(1)

    def plain(number: int) -> None:
        for name, tensors in files.items():
            save_file(dict(tensors), folder / f"{name}.safetensors")

    def pickled(number: int) -> None:
        for name, tensors in files.items():
            torch.save(tensors, folder / f"{name}.pt")

    return {"checkpoint": checkpoint, "safetensors": plain, "torch.save": pickled}


def rows_of(sizes: list[float], rounds: int) -> Iterator[Row]:
    """Gives the milliseconds of each way, and what a checkpoint takes over the plain ones, for each size and state."""
    for megabytes in sizes:
        for what, copies in STATES.items():
            with tempfile.TemporaryDirectory() as name:
                times = in_turns(sides_of(state_of(megabytes, copies), Path(name)), rounds, warmup=1)
            of = f"{megabytes:g} MB, {what}"
            for side, taken in times.items():
                yield median(f"{side}, {of}", taken)
            for side in ("safetensors", "torch.save"):
                yield from ratio(f"checkpoint/{side}, {of}", times["checkpoint"], times[side], side)


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", default=[58, 91], help="the megabytes of weights (58 91)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each way is timed (7)")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given: Any = parser.parse_args(arguments)
    torch.manual_seed(0)
    show(chain(rows_of(given.sizes, given.rounds), machine()), given.json)


if __name__ == "__main__":
    main()
