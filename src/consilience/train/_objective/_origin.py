"""Finds where a value that is not finite comes from: runs the nodes of a step once more, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor, nn

from consilience.data import ROW
from consilience.declare import Loss
from consilience.fuse import FusedModel, FusedOutput
from consilience.train._objective._objective import Objective, Terms, Window
from consilience.train._objective._rows import counted_rows

__all__ = ["At", "Origin", "find_origin"]

Batch = Mapping[str, Tensor]


class At(IntEnum):
    """What it is that is not finite, the first cause first."""

    COUNT = 0
    LOSS = 1
    WEIGHING = 2
    """What the balancer gave, or the gradient that it gives back."""
    GRADIENT = 3


@dataclass(frozen=True)
class Origin:
    """Where what is not finite first appears: in a node, forward, or behind it, in the gradient of a loss."""

    losses: tuple[str, ...]
    """The losses that are not finite, or whose gradients are not; none where only their sum's is not."""
    at: At
    value: str = "nan"
    """What it is: `nan`, `inf`; the number that a loss counts an example as; `the factor nan` of a balancer."""
    node: str = ""
    inner: str = ""
    """The module inside the node."""
    rows: tuple[int, ...] = ()
    """The numbers of the rows, as the batch has them."""
    parameters: tuple[str, ...] = ()
    """The parameters that are not finite, or whose gradients are not."""


def find_origin(
    model: FusedModel, objective: Objective, batches: Sequence[Batch], window: Window, weighed: Sequence[Terms] = ()
) -> Origin:
    """Finds it in the micro-batches of a step: what losses count, the losses, what weighs them, then the gradients.

    `weighed` are the terms of the micro-batches as they were: a balancer that is asked again may give other numbers.
    """
    state = torch.get_rng_state()

    def searched(search: Callable[[FusedModel, Objective, Batch, Window], Origin | None]) -> Origin | None:
        torch.set_rng_state(state)  # dropout as it was
        found = (search(model, objective, batch, window) for batch in batches)
        return next((origin for origin in found if origin is not None), None)

    origin = searched(_in_counts) or searched(_in_losses) or _in_weighing(weighed) or searched(_in_gradients)
    if origin is not None:
        return origin
    bad = [name for name, one in model.named_parameters() if one.grad is not None and not _is_finite(one.grad)]
    return Origin((), At.GRADIENT, parameters=tuple(bad))


@torch.no_grad()
def _in_counts(model: FusedModel, objective: Objective, batch: Batch, window: Window) -> Origin | None:
    for name in objective.weights(window.step, window.steps):
        counter, target = getattr(model.nodes[name], "count", None), model.plan.target_of(name)
        declared = model.plan.nodes[name].declaration
        if counter is None or target is None or not (isinstance(declared, Loss) and declared.value.dims):
            continue
        counted = counter(batch[str(target)])
        bad = ~(torch.isfinite(counted) & (counted >= 0)) & model.present(name, batch)
        bad &= counted_rows(batch, len(counted))
        if bad.any():
            numbers = tuple(batch[ROW][bad].tolist()) if ROW in batch else ()
            return Origin((name,), At.COUNT, f"{counted[bad][0].item():g}", name, rows=numbers)
    return None


def _in_weighing(weighed: Sequence[Terms]) -> Origin | None:
    for terms in weighed:
        if not all(_is_finite(value) for value in terms.losses.values()):
            continue  # an overflowing sum: what is made of it is nobody's fault
        for word, numbers in (("factor", terms.factors), ("penalty", terms.penalties)):
            for name, one in numbers.items():
                if not _is_finite(one):
                    return Origin((name,), At.WEIGHING, f"the {word} {one.item():g}")
    return None


@torch.no_grad()
def _in_losses(model: FusedModel, objective: Objective, batch: Batch, window: Window) -> Origin | None:
    names = tuple(objective.weights(window.step, window.steps))
    values: dict[str, Tensor] = dict(batch)
    inner: dict[str, str] = {}
    for step in model.steps(names, model.given_by(batch)):
        node = model.plan.nodes[step.name]
        with _first_inside(model.nodes[node.share or node.name], step.name, inner):
            values.update(model.run_step(step, values))
    bad = {name: rows for name in names if (rows := _bad_rows(model, name, values[name], batch)) is not None}
    if not bad:
        return None
    first, rows = next(iter(bad.items()))
    named = "inf" if not values[first].isnan().any() else "nan"
    node_name = _first_node(model, first, values, batch, rows)
    numbers = tuple(batch[ROW][rows].tolist()) if rows.any() and ROW in batch else ()
    own = _own_parameters(model, node_name)
    weights = tuple(name for name, one in own.items() if not _is_finite(one))
    return Origin(tuple(bad), At.LOSS, named, node_name, inner.get(node_name, ""), numbers, weights)


def _bad_rows(model: FusedModel, name: str, value: Tensor, batch: Batch) -> Tensor | None:
    """Gives the rows for which a loss is not finite, none of them for a loss of one number; None where it is finite."""
    if value.dim():
        bad = ~torch.isfinite(value) & model.present(name, batch) & counted_rows(batch, len(value))
        return bad if bad.any() else None
    length = len(batch[ROW]) if ROW in batch else 1
    return None if torch.isfinite(value) else torch.zeros(length, dtype=torch.bool, device=value.device)


