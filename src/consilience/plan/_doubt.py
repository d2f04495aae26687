"""Finds the nodes of which the check cannot know enough, because a fault stands in their way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consilience.declare import LossNode, MetricNode, ModuleNode, Node
from consilience.errors import Severity
from consilience.plan._resolved import Resolved
from consilience.plan._wire import Wired

__all__ = ["Unknown", "doubtful", "unknown_ways"]


def doubtful(resolved: Resolved, wired: Wired) -> frozenset[str]:
    """Lists the nodes that are at fault, and those whose sizes would pass through them.

    What is missing at these nodes may be there once the fault is mended: it is no fault of its own. Sizes pass forward
    along every reference, and back into modules.
    """
    waiting = sorted({*wired.broken, *_at_fault(resolved), *_unresolved(resolved), *_bereft(resolved)})
    if not waiting:
        return frozenset()
    written = {name: (section, node) for section, name, node in resolved.fusion.nodes() if section != "sources"}
    mentioned = {name: [other for other in _mentions(node) if other in written] for name, (_, node) in written.items()}
    readers: dict[str, list[str]] = {}
    for name, (_, node) in written.items():
        for other in _mentions(node):
            readers.setdefault(other, []).append(name)
    for other, name in wired.meant:
        readers.setdefault(other, []).append(name)
        mentioned[name].append(other)
    found = set(waiting)
    while waiting:
        name = waiting.pop()
        back = [other for other in mentioned.get(name, []) if other in written and written[other][0] == "modules"]
        news = {*readers.get(name, []), *back} - found
        found |= news
        waiting += news
    return frozenset(found)


@dataclass(frozen=True)
class Unknown:
    """The nodes of which nobody can say how the gradient passes, because of faults told elsewhere."""

    onward: frozenset[str]
    """Those whose values may reach a loss that the check cannot see."""
    behind: frozenset[str]
    """Those that something may train that the check cannot see."""


def unknown_ways(resolved: Resolved, wired: Wired, ways: Iterable[tuple[str, str]]) -> Unknown:
    """Lists what may lie before and behind the nodes that could not be resolved, along the ways of the gradient."""
    names = frozenset(name for _, name, _ in resolved.fusion.nodes())
    unresolved = names if "*" in resolved.gone else set(_unresolved(resolved))
    if not unresolved and not wired.unread:
        return Unknown(frozenset(), frozenset())
    after: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    mentioned = [
        (other, name) for _, name, node in resolved.fusion.nodes() if name in unresolved for other in _mentions(node)
    ]
    for source, target in (*ways, *wired.meant, *mentioned):
        after.setdefault(source, []).append(target)
        before.setdefault(target, []).append(source)
    behind = frozenset(_along(after, {*unresolved, *wired.unread}))
    # What could read anything could read each of them.
    return Unknown(names if wired.unread else frozenset(_along(before, unresolved)), behind)


def _along(ways: Mapping[str, list[str]], starts: Iterable[str]) -> set[str]:
    found = set(starts)
    waiting = list(found)
    while waiting:
        news = set(ways.get(waiting.pop(), ())) - found
        found |= news
        waiting += news
    return found


def _bereft(resolved: Resolved) -> Iterator[str]:
    """Gives the nodes that mention what is lost with a part of the file that could not be understood."""
    if not resolved.gone:
        return
    written = {*resolved.fusion.fields, *(name for _, name, _ in resolved.fusion.nodes())}
    for section, name, node in resolved.fusion.nodes():
        if section != "sources" and any(other not in written and resolved.is_gone(other) for other in _mentions(node)):
            yield name


def _at_fault(resolved: Resolved) -> Iterator[str]:
    for fault in resolved.faults:
        if fault.severity is Severity.ERROR and len(fault.path) > 1 and fault.path[0] != "sources":
            yield str(fault.path[1])


def _unresolved(resolved: Resolved) -> Iterator[str]:
    """Gives the nodes of which it is not known what they are, or whether they are trained."""
    for section, name, node in resolved.fusion.nodes():
        planned = resolved.nodes.get(name)
        if section in resolved.others:
            if section != "sources" and name not in resolved.others[section]:
                yield name
            continue
        is_untuned = isinstance(node, ModuleNode) and not node.share and (planned is None or planned.tuner is None)
        if planned is None or planned.declaration is None or is_untuned:
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
