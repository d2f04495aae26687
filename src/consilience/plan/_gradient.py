"""The ways of the gradient: which losses reach which parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from consilience.declare import Loss, Port
from consilience.plan._plan_node import TARGET, Edge, PlanNode
from consilience.plan._resolved import Resolved
from consilience.plan._uses import uses_of

__all__ = ["Ways", "along", "flows"]


class Ways:
    """Where gradients flow: along edges of real numbers that are no targets, and along references to parameters."""

    def __init__(self, resolved: Resolved, edges: Iterable[Edge], references: Iterable[tuple[str, str]]) -> None:
        nodes = resolved.nodes
        self._after: dict[str, set[str]] = {name: set() for name in nodes}
        self._before: dict[str, set[str]] = {name: set() for name in nodes}
        self._fed: dict[str, set[str]] = {name: set() for name in nodes}
        for source, target in references:
            self._add(source, target, feeds=not (target in nodes and _borrows(nodes[target], source)))
        for node in nodes.values():
            if node.share:
                self._add(node.share, node.name)
        for edge in edges:
            if flows(nodes, edge):
                self._add(edge.source.node, edge.target.node)
        self.trained = [node.name for node in nodes.values() if node.is_trained]
        """The nodes whose parameters training changes, losses among them."""
        self.trained_modules = frozenset(
            name for name in self.trained if nodes[name].section == "modules" and not nodes[name].share
        )

    def _add(self, source: str, target: str, feeds: bool = True) -> None:
        if source in self._after and target in self._after:
            self._after[source].add(target)
            self._before[target].add(source)
            if feeds:
                self._fed[target].add(source)

    @cached_property
    def moved(self) -> frozenset[str]:
        """The nodes whose value training changes."""
        return frozenset(along(self._after, self.trained))

    def behind(self, nodes: Iterable[str]) -> set[str]:
        """Gives the nodes that gradients of some nodes reach, these included."""
        return along(self._before, nodes)

    def feeding(self, nodes: Iterable[str], passing_by: Collection[str] = frozenset()) -> set[str]:
        """Gives the nodes whose tensors, and not their parameters alone, gradients of some nodes reach.

        These are included, and those to pass by are not.
        """
        return along(self._fed, nodes, passing_by)

    def are_shared(self, losses: Iterable[str]) -> bool:
        """Tells whether two of the losses reach one trained module."""
        reached: set[str] = set()
        for loss in losses:
            # What is reached once need not be walked again: a second loss that comes there shares all behind it.
            waiting, news = [loss], {loss}
            while waiting:
                for other in self._before[waiting.pop()] - news:
                    if other in reached:
                        if self._leads_to_trained(other):
                            return True
                        continue
                    news.add(other)
                    waiting.append(other)
            reached |= news
        return False

    def _leads_to_trained(self, node: str) -> bool:
        return node in self._above_trained

    @cached_property
    def _above_trained(self) -> frozenset[str]:
        return frozenset(along(self._after, self.trained_modules))


def _borrows(node: PlanNode, name: str) -> bool:
    """Tells whether a node trains no more than some parameters of a module that it refers to, or parameters of its own.

    A loss of parameters alone, without any of its own, measures the whole of what it refers to.
    """
    declaration = node.declaration
    measures = isinstance(declaration, Loss) and not declaration.has_parameters
    return not measures and name in {other for _, other in uses_of(declaration)}


def flows(nodes: Mapping[str, PlanNode], edge: Edge) -> bool:
    """Tells whether a gradient flows along an edge: it is of real numbers, and no target."""
    port = nodes[edge.source.node].outputs[edge.source.port]
    return isinstance(port, Port) and port.dtype.is_differentiable and edge.target.port != TARGET


def along(
    ways: Mapping[str, Collection[str]], starts: Iterable[str], passing_by: Collection[str] = frozenset()
) -> set[str]:
    """Gives what is reached from some nodes, these included, but for those to pass by."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        for other in ways.get(waiting.pop(), ()):
            if other not in found and other not in passing_by:
                found.add(other)
                waiting.append(other)
    return found