def _first_node(model: FusedModel, loss: str, values: Batch, batch: Batch, rows: Tensor) -> str:
    """Gives the first node behind a loss that is not finite in some rows: a field, an input, a module, or the loss."""
    plan = model.plan
    behind = {*plan.needed([loss]), *plan.fields_behind(loss)}
    order = {name: place for place, name in enumerate(plan.order)}
    keys = sorted(
        (key for key in values if key.partition(".")[0] in behind), key=lambda key: order[key.partition(".")[0]]
    )
    return next((key.partition(".")[0] for key in keys if not _is_finite(_of(values[key], rows))), loss)


def _of(tensor: Tensor, rows: Tensor) -> Tensor:
    return tensor[rows] if rows.any() and tensor.dim() and len(tensor) == len(rows) else tensor


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _own_parameters(model: FusedModel, node: str) -> dict[str, nn.Parameter]:
    planned = model.plan.nodes[node]
    if planned.section not in ("modules", "losses"):
        return {}
    return dict(model.nodes[planned.share or node].named_parameters())


@contextmanager
def _first_inside(module: nn.Module, node: str, found: dict[str, str]) -> Iterator[None]:
    """Notes the first module inside a node to give what is not finite: the innermost, since it ends first."""

    def watch(path: str) -> Any:
        def note(_: nn.Module, arguments: Any, given: Any) -> None:
            tensors = given if isinstance(given, tuple | list) else [given]
            if path and not all(_is_finite(one) for one in tensors if isinstance(one, Tensor)):
                found.setdefault(node, path)

        return note

    hooks = [inside.register_forward_hook(watch(path)) for path, inside in module.named_modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class _Ran:
    """One node's call, cut off from those before it, so that its gradient can be taken by itself."""

    name: str
    leaves: Mapping[str, Tensor]
    given: Mapping[str, Tensor]


def _in_gradients(model: FusedModel, objective: Objective, batch: Batch, window: Window) -> Origin | None:
    names = tuple(objective.weights(window.step, window.steps))
    values: dict[str, Tensor] = dict(batch)
    ran: list[_Ran] = []
    for step in model.steps(names, model.given_by(batch)):
        leaves = {name: values[name].detach().requires_grad_() for name in step.reads if _is_float(values[name])}
        given = model.run_step(step, {**values, **leaves})
        ran.append(_Ran(step.name, leaves, given))
        values.update({name: tensor.detach() for name, tensor in given.items()})
    losses = {name: values[name].requires_grad_() for name in names}
    terms = objective(FusedOutput(losses=losses), batch, window)
    found = []
    for name in names:
        [start] = torch.autograd.grad(terms.given[name], [losses[name]], retain_graph=True)
        origin = _walk_back(model, name, start, ran, batch)
        found += [origin] if origin is not None else []
    if not found:
        return _behind_weighing(terms, losses)
    first = found[0]
    together = tuple(origin.losses[0] for origin in found)
    return Origin(together, At.GRADIENT, first.value, first.node, first.inner, first.rows, first.parameters)


def _behind_weighing(terms: Terms, losses: Mapping[str, Tensor]) -> Origin | None:
    """Tells that the gradient of the sum is not finite where it leaves the balancer, though each loss's own is."""
    made = torch.autograd.grad(terms.total, list(losses.values()), allow_unused=True)
    bad = [name for name, one in zip(losses, made, strict=True) if one is not None and not _is_finite(one)]
    return Origin((bad[0],), At.WEIGHING, "a gradient that is not finite") if bad else None


def _walk_back(model: FusedModel, loss: str, start: Tensor, ran: Sequence[_Ran], batch: Batch) -> Origin | None:
    """Takes the gradient of one loss node by node, the last first, up to the node behind which it is not finite."""
    gradients = {loss: start}
    parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
    for call in reversed(ran):
        ends = [name for name, one in call.given.items() if name in gradients and one.requires_grad]
        if not ends:
            continue
        targets = [*call.leaves.values(), *parameters.values()]
        outputs, upstream = [call.given[name] for name in ends], [gradients[name] for name in ends]
        made = torch.autograd.grad(outputs, targets, upstream, allow_unused=True, retain_graph=True)
        named = dict(zip([*call.leaves, *parameters], made, strict=True))
        bad = {name: one for name, one in named.items() if one is not None and not _is_finite(one)}
        if bad:
            value = "nan" if any(one.isnan().any() for one in bad.values()) else "inf"
            rows = _rows_of([bad[name] for name in call.leaves if name in bad], batch)
            weights = tuple(name for name in bad if name in parameters)
            return Origin((loss,), At.GRADIENT, value, call.name, "", rows, weights)
        for name in call.leaves:
            one = named[name]
            if one is not None:
                gradients[name] = gradients[name] + one if name in gradients else one
    return None


def _rows_of(gradients: Sequence[Tensor], batch: Batch) -> tuple[int, ...]:
    """Gives the rows that gradients are not finite in, where they have rows."""
    if ROW not in batch:
        return ()
    rows = batch[ROW]
    bad = torch.zeros_like(rows, dtype=torch.bool)
    for one in gradients:
        if one.dim() and len(one) == len(rows):
            bad |= ~torch.isfinite(one.reshape(len(one), -1)).all(dim=1)
    return tuple(rows[bad].tolist())


def _is_float(tensor: Tensor) -> bool:
    return isinstance(tensor, Tensor) and tensor.is_floating_point()
