"""Checks what balances the losses: that it has something to weigh, and that the training can do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from consilience.declare import Balancer, Component, Fault, GradientBalancer, Sees
from consilience.errors import Part, Path, Severity
from consilience.plan._declarations import tell_own_faults
from consilience.plan._gradient import Ways
from consilience.plan._names import discipline_of
from consilience.plan._plan_node import Edge
from consilience.plan._resolved import Resolved
from consilience.plan._trunk import trunk_between

__all__ = ["check_balancer"]

_PATH = ("objective", "balance")
_UNFIT = {"fp16": "scaled losses", "torch_compile": "a compiled model"}
"""The keys of `train` that gradients taken one by one do not go with, and what they ask for."""


def check_balancer(resolved: Resolved, edges: Iterable[Edge], ways: Ways, weights: Mapping[str, float]) -> None:
    """Notes a balancer without anything to weigh, or that sees what is not there, and settings that go against it."""
    balancer = resolved.balancer
    if balancer is None:
        return
    _check_settings(resolved, balancer)
    name = resolved.fusion.objective.balance["use"]
    weighed = [loss for loss, weight in weights.items() if weight]
    if balancer.needs_shared_parameters and not ways.are_shared(weighed):
        found = f"{name}, and no parameters that two losses train"
        expected = "a trained module that the gradients of two losses reach"
        resolved.fault("CN413", _PATH, found, expected, "balance: fixed")
        return
    if balancer.needs_several_losses and len(weighed) == 1:
        found, expected = f"{name} over one loss", "several losses to weigh against each other"
        resolved.fault("CN413", _PATH, found, expected, "balance: fixed", severity=Severity.WARNING)
    _check_epochs(resolved, balancer, name)
    objectives: dict[str, tuple[str, ...]] = {loss: (loss,) for loss in weighed}
    if isinstance(balancer, GradientBalancer):
        objectives = _objectives(resolved, balancer, weighed)
        _check_gradients(resolved, balancer, edges, objectives)
    if objectives:
        tell_own_faults(resolved, balancer, name, _PATH, lambda asked: _faults_on(asked, tuple(objectives)))


def _check_settings(resolved: Resolved, balancer: Balancer) -> None:
    """Notes settings under which no gradient can be taken by itself."""
    objective = resolved.fusion.objective
    asks = objective.balance["use"] if isinstance(balancer, GradientBalancer) else "gradients_every"
    if asks == "gradients_every" and objective.gradients_every is None:
        return
    for key, wanted in _UNFIT.items():
        if resolved.fusion.train.arguments.get(key):
            found = f"true, for {wanted}, beside {asks}, which takes gradients one by one"
            fix = "bf16: true" if key == "fp16" else "torch_compile: false"
            resolved.fault("CN462", ("train", key), found, f"false, beside {asks}", fix, Part.KEY)


def _check_epochs(resolved: Resolved, balancer: Balancer, name: str) -> None:
    """Warns of a balancer that begins to weigh when the training is over, as far as the file tells its epochs."""
    train, idle = resolved.fusion.train, balancer.idle_epochs
    streamed = [source for source, node in resolved.fusion.sources.items() if node.streaming]
    if not idle or ("train",) in resolved.lost or ("train", "epochs") in resolved.lost:
        return
    begins = f"{name} weighs nothing before the end of epoch {idle}"
    if streamed:
        found = f"{begins}, and {streamed[0]} is streamed: no epoch ends"
        expected = "a balancer that weighs from step to step"
        resolved.fault("CN433", _PATH, found, expected, "balance: fixed", severity=Severity.WARNING)
    elif train.arguments.get("max_steps") is None and train.epochs <= idle:
        found = f"{train.epochs:g}, and {begins}"
        is_written = "epochs" in train.model_fields_set
        path: Path = ("train", "epochs") if is_written else _PATH
        expected, fix = f"more than {idle} epochs", f"epochs: {idle + 1}"
        fix = fix if is_written else f"train: {{{fix}}}"
        resolved.fault("CN433", path, found, expected, fix, severity=Severity.WARNING)


def _faults_on(balancer: Component, objectives: tuple[str, ...]) -> Iterable[Fault]:
    assert isinstance(balancer, Balancer)
    return balancer.faults_on(objectives)


def _objectives(resolved: Resolved, balancer: GradientBalancer, losses: list[str]) -> dict[str, tuple[str, ...]]:
    if balancer.per == "loss":
        return {loss: (loss,) for loss in losses}
    found: dict[str, tuple[str, ...]] = {}
    for loss in losses:
        owner = discipline_of(resolved.fusion.losses[loss])
        found[owner] = (*found.get(owner, ()), loss)
    if len(found) == 1 and len(losses) > 1:
        shown = f"discipline, and all losses are of the discipline {next(iter(found))}"
        resolved.fault("CN460", (*_PATH, "per"), shown, "losses of several disciplines", "per: loss")
    return found


def _check_gradients(
    resolved: Resolved, balancer: GradientBalancer, edges: Iterable[Edge], objectives: Mapping[str, tuple[str, ...]]
) -> None:
    name = resolved.fusion.objective.balance["use"]
    if balancer.over == "representation" and balancer.sees is Sees.JACOBIAN:
        found = f"representation, and {name} reads every number of the gradients"
        resolved.fault("CN461", (*_PATH, "over"), found, "parameters", "over: parameters")
    elif balancer.over == "representation" and len(objectives) > 1 and not _has_trunk(resolved, edges, objectives):
        found = "representation, and no trained module's tensor reaches two objectives"
        expected = "a tensor that several objectives read"
        resolved.fault("CN461", (*_PATH, "over"), found, expected, "over: parameters")


def _has_trunk(resolved: Resolved, edges: Iterable[Edge], objectives: Mapping[str, tuple[str, ...]]) -> bool:
    return bool(trunk_between(resolved.nodes, edges, objectives))
