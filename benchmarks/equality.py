"""Compares the gradients of the trainer with those of one big batch, for every way to cut the rows of a step.

For each batch size, accumulation, number of processes, pattern of missing targets and balancer, a training of one epoch
is run by the real `FusionTrainer` in float64; at each of its steps the gradient is compared with one that plain torch
takes of all rows of the step at once. What is told is the largest difference of any parameter at any step.
"""

from __future__ import annotations

import argparse
import copy
import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from equality_toy import PATTERNS, ROWS, by_hand, make_plan, read_rows, write_rows
from transformers import PrinterCallback, TrainerCallback

from consilience.data import prepare, training_rows
from consilience.fuse import FusedModel, build_collator, fuse
from consilience.train import FusionTrainer
from consilience.train._arguments import arguments_of
from consilience.train._objective._rows import RowsKept

__all__ = ["Cell", "main"]


@dataclass(frozen=True)
class Cell:
    """One way to cut the rows of a step, and the largest difference that it made."""

    batch_size: int
    accumulation: int
    processes: int
    pattern: str
    balance: str
    steps: int = 0
    difference: float = 0.0


class _Compare(TrainerCallback):
    """Compares the gradient of each step with that of its rows in one batch, just before the optimizer moves."""

    def __init__(self, cell: Cell, reference: FusedModel, rows: Sequence[dict[str, str]]) -> None:
        self._cell, self._reference, self._rows = cell, reference, rows
        self.steps, self.difference = 0, 0.0

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Compares."""
        size = self._cell.batch_size * self._cell.accumulation * self._cell.processes
        start = (self.steps * size) % (-(-ROWS // size) * size)
        rows = self._rows[start : start + size]
        wanted = by_hand(self._reference, rows, self._cell.balance, state.global_step, state.max_steps)
        for name, parameter in others["model"].named_parameters():
            name = name.removeprefix("module.")
            found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            difference = (found - wanted[name]).abs().max().item()
            self.difference = max(self.difference, difference)
        self.steps += 1


def run(cell: Cell) -> Cell:
    """Trains one epoch, at a learning rate of 0, and gives the cell with what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.csv", cell.pattern)
        train = {
            "epochs": 1, "batch_size": cell.batch_size, "gradient_accumulation_steps": cell.accumulation,
            "learning_rate": 0.0, "optim": "sgd", "max_grad_norm": 0.0, "use_cpu": True,
            "train_sampling_strategy": "sequential",
        }  # fmt: skip
        plan = make_plan(folder, cell.balance, train)
        model = fuse(plan).double()
        if cell.balance == "uncertainty":
            model.balancer.log_variances.data.copy_(torch.linspace(-0.5, 0.7, len(plan.fusion.losses)))
        reference = copy.deepcopy(model)
        arguments = arguments_of(plan, folder, progress=False)
        rows, order = training_rows(plan, prepare(plan), cell.batch_size, 0, arguments.world_size)
        trainer = FusionTrainer(
            sampler=order, measure=None, model=model, args=arguments, train_dataset=rows,
            data_collator=RowsKept(build_collator(plan, [node.name for node in plan.of("losses")])),
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        compare = _Compare(cell, reference, read_rows(folder / "rows.csv"))
        trainer.add_callback(compare)
        trainer.train()
    return Cell(**{**asdict(cell), "steps": compare.steps, "difference": compare.difference})


def cells(batch_sizes: Sequence[int], accumulations: Sequence[int], processes: int) -> Iterator[Cell]:
    """Lists the cells of so many processes."""
    for pattern, balance in itertools.product(PATTERNS, ("fixed", "uncertainty")):
        for batch_size, accumulation in itertools.product(batch_sizes, accumulations):
            yield Cell(batch_size, accumulation, processes, pattern, balance)


def _launch(options: argparse.Namespace, processes: int) -> list[Cell]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    settings = ["--batch-sizes", *map(str, options.batch_sizes), "--accumulations", *map(str, options.accumulations)]
    command = [sys.executable, *(launcher if processes > 1 else []), __file__, "--worker", str(processes), *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [Cell(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]


def _work(options: argparse.Namespace) -> None:
    gc.freeze()  # the Trainer collects garbage before each training: what was imported is none
    for cell in cells(options.batch_sizes, options.accumulations, options.worker):
        found = run(cell)
        if int(os.environ.get("RANK", "0")) == 0:
            print(json.dumps(asdict(found)), flush=True)


def _show(found: Sequence[Cell]) -> None:
    """Prints one row for each cut of the rows, and one column for each pattern, the worse balancer of two."""
    print("| processes | batch | accumulation | steps |", *(f"{pattern} |" for pattern in PATTERNS))
    print("|---" * (4 + len(PATTERNS)) + "|")
    for key, group in itertools.groupby(sorted(found, key=_cut), key=_cut):
        same = list(group)
        worst = [max(cell.difference for cell in same if cell.pattern == pattern) for pattern in PATTERNS]
        print(f"| {' | '.join(map(str, key))} | {same[0].steps} |", *(f"{value:.1e} |" for value in worst))


def _cut(cell: Cell) -> tuple[int, int, int]:
    return (cell.processes, cell.batch_size, cell.accumulation)


def main() -> None:
    """Runs every cell, in one process and in several, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 3, 8])
    parser.add_argument("--accumulations", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _work(options)
        return
    found = [cell for processes in options.processes for cell in _launch(options, processes)]
    if not options.json:
        _show(found)
    for cell in found if options.json else ():
        name = f"{cell.balance}, {cell.pattern}: {cell.processes} x {cell.batch_size} x {cell.accumulation}"
        row = {"name": name, "value": cell.difference, "unit": "largest difference", "against": "one batch by hand"}
        print(json.dumps(row))


if __name__ == "__main__":
    main()
