"""Declares what knowledge graphs offer to a fusion."""

from consilience.declare import Component, hookimpl
from consilience_knowledge._declarations import RGCN, Graph, Injection, Mentions

__all__ = ["RGCN", "Graph", "Injection", "Mentions"]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [Graph, Mentions, Injection, RGCN]
