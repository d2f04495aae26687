"""Checks what is kept of frozen modules: it must be the same in every epoch, whatever was learnt meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consilience.declare import Input, Loss
from consilience.plan._plan_node import TARGET, Edge, PlanNode
from consilience.plan._resolved import Resolved
from consilience.plan._uses import uses_of

__all__ = ["check_features"]


def check_features(resolved: Resolved, edges: Iterable[Edge]) -> None:
    """Notes modules whose outputs are to be kept although training, or chance, changes them."""
    feeding: dict[str, list[str]] = {}
    for edge in edges:
        if edge.target.port != TARGET:
            feeding.setdefault(edge.target.node, []).append(edge.source.node)
    for name, node in resolved.nodes.items():
        if node.section != "modules" or node.share or node.tuner is None or not node.tuner.keeps_features:
            continue
        reason = next(_reasons(resolved, node, feeding), None)
        if reason is not None:
            tuner = resolved.fusion.modules[name].tune["use"]
            path = ("modules", name, "tune")
            expected = f"{name} and all before it frozen, no chance in them, and rows that are there at once"
            resolved.fault("CN455", path, f"{name}, to be kept: {reason}", expected, f"tune: {tuner}")


def _reasons(resolved: Resolved, node: PlanNode, feeding: dict[str, list[str]]) -> Iterator[str]:
    if node.is_trained:
        yield f"{node.name} is trained"
    if streamed := [name for name, source in resolved.fusion.sources.items() if source.streaming]:
        yield f"{streamed[0]} is streamed, and nobody has its rows beforehand"
    adding = _adding(resolved)
    if node.name in adding:
        yield f"{adding[node.name]} trains parameters of its own in it"
    seen, waiting = {node.name}, [node.name]
    while waiting:
        for source in feeding.get(waiting.pop(0), ()):
            if source in seen:
                continue
            seen.add(source)
            waiting.append(source)
            before = resolved.nodes[source]
            if isinstance(before.declaration, Input) and before.declaration.is_random:
                yield f"{source}, which feeds it, draws by chance"
            elif before.section == "modules" and before.is_trained:
                yield f"{source}, which feeds it, is trained"
            elif (before.share or source) in adding:
                yield f"{source}, which feeds it, has trained parameters of {adding[before.share or source]} in it"


def _adding(resolved: Resolved) -> dict[str, str]:
    """Gives the nodes to which a loss adds parameters of its own, such as gates, each with that loss."""
    found: dict[str, str] = {}
    for loss in resolved.nodes.values():
        if isinstance(loss.declaration, Loss) and loss.declaration.has_parameters:
            found |= dict.fromkeys((name for _, name in uses_of(loss.declaration)), loss.name)
    return found
