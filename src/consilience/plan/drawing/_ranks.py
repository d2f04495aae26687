"""Ranks figures from top to bottom: layer by layer, and in a layer each below what it needs; cycles included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import networkx as nx

from consilience.plan.drawing._drawing import Arrow, Band, Figure

__all__ = ["cyclic_pairs", "ranked"]

_TOP = (Band.RESOURCES, Band.SOURCES)
_LAYERS = (Band.FIELDS, Band.INPUTS, Band.MODULES, Band.LOSSES, Band.METRICS)


def ranked(figures: Sequence[Figure], arrows: Sequence[Arrow]) -> list[Figure]:
    """Gives the figures with their ranks: no two that an arrow joins share one, but a figure that feeds itself."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(figure.key for figure in figures)
    graph.add_edges_from((arrow.source, arrow.target) for arrow in arrows)
    ranks = {figure.key: 0 for figure in figures if figure.band in _TOP}
    lowest = 0
    for band in _LAYERS:
        members = [figure for figure in figures if figure.band is band]
        start = lowest + 1
        for key in _in_order(graph, [figure.key for figure in members], ranks, start):
            lowest = max(lowest, ranks[key])
        for figure in members:
            if figure.is_ghost and not list(graph.predecessors(figure.key)):  # just above the first that names it
                below = [ranks[reader] for reader in graph.successors(figure.key) if reader in ranks]
                ranks[figure.key] = max(start, min(min(below, default=start) - 1, lowest))
    has_metrics = any(figure.band is Band.METRICS for figure in figures)
    return [replace(figure, rank=ranks.get(figure.key, lowest if has_metrics else lowest + 1)) for figure in figures]


def _in_order(graph: nx.DiGraph[str], members: list[str], ranks: dict[str, int], start: int) -> Iterator[str]:
    """Ranks the members of a layer, each below what it needs; those of a cycle one below the other."""
    within = graph.subgraph(members)
    position = {key: index for index, key in enumerate(members)}
    parts = nx.condensation(within)
    for part in nx.topological_sort(parts):
        knot = sorted(parts.nodes[part]["members"], key=position.__getitem__)
        above = [ranks[other] for key in knot for other in graph.predecessors(key) if other in ranks]
        for index, key in enumerate(knot):
            ranks[key] = max([start, *(rank + 1 for rank in above)]) + index
            yield key


def cyclic_pairs(arrows: Sequence[Arrow]) -> set[tuple[str, str]]:
    """Lists the ends of the arrows that run in a circle."""
    graph: nx.DiGraph[str] = nx.DiGraph((arrow.source, arrow.target) for arrow in arrows)
    knots = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
    loops = {(key, key) for key in graph if graph.has_edge(key, key)}
    return loops | {pair for knot in knots for pair in graph.subgraph(knot).edges}
