"""Measures the metrics of a fusion over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torchmetrics
from torch import Tensor

from consilience.declare import Many, Metric, Port, UnknownDimError
from consilience.errors import DeclarationError, Diagnostic
from consilience.fuse import FusedModel, attribute, check_called, misnamed
from consilience.plan import TARGET, Plan, PlanNode

__all__ = ["build_metrics", "measure", "to_device"]


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Gives a batch on the device of the model."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


@torch.no_grad()
def measure(
    model: FusedModel,
    plan: Plan,
    batches: Iterable[Mapping[str, Tensor]],
    outputs: Iterable[str] = (),
    watch: Callable[[Mapping[str, Tensor]], None] | None = None,
) -> dict[str, Any]:
    """Gives every metric of the fusion over the examples that have its target: a number, or a nested list.

    `plan` is the whole fusion's: a model loaded for use has a plan without metrics. `watch` sees the values of each
    batch by name, those of the modules and losses `outputs` among them. Every process measures all batches by itself.
    """
    metrics = {name: metric.to(model.device) for name, metric in build_metrics(plan).items()}
    asked = tuple(dict.fromkeys([*(ref.node for name in metrics for ref in _read(plan, name)), *outputs]))
    was_training = model.training
    model.train(False)
    try:
        for batch in batches:
            on_device = to_device(batch, model.device)
            output = model(on_device, outputs=[name for name in asked if _is_run(model.plan, name)])
            values = {**on_device, **(output.tensors or {}), **(output.losses or {})}
            for name, metric in metrics.items():
                _update(metric, plan, name, values)
            if watch is not None:
                watch(values)
    finally:
        model.train(was_training)
    return {name: _plain(metric, plan, name) for name, metric in metrics.items()}


def build_metrics(plan: Plan) -> dict[str, torchmetrics.Metric]:
    """Builds every metric of a plan; raises `DeclarationError` where a build gives none."""
    return {node.name: _built(plan, node) for node in plan.of("metrics")}


def _built(plan: Plan, node: PlanNode) -> torchmetrics.Metric:
    assert isinstance(node.declaration, Metric)
    try:
        built = node.declaration.build(plan.solved[node.name])
    except UnknownDimError as error:
        raise DeclarationError(plan.fusion.locate([misnamed(error, plan, node)])) from error
    except Exception as error:
        attribute(error, plan, node, "build")
        raise
    if not isinstance(built, torchmetrics.Metric):
        found = f"{type(built).__name__}, from the build of {node.component}"
        fix = f"# return a torchmetrics Metric from {type(node.declaration).__name__}.build"
        fault = Diagnostic("CN311", (node.section, node.name), found, "a torchmetrics Metric", fix)
        raise DeclarationError(plan.fusion.locate([fault]))
    check_called(plan, node, built, "update")
    built.distributed_available_fn = _alone
    return built


def _is_run(plan: Plan, name: str) -> bool:
    return name in plan.fusion.modules or name in plan.fusion.losses


def _alone() -> bool:
    """Keeps torchmetrics from adding up what the processes measured: each has measured all rows."""
    return False


def _read(plan: Plan, metric: str) -> list[Any]:
    return [ref for port, refs in plan.wiring(metric).items() if port != TARGET for ref in refs]


def _update(metric: Any, plan: Plan, name: str, values: Mapping[str, Tensor]) -> None:
    node = plan.nodes[name]
    masks = [values[key] for key in plan.present_keys(name)]
    present = torch.stack(masks).all(dim=0) if masks else None
    if present is not None and not present.any():
        return

    def chosen(port: Port, tensor: Tensor) -> Tensor:
        return tensor if present is None or not port.dims else tensor[present]

    given: dict[str, Any] = {}
    for name_of_port, refs in plan.wiring(name).items():
        port = node.inputs[name_of_port]
        if isinstance(port, Many):
            given[name_of_port] = [chosen(port.port, values[str(ref)]) for ref in refs]
        else:
            given[name_of_port] = chosen(port, values[str(refs[0])])
    try:
        metric.update(**given)
    except Exception as error:
        attribute(error, plan, node, "update")
        raise


def _plain(metric: Any, plan: Plan, name: str) -> Any:
    if not metric.update_called:
        return None
    try:
        value = metric.compute()
    except Exception as error:
        attribute(error, plan, plan.nodes[name], "compute")
        raise
    return value.tolist() if isinstance(value, Tensor) else value
