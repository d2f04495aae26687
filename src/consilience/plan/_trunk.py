"""The trunk: the modules that stand behind several objectives, up to where their ways part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from consilience.plan._gradient import along, flows
from consilience.plan._plan import Plan
from consilience.plan._plan_node import Edge, PlanNode

__all__ = ["objectives_of", "trunk_between", "trunk_of"]


def objectives_of(plan: Plan, per: str) -> dict[str, tuple[str, ...]]:
    """Gives what is weighed against each other, with its losses: each loss, or each discipline.

    A loss whose weight is 0 is no part of any.
    """
    found: dict[str, list[str]] = {}
    for node in plan.of("losses"):
        if plan.weight(node.name) > 0:
            found.setdefault(node.discipline if per == "discipline" else node.name, []).append(node.name)
    return {name: tuple(losses) for name, losses in found.items()}


def trunk_of(plan: Plan, objectives: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Gives the trunk of a checked fusion."""
    return trunk_between(plan.nodes, [edge for _, _, edge in plan.links if edge is not None], objectives)


def trunk_between(
    nodes: Mapping[str, PlanNode], edges: Iterable[Edge], objectives: Mapping[str, Iterable[str]]
) -> frozenset[str]:
    """Gives the modules that several objectives read, or whose parameters do, with what feeds them; nothing untrained.

    Two applications of one module (`share:`) are of the trunk both, though each serves one objective: their parameters
    serve two. The tensors by which the trunk is left are the representation. It is empty where objectives meet in
    nothing but parameters that they reach past it, or where nothing before that is trained.
    """
    before: dict[str, set[str]] = {name: set() for name in nodes}
    for edge in edges:
        if flows(nodes, edge):
            before[edge.target.node].add(edge.source.node)
    serves: dict[str, set[str]] = {}
    for name, losses in objectives.items():
        for node in along(before, losses):
            if nodes[node].section == "modules":
                serves.setdefault(node, set()).add(name)
                serves.setdefault(nodes[node].share or node, set()).add(name)
    parted = [name for name, node in nodes.items() if len(serves.get(node.share or name, ())) > 1]
    trunk = {name for name in along(before, parted) if nodes[name].section == "modules"}
    return frozenset(trunk) if any(nodes[name].is_trained for name in trunk) else frozenset()
