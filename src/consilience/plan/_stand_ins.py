"""Finds, for a key that names a node at which something is wrong, another node with which nothing would be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from consilience.declare import Component, Fault, Use
from consilience.host import PLUGIN_ERRORS
from consilience.plan._resolved import Resolved

__all__ = ["Ask", "with_stand_in"]

Ask = Callable[[Component], Iterable[Fault]]
"""Asks a component what is wrong with it."""

_MOST_TRIED = 50


def with_stand_in(resolved: Resolved, declaration: Component, fault: Fault, ask: Ask) -> Fault:
    """Lets the fix of a fault name a node that would do, where the component itself could not say one."""
    wanted = type(declaration).uses().get(fault.key)
    if wanted is None or not fault.fix.startswith("#"):
        return fault
    others = (other for other in _alike(resolved, wanted) if other != getattr(declaration, fault.key))
    for other in islice(others, _MOST_TRIED):
        if _would_do(declaration.model_copy(update={fault.key: other}), fault.key, ask):
            return replace(fault, fix=f"{fault.key}: {other.name}")
    return fault


def _alike(resolved: Resolved, wanted: type[Component]) -> Iterator[Use[Component]]:
    for name, resource in resolved.others["resources"].items():
        if isinstance(resource, wanted):
            yield Use(name, resource)
    for name, node in resolved.nodes.items():
        if isinstance(node.declaration, wanted) and not node.share:
            yield Use(name, node.declaration)


def _would_do(declaration: Component, key: str, ask: Ask) -> bool:
    try:
        return all(fault.key != key for fault in ask(declaration))
    except PLUGIN_ERRORS:
        return False
