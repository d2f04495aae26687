"""Who needs whom in a fusion. To order it takes no networkx, whose import takes longer than a whole check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

    from consilience.plan._plan_node import Edge

__all__ = ["Link", "has_cycle", "in_order", "to_networkx"]

Link = tuple[str, str, "Edge | None"]
"""A node, the node that needs it, and the edge that a tensor takes; None where a key only refers to the node."""


def to_networkx(names: Iterable[str], links: Iterable[Link]) -> nx.MultiDiGraph[str]:
    """Gives the graph for what is more than an order: each edge's `edge` is that of its link."""
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from((source, target, {"edge": edge}) for source, target, edge in links)
    return graph


def has_cycle(names: Iterable[str], links: Iterable[Link]) -> bool:
    """Tells whether some node needs itself, by whatever way."""
    try:
        _sorter(names, links).prepare()
    except CycleError:
        return True
    return False


def in_order(names: Collection[str], links: Iterable[Link], key: Callable[[str], str]) -> list[str]:
    """Orders nodes so that each comes after those that it needs, and, of those that may come next, the least by key.

    Links to and from others do not count. Raises CycleError.
    """
    sorter = _sorter(names, (link for link in links if link[0] in names and link[1] in names))
    sorter.prepare()
    ready = [(key(name), name) for name in sorter.get_ready()]
    heapify(ready)
    order = []
    while ready:
        _, name = heappop(ready)
        order.append(name)
        sorter.done(name)
        for other in sorter.get_ready():
            heappush(ready, (key(other), other))
    return order


def _sorter(names: Iterable[str], links: Iterable[Link]) -> TopologicalSorter[str]:
    sorter = TopologicalSorter(dict.fromkeys(names, ()))
    for source, target, _ in links:
        sorter.add(target, source)
    return sorter
