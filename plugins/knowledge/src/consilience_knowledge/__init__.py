"""Declares what knowledge graphs offer to a fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consilience.declare import Component, hookimpl
from consilience_knowledge._declarations import RGCN, Graph, Injection, Mentions

if TYPE_CHECKING:
    import click

__all__ = ["RGCN", "Graph", "Injection", "Mentions"]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [Graph, Mentions, Injection, RGCN]


@hookimpl
def consilience_commands() -> list[click.Command]:
    from consilience_knowledge.commands import mentions

    return [mentions]
