"""Finds the cycles among nodes that need each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["cycles"]


def cycles(names: Iterable[str], links: Iterable[tuple[str, str]]) -> tuple[list[list[str]], set[str]]:
    """Gives a way round each cycle, from its first name on, and the names in cycles or behind one.

    A link leads from what is needed to what needs it. The order of the names alone decides which way is given.
    """
    import networkx as nx  # whose import takes longer than a whole check without cycles

    position = {name: index for index, name in enumerate(names)}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(position)
    graph.add_edges_from(sorted(links, key=lambda link: (position[link[0]], position[link[1]])))
    parts = [sorted(part, key=position.__getitem__) for part in nx.strongly_connected_components(graph)]
    cyclic = sorted(
        (part for part in parts if len(part) > 1 or graph.has_edge(part[0], part[0])),
        key=lambda part: position[part[0]],
    )
    return [_way_round(graph, part) for part in cyclic], _behind(graph, [name for part in cyclic for name in part])


def _way_round(graph: nx.DiGraph[str], part: list[str]) -> list[str]:
    import networkx as nx

    first, members = part[0], set(part)
    if len(part) == 1:
        return part
    within: nx.DiGraph[str] = nx.DiGraph()  # a subgraph's order would be that of a set
    within.add_edges_from((name, other) for name in part for other in graph.successors(name) if other in members)
    back = next(name for name in part if graph.has_edge(name, first))
    return list(nx.shortest_path(within, first, back))


def _behind(graph: nx.DiGraph[str], starts: list[str]) -> set[str]:
    found = set(starts)
    waiting = list(starts)
    while waiting:
        news = set(graph.successors(waiting.pop())) - found
        found |= news
        waiting += news
    return found
