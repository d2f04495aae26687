"""Finds the nodes of which the check cannot know enough, because a fault stands in their way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from consilience.declare import LossNode, MetricNode, ModuleNode, Node
from consilience.plan._resolve import Resolved

__all__ = ["doubtful"]


def doubtful(resolved: Resolved, broken: Iterable[str]) -> frozenset[str]:
    """Lists the nodes that are at fault, and those whose sizes or gradients would pass through them.

    What is missing at these nodes may be there once the fault is mended: it is no fault of its own. Sizes and gradients
    pass forward along every reference, and back into modules.
    """
    written = {name: (section, node) for section, name, node in resolved.fusion.nodes() if section != "sources"}
    mentioned = {name: [other for other in _mentions(node) if other in written] for name, (_, node) in written.items()}
    readers: dict[str, list[str]] = {}
    for name, (_, node) in written.items():
        for other in _mentions(node):
            readers.setdefault(other, []).append(name)
    waiting = sorted({*broken, *_at_fault(resolved), *_unresolved(resolved, written)})
    found = set(waiting)
    while waiting:
        name = waiting.pop()
        back = [other for other in mentioned.get(name, []) if written[other][0] == "modules"]
        news = {*readers.get(name, []), *back} - found
        found |= news
        waiting += news
    return frozenset(found)


def _at_fault(resolved: Resolved) -> Iterator[str]:
    for fault in resolved.faults:
        if len(fault.path) > 1 and fault.path[0] != "sources":
            yield str(fault.path[1])


def _unresolved(resolved: Resolved, written: Mapping[str, tuple[str, Node]]) -> Iterator[str]:
    for name, (section, _) in written.items():
        if name not in resolved.others.get(section, resolved.nodes):
            yield name


def _mentions(node: Node) -> Iterator[str]:
    """Gives the names of nodes that a node may refer to: which of its settings do, its component alone could say."""
    named: list[Any] = [getattr(node, "in_", None), *node.settings.values()]
    if isinstance(node, LossNode | MetricNode):
        named.append(node.target)
    if isinstance(node, ModuleNode):
        named += [node.share, *node.tune.values()]
    for value in named:
        listed = value.values() if isinstance(value, Mapping) else [value]
        for item in listed:
            for reference in item if isinstance(item, list | tuple) else [item]:
                if isinstance(reference, str):
                    yield reference.partition(".")[0]
