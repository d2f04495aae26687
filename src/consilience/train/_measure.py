"""Measures the metrics of a fusion over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from consilience.declare import Metric
from consilience.fuse import FusedModel
from consilience.plan import TARGET, Plan

__all__ = ["measure", "to_device"]


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Gives a batch on the device of the model."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


@torch.inference_mode()
def measure(
    model: FusedModel,
    plan: Plan,
    batches: Iterable[Mapping[str, Tensor]],
    outputs: Iterable[str] = (),
    watch: Callable[[Mapping[str, Tensor]], None] | None = None,
) -> dict[str, Any]:
    """Gives every metric of the fusion over the examples that have its target: a number, or a nested list.

    `plan` is the whole fusion's: a model loaded for use has a plan without metrics. `watch` sees the values of each
    batch by name, those of the modules `outputs` among them.
    """
    metrics = {node.name: _built(node.declaration, plan, node.name).to(model.device) for node in plan.of("metrics")}
    asked = tuple(dict.fromkeys([*(ref.node for name in metrics for ref in _read(plan, name)), *outputs]))
    was_training = model.training
    model.train(False)
    try:
        for batch in batches:
            on_device = to_device(batch, model.device)
            output = model(outputs=[name for name in asked if name in model.plan.fusion.modules], **on_device)
            values = {**on_device, **(output.tensors or {})}
            for name, metric in metrics.items():
                _update(metric, plan, name, values)
            if watch is not None:
                watch(values)
    finally:
        model.train(was_training)
    return {name: _plain(metric) for name, metric in metrics.items()}


def _built(declaration: Any, plan: Plan, name: str) -> Any:
    assert isinstance(declaration, Metric)
    return declaration.build(plan.solved[name])


def _read(plan: Plan, metric: str) -> list[Any]:
    return [ref for port, refs in plan.wiring(metric).items() if port != TARGET for ref in refs]


def _update(metric: Any, plan: Plan, name: str, values: Mapping[str, Tensor]) -> None:
    masks = [values[f"{field}.present"] for field in sorted(plan.fields_behind(name))]
    present = torch.stack(masks).all(dim=0)
    if present.any():
        metric.update(**{port: values[str(refs[0])][present] for port, refs in plan.wiring(name).items()})


def _plain(metric: Any) -> Any:
    if not metric.update_called:
        return None
    value = metric.compute()
    return value.tolist() if isinstance(value, Tensor) else value
