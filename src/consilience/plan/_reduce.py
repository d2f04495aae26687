"""Reduces a fusion to some of its losses: the twin that an ablation or a comparison trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import networkx as nx

from consilience.declare import Component, Fusion, Use
from consilience.errors import DeclarationError, Diagnostic, nearest
from consilience.plan._check import check
from consilience.plan._plan import Plan

__all__ = ["reduced"]


def reduced(fusion: Plan | Fusion, losses: Iterable[str]) -> Fusion:
    """Gives the smallest fusion that keeps these losses, each as it was.

    Modules, inputs, fields and resources stay that a kept loss reads or refers to, metrics that read nothing else,
    and sources that fill all that some kept loss or metric needs of an example. Raises `DeclarationError` for a loss
    that is not declared.
    """
    plan = fusion if isinstance(fusion, Plan) else check(fusion)
    wanted = tuple(dict.fromkeys(losses))
    _check_losses(plan, wanted)
    kept = set(wanted).union(*(nx.ancestors(plan.graph, name) for name in wanted))
    for node in plan.of("metrics"):
        if nx.ancestors(plan.graph, node.name) <= kept:
            kept.add(node.name)
    weighing = (plan.fusion.losses[name].example_weight for name in wanted)
    kept |= {field for field in weighing if field is not None}
    written = plan.fusion.to_dict()
    for section in ("fields", "inputs", "modules", "losses", "metrics"):
        _keep(written, section, kept)
    written["sources"] = {name: _kept_source(plan, name, kept, written) for name in _sources(plan, kept)}
    _keep(written, "resources", _resources(plan, kept))
    _keep_weights(plan, wanted, written)
    _keep_mixing(written)
    return Fusion(base=plan.fusion.base, **written)


def _check_losses(plan: Plan, wanted: tuple[str, ...]) -> None:
    known = list(plan.fusion.losses)
    expected = f"some of {', '.join(known)}"
    faults = [
        Diagnostic("CN210", ("losses", name), f"the unknown loss {name}", expected, nearest(name, known) or known[0])
        for name in wanted
        if name not in known
    ]
    if not wanted:
        faults = [Diagnostic("CN405", ("losses",), "no loss", expected, known[0])]
    if faults:
        raise DeclarationError(faults)


def _keep(written: dict[str, Any], section: str, kept: set[str]) -> None:
    written[section] = {name: node for name, node in written.get(section, {}).items() if name in kept}
    if not written[section]:
        del written[section]


def _sources(plan: Plan, kept: set[str]) -> list[str]:
    """Lists the sources whose rows some kept loss or metric can use; all of them when none needs anything of a row."""
    needs = [
        fields
        for section in ("losses", "metrics")
        for node in plan.of(section)
        if node.name in kept and (fields := plan.fields_behind(node.name))
    ]
    sources = plan.fusion.sources
    return [name for name, source in sources.items() if not needs or any(fields <= set(source.map) for fields in needs)]


def _kept_source(plan: Plan, name: str, kept: set[str], written: dict[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = written["sources"][name]
    return source | {"map": {field: column for field, column in source["map"].items() if field in kept}}


def _resources(plan: Plan, kept: set[str]) -> set[str]:
    """Finds the resources that kept nodes and sources name, and those that these name."""
    nodes = [plan.nodes[name] for name in kept]
    waiting: list[Component | None] = [node.declaration for node in nodes] + [node.tuner for node in nodes]
    waiting += [plan.sources[name] for name in _sources(plan, kept)] + [plan.balancer]
    found: set[str] = set()
    while waiting:
        component = waiting.pop()
        for name in _named(component) if component else ():
            if name in plan.resources and name not in found:
                found.add(name)
                waiting.append(plan.resources[name])
    return found


def _named(component: Component) -> Iterator[str]:
    for key in type(component).uses():
        use = getattr(component, key)
        if isinstance(use, Use) and use.name:
            yield use.name


def _keep_weights(plan: Plan, losses: tuple[str, ...], written: dict[str, Any]) -> None:
    """Keeps the weights of the disciplines that still bring a loss."""
    disciplines = {plan.nodes[name].discipline for name in losses}
    objective = written.get("objective", {})
    for key in ("weights", "schedules"):
        if key in objective:
            kept = {name: value for name, value in objective[key].items() if name in disciplines}
            written["objective"] = objective = objective | {key: kept}


def _keep_mixing(written: dict[str, Any]) -> None:
    """Keeps what `mixing` says of the sources that are left."""
    mixing, sources = dict(written.get("mixing", {})), written["sources"]
    if "proportions" in mixing:
        mixing["proportions"] = {name: share for name, share in mixing["proportions"].items() if name in sources}
    if mixing.get("until", "longest") not in ("longest", "shortest", *sources):
        del mixing["until"]
    if mixing:
        written["mixing"] = mixing
