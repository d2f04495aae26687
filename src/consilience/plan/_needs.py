"""Tells what each node needs of an example."""

from __future__ import annotations

from collections.abc import Iterable

from consilience.plan._plan_node import TARGET, Edge
from consilience.plan._resolved import Resolved

__all__ = ["Needs", "listed", "union"]


class Needs:
    """What each node needs of an example: the fields whose values reach it, by any port or by some."""

    def __init__(self, resolved: Resolved, edges: Iterable[Edge]) -> None:
        self._fields = frozenset(resolved.fusion.fields)
        self._into: dict[str, list[Edge]] = {}
        for edge in edges:
            self._into.setdefault(edge.target.node, []).append(edge)
        self._known: dict[str, frozenset[str]] = {name: frozenset({name}) for name in self._fields}

    def of(self, node: str) -> frozenset[str]:
        """Gives the fields behind a node, its target's included."""
        waiting, entered = [node], set[str]()
        while waiting:
            name = waiting[-1]
            above = [edge.source.node for edge in self._into.get(name, ())]
            # Who is entered already and not known yet feeds itself: that is told elsewhere.
            unknown = [other for other in above if other not in self._known and other not in entered]
            if name not in self._known and unknown:
                entered.add(name)
                waiting += unknown
                continue
            if name not in self._known:
                self._known[name] = union(self._known[other] for other in above if other in self._known)
            waiting.pop()
        return self._known[node]

    def target(self, node: str) -> Edge | None:
        """Gives the edge by which a loss or metric reads its target."""
        return next((edge for edge in self._into.get(node, ()) if edge.target.port == TARGET), None)

    def read(self, node: str) -> frozenset[str]:
        """Gives the fields behind what a loss reads, its target's aside."""
        edges = self._into.get(node, ())
        return union(self.of(edge.source.node) for edge in edges if edge.target.port != TARGET)


def union(parts: Iterable[frozenset[str]]) -> frozenset[str]:
    whole: frozenset[str] = frozenset()
    for part in parts:
        whole = part if whole <= part else whole if part <= whole else whole | part
    return whole


def listed(names: Iterable[str]) -> str:
    """Writes names as a sentence does: `a, b and c`."""
    names = list(names)
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
