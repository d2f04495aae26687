"""Measures what a model costs: parameters, floating-point operations and latency. Plain PyTorch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from consilience_complexity.gates import gates_of

__all__ = ["Measurement", "measure"]


@dataclass(frozen=True)
class Measurement:
    """What one forward pass of a model costs. Latencies are in milliseconds, operations count a multiply-add as two."""

    parameters: int
    trainable: int
    kept_parameters: int
    """The parameters less those behind closed gates, which could be cut out without a change of the outputs."""
    flops: int
    """Of matrix products, convolutions and attention; closed gates still compute, so they lower nothing here."""
    latency_first_quartile: float
    latency_median: float
    latency_third_quartile: float
    runs: int
    device: str

    def to_dict(self) -> dict[str, int | float | str]:
        """Gives every number by its name, ready for JSON."""
        return asdict(self)

    def table(self) -> str:
        """Gives the numbers as lines of text for people."""
        spread = f"{self.latency_first_quartile:.2f} to {self.latency_third_quartile:.2f}"
        rows = {
            "parameters": f"{self.parameters:,}",
            "  trainable": f"{self.trainable:,}",
            "  kept by the gates": f"{self.kept_parameters:,}",
            "FLOPs a batch": f"{self.flops:,}",
            "latency (median)": f"{self.latency_median:.2f} ms",
            "  quartiles": f"{spread} ms",
            "measured": f"{self.runs} runs on {self.device}",
        }
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def measure(
    model: nn.Module, batch: Mapping[str, Any] | tuple[Any, ...] | Tensor, runs: int = 20, warm_up: int = 3
) -> Measurement:
    """Measures a model's forward pass on a batch that lies on its device, in evaluation mode and without gradients.

    `batch` is a tensor, or the arguments of the forward: a tuple, or a mapping of keywords. Raises ValueError for fewer
    than 2 runs.

        measure(nn.Linear(8, 2), torch.zeros(4, 8)).flops   # 2 * 4 * 8 * 2 = 128
    """
    if runs < 2:
        raise ValueError(f"{runs} runs have no quartiles: at least 2")
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))

    def call() -> None:
        if isinstance(batch, Mapping):
            model(**batch)
        else:
            model(*(batch if isinstance(batch, tuple) else (batch,)))

    with _evaluating(model):
        flops = _flops(call)
        times = _latencies(call, runs, warm_up, device)
        closed = sum(gate.closed() * gate.cost for gate in gates_of(model))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    first, median, third = statistics.quantiles(times, n=4, method="inclusive")
    return Measurement(
        parameters=parameters,
        trainable=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        kept_parameters=parameters - closed,
        flops=flops,
        latency_first_quartile=first,
        latency_median=median,
        latency_third_quartile=third,
        runs=runs,
        device=str(device),
    )


def _flops(call: Callable[[], None]) -> int:
    # The counter knows no fused attention on the CPU; written out as matrix products it is counted on every device.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        call()
    return int(counter.get_total_flops())


def _latencies(call: Callable[[], None], runs: int, warm_up: int, device: torch.device) -> list[float]:
    def timed() -> float:
        start = time.perf_counter()
        call()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        return (time.perf_counter() - start) * 1000

    for _ in range(warm_up):
        timed()
    return [timed() for _ in range(runs)]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Holds every module in evaluation mode, and puts each back into its own mode."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
