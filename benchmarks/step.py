"""Measures a training step of a fused model against hand-written PyTorch that does the same work.

Prints a table, or with `--json` one object a line. Both sides of every ratio are measured in this process, in turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from balanced import measure_balancers
from handwritten import WEIGHTS
from measuring import Row, in_turns, machine, median, ratio, show
from overhead import measure_executor, measure_trainer
from sides import MINILM, Batch, assert_parity, fused_step, hand_step, make_batches, make_hand, make_plan, write_tiny

from consilience.fuse import fuse
from consilience.plan import Plan


def measure_step(plan: Plan, batches: Sequence[Batch], rounds: int) -> Iterator[Row]:
    """Measures the fused step against the hand-written one, and against three of one task each."""
    fused = fuse(plan).train()
    hand = make_hand(plan, fused)
    yield Row("parity", assert_parity(fused, hand, batches[0]), "largest relative difference", "hand-written PyTorch")
    singles = {f"{task} alone": hand_step(make_hand(plan, fused, [task]), batches) for task in WEIGHTS}
    sides = {"fused step": fused_step(fused, batches), "hand step": hand_step(hand, batches), **singles}
    times = in_turns(sides, rounds)
    three = times["opinion alone"] + times["rating alone"] + times["words alone"]
    yield from ratio("fused/hand", times["fused step"], times["hand step"], "hand-written PyTorch, the same work")
    yield from ratio("fused/three-single", times["fused step"], three, "three hand-written models of one task each")
    for name in ("fused step", "hand step"):
        yield median(name, times[name])
    yield median("three single steps", three)
    for name in ("fused step", "hand step"):
        yield Row(f"{name}, peak memory", peak_megabytes(lambda name=name: sides[name](0)), "MB above the start")


def peak_megabytes(step: Callable[[], object]) -> float:
    """Gives the most memory that tensors take during a step, above what they take before it."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler would write its own doings among the figures
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    records = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    level = peak = 0
    for record in sorted(records, key=lambda event: event.start_ns()):
        level += record.nbytes()
        peak = max(peak, level)
    return round(peak / 1e6, 1)


def peak_of_step(step: Callable[[int], object]) -> float:
    """Gives the most memory that a numbered step takes."""
    return peak_megabytes(lambda: step(0))


def measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures all, in the setting that the command line asks for."""
    yield from machine()
    yield Row("threads", torch.get_num_threads(), "threads")
    yield Row("torch", torch.__version__, "version")
    with tempfile.TemporaryDirectory() as folder:
        tiny = make_plan(write_tiny(Path(folder)), "fresh", arguments.length)
        plan = tiny if arguments.encoder == "tiny" else make_plan(MINILM, "pretrained", arguments.length)
        batches = make_batches(plan, arguments.batch_size, arguments.length)
        yield from measure_step(plan, batches, arguments.steps)
        if arguments.balancer_steps:
            yield from measure_balancers(plan, batches, arguments.balancer_steps, peak_of_step)
        if plan is not tiny:
            yield from measure_trainer(arguments.encoder, plan, batches, arguments.steps)
        small = make_batches(tiny, arguments.batch_size, arguments.length)
        yield from measure_trainer("tiny", tiny, small, arguments.steps)
    yield measure_executor(arguments.steps)


def options() -> argparse.ArgumentParser:
    """Declares the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object a line")
    parser.add_argument("--steps", type=int, default=25, help="rounds that count, after three that do not")
    parser.add_argument("--balancer-steps", type=int, default=9, help="rounds of each balancer; 0 leaves them out")
    parser.add_argument("--batch-size", type=int, default=8, help="texts in a batch")
    parser.add_argument("--length", type=int, default=32, help="tokens of the longest text in a batch")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--encoder", choices=["minilm", "tiny"], default="minilm", help="tiny: two layers of width 32")
    return parser


if __name__ == "__main__":
    chosen = options().parse_args()
    torch.set_num_threads(chosen.threads)
    show(measure(chosen), chosen.json)
