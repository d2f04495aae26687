"""The check: from a fusion to a plan, or to every fault of it at once."""

from __future__ import annotations

import os
from enum import StrEnum

import networkx as nx

from consilience.declare import Fusion, Use
from consilience.errors import DeclarationError
from consilience.host import Registry, default_registry
from consilience.plan._learning import check_learning
from consilience.plan._plan import Edge, Plan
from consilience.plan._resolve import Resolved, resolve, resolve_uses
from consilience.plan._solve import Solution, solve
from consilience.plan._wire import wire

__all__ = ["Purpose", "check"]


class Purpose(StrEnum):
    """What a plan is for: learning asks for sources, and that everything can learn; use asks for the model alone."""

    LEARN = "learn"
    USE = "use"


def check(
    fusion: Fusion | str | os.PathLike[str], registry: Registry | None = None, purpose: Purpose = Purpose.LEARN
) -> Plan:
    """Checks a fusion, or a fusion file, as a whole; raises `DeclarationError` with every fault found.

    Imports neither torch nor transformers, and downloads nothing.
    """
    if not isinstance(fusion, Fusion):
        fusion = Fusion.load(fusion)
    if purpose is Purpose.USE:
        fusion = fusion.without("sources", "metrics")
    resolved = resolve(fusion, registry or default_registry())
    edges, broken = wire(resolved)
    references = _references(resolved)
    graph = _graph(resolved, edges, references)
    solution = Solution({}, {})
    if _tell_cycles(resolved, graph):
        order: list[str] = []
    else:
        order = _order(resolved, graph)
        feeding = {name: [edge.source.node for edge in edges if edge.target.node == name] for name in order}
        resolve_uses(resolved, feeding, order)
        if not resolved.faults or not _hides_types(resolved):
            solution = solve(resolved, edges, order, broken)
        if purpose is Purpose.LEARN:
            check_learning(resolved, edges, references)
    if resolved.faults or resolved.balancer is None:
        raise DeclarationError(fusion.locate(resolved.faults))
    others = resolved.others
    return Plan(
        fusion,
        resolved.registry,
        graph,
        dict(resolved.nodes),
        tuple(order),
        solution.dims,
        solution.varying,
        others["resources"],
        others["sources"],
        resolved.balancer,
    )


def _references(resolved: Resolved) -> list[tuple[str, str]]:
    """Lists the nodes that keys such as `tie:` and `of:` refer to, with the node that refers."""
    found = []
    for name, node in resolved.nodes.items():
        for key in type(node.declaration).uses() if node.declaration else ():
            use = getattr(node.declaration, key)
            if isinstance(use, Use) and use.name in resolved.nodes and not node.share:
                found.append((use.name, name))
    return found


def _graph(resolved: Resolved, edges: list[Edge], references: list[tuple[str, str]]) -> nx.MultiDiGraph[str]:
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    graph.add_nodes_from(resolved.nodes)
    for edge in edges:
        graph.add_edge(edge.source.node, edge.target.node, edge=edge)
    for source, target in references:
        graph.add_edge(source, target, edge=None)
    for node in resolved.nodes.values():
        if node.share:
            graph.add_edge(node.share, node.name, edge=None)
    return graph


def _tell_cycles(resolved: Resolved, graph: nx.MultiDiGraph[str]) -> bool:
    """Notes every cycle, once, at the first of its nodes in the file."""
    names = list(resolved.nodes)
    cyclic = [part for part in nx.strongly_connected_components(graph) if len(part) > 1 or _feeds_itself(graph, part)]
    for part in cyclic:
        first = min(part, key=names.index)
        way = [first] if len(part) == 1 else _way_round(graph, part, first)
        found = " -> ".join([*way, first])
        node = resolved.nodes[first]
        fix = f"# let {first} read something that does not come from {way[-1]}"
        resolved.fault("CN304", (node.section, first, "in"), found, "nodes that do not feed themselves", fix)
    return bool(cyclic)


def _feeds_itself(graph: nx.MultiDiGraph[str], part: set[str]) -> bool:
    [name] = part
    return bool(graph.has_edge(name, name))


def _way_round(graph: nx.MultiDiGraph[str], part: set[str], first: str) -> list[str]:
    within = graph.subgraph(part)
    back = min(within.predecessors(first))
    return list(nx.shortest_path(within, first, back))


def _order(resolved: Resolved, graph: nx.MultiDiGraph[str]) -> list[str]:
    """Orders the nodes so that each comes after what it needs: section by section, then by name, whatever the file's order."""
    rank = {"fields": 0, "inputs": 1, "modules": 2, "losses": 3, "metrics": 4}

    def key(name: str) -> str:
        return f"{rank[resolved.nodes[name].section]}{name}"

    return list(nx.lexicographical_topological_sort(graph, key=key))


def _hides_types(resolved: Resolved) -> bool:
    """Tells whether a node lacks its declaration, or a key its node: then sizes would be missing for that reason alone."""
    return any(fault.code in ("CN121", "CN209", "CN210") and fault.path[0] == "resources" for fault in resolved.faults)
