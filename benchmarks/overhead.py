"""Measures what the trainer adds to a step, and what the executor adds to a module."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from measuring import Row, Stopwatch, Times, in_turns, median, ratio
from sides import Batch, fused_step
from torch import Tensor, nn
from transformers import PrinterCallback, TrainerCallback, TrainingArguments

from consilience.declare import Component, Dims, Float, Fusion, Input, Module, Ports, hookimpl
from consilience.fuse import fuse
from consilience.host import Registry
from consilience.plan import Plan, Purpose, check
from consilience.train import FusionTrainer

__all__ = ["measure_executor", "measure_trainer"]

CHAIN = 64
"""The number of modules in the chain that the executor is measured on."""
REPEATS = 20
"""The number of forwards in a round: one alone is too short to time."""


class _Turns(TrainerCallback):
    """Times each step of a trainer, and between two of them one step of another loop."""

    def __init__(self, other: Callable[[int], None], warmup: int) -> None:
        self.trainer, self.bare = Times(), Times()
        self._other, self._warmup = other, warmup
        self._watch: Stopwatch | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ends the trainer's step, runs the other one, and starts the trainer's next."""
        is_warm = state.global_step > self._warmup
        if self._watch is not None and is_warm:
            self.trainer.append(self._watch.read())
        watch = Stopwatch()
        self._other(state.global_step - 1)
        if is_warm:
            self.bare.append(watch.read())
        self._watch = Stopwatch()


def measure_trainer(name: str, plan: Plan, batches: Sequence[Batch], rounds: int) -> Iterator[Row]:
    """Measures a step of `FusionTrainer`, all that it does between two steps included, against the bare fused loop."""
    warmup = 3
    turns = _Turns(fused_step(fuse(plan).train(), batches, max_norm=1.0), warmup)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=warmup + rounds, per_device_train_batch_size=1, remove_unused_columns=False,
            weight_decay=0.01, max_grad_norm=1.0, report_to="none", save_strategy="no", logging_steps=10,
            logging_nan_inf_filter=False, disable_tqdm=True, use_cpu=True, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = FusionTrainer(
            sampler=torch.utils.data.SequentialSampler(batches), measure=None, model=fuse(plan), args=arguments,
            train_dataset=batches, data_collator=lambda rows: dict(rows[0]), callbacks=[turns],
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    yield from ratio(f"trainer/bare, {name}", turns.trainer, turns.bare, "the fused step in a bare loop")
    yield median(f"trainer step, {name}", turns.trainer)
    yield median(f"bare step, {name}", turns.bare)


class Start(Input):
    """Gives the numbers of a field."""

    inputs = Ports(numbers=Float["batch hidden"])
    outputs = Ports(features=Float["batch hidden"])

    def build(self, dims: Dims) -> Callable[[Tensor], Tensor]:
        """Gives the callable."""
        return lambda numbers: numbers


class Identity(Module):
    """Gives what it gets."""

    has_parameters = False
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(features=Float["batch hidden"])

    def build(self, dims: Dims) -> nn.Module:
        """Builds it."""
        return _Identity()


class _Identity(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features


class _Plugin:
    @hookimpl
    def consilience_components(self) -> list[type[Component]]:
        return [Start, Identity]


def measure_executor(rounds: int) -> Row:
    """Measures what the executor adds to each module, on a chain of modules that do nothing."""
    registry = Registry()
    registry.register(_Plugin(), "bench")
    feeds = ["start", *(f"n{number}" for number in range(CHAIN - 1))]
    modules = {f"n{number}": {"use": "bench.identity", "in": feed} for number, feed in enumerate(feeds)}
    modules["last"] = {"use": "multioutput_regressor", "in": f"n{CHAIN - 1}"}
    loss = {"use": "mse", "in": "last", "target": "scores"}
    fields: Any = {"scores": {"numbers": ["first", "second"]}}
    inputs = {"start": {"use": "bench.start", "in": "scores"}}
    fusion = Fusion(name="chain", fields=fields, inputs=inputs, modules=modules, losses={"loss": loss})
    model = fuse(check(fusion, registry, Purpose.USE)).eval()
    scores = torch.zeros(8, 2)
    chain = [model.nodes[f"n{number}"] for number in range(CHAIN)]

    def executor(number: int) -> None:
        for _ in range(REPEATS):
            model({"start.features": scores}, outputs=[f"n{CHAIN - 1}"])

    def plain(number: int) -> None:
        for _ in range(REPEATS):
            value = scores
            for module in chain:
                value = module(features=value)

    times = in_turns({"executor": executor, "plain": plain}, rounds)
    per_node = statistics.median(a - b for a, b in zip(times["executor"].cpu, times["plain"].cpu, strict=True))
    microseconds = round(per_node / REPEATS / CHAIN * 1e6, 3)
    return Row("executor", microseconds, "microseconds a node (CPU time)", "a loop over the modules")
