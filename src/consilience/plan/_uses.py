"""Fills the keys by which components name other nodes: `checkpoint: minilm`, `tie: encoder`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

from consilience.declare import SECTIONS, Component, Tuner, Use
from consilience.errors import Path, nearest, shortlist, with_article
from consilience.plan._cycles import cycles
from consilience.plan._declarations import tell_own_faults
from consilience.plan._plan_node import PlanNode
from consilience.plan._resolved import Resolved

__all__ = ["resolve_uses", "uses_of"]

ComponentT = TypeVar("ComponentT", bound=Component)


def uses_of(declaration: Component | None) -> Iterator[tuple[str, str]]:
    """Lists the keys of a component that name another node, with the node's name."""
    for key in type(declaration).uses() if declaration else ():
        use = getattr(declaration, key)
        if isinstance(use, Use) and use.name:
            yield key, use.name


def resolve_uses(
    resolved: Resolved, feeding: Mapping[str, list[str]], order: Iterable[str], doubtful: frozenset[str]
) -> None:
    """Fills every `Use` key with the component that it names; a key left to `upstream()` takes what feeds the node.

    Only now do components that name others tell their own faults. What feeds a `doubtful` node may be missing because
    of a fault told elsewhere.
    """
    for name in _resource_order(resolved):
        path: Path = ("resources", name)
        resources = resolved.others["resources"]
        resources[name] = _with_uses(resolved, resources[name], resolved.fusion.resources[name].use, path)
    for name, source in resolved.others["sources"].items():
        written = resolved.fusion.sources[name].use
        resolved.others["sources"][name] = _with_uses(resolved, source, written, ("sources", name))
    for name in order:
        node = resolved.nodes[name]
        if node.share:
            _take_from_owner(resolved, node)  # before what names this node
        if node.declaration is None or node.share:
            continue
        above = None if name in doubtful else [resolved.nodes[other].declaration for other in feeding.get(name, [])]
        declaration = _with_uses(resolved, node.declaration, node.component, (node.section, name), above)
        resolved.nodes[name] = replace(node, declaration=declaration, tuner=_tuner(resolved, name))
    for node in list(resolved.nodes.values()):
        if node.share:
            _take_from_owner(resolved, node)
    if resolved.balancer:
        balance = resolved.fusion.objective.balance["use"]
        resolved.balancer = _with_uses(resolved, resolved.balancer, balance, ("objective", "balance"))


def _take_from_owner(resolved: Resolved, node: PlanNode) -> None:
    """Gives a further application of a module what its owner declares."""
    owner = resolved.nodes[str(node.share)]
    resolved.nodes[node.name] = replace(node, declaration=owner.declaration, tuner=owner.tuner)


def _tuner(resolved: Resolved, name: str) -> Tuner | None:
    tuner = resolved.nodes[name].tuner
    if tuner is None:
        return None
    return _with_uses(resolved, tuner, resolved.fusion.modules[name].tune["use"], ("modules", name, "tune"))


def _resource_order(resolved: Resolved) -> list[str]:
    """Orders the resources so that each comes after those that it names; notes the cycles among them."""
    resources = resolved.others["resources"]
    needs = {name: [other for _, other in uses_of(item) if other in resources] for name, item in resources.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError:
        return _order_with_cycles(resolved, needs)


def _order_with_cycles(resolved: Resolved, needs: Mapping[str, list[str]]) -> list[str]:
    resources = resolved.others["resources"]
    ways, behind = cycles(needs, [(other, name) for name, others in needs.items() for other in others])
    for way in ways:
        first = way[0]
        key = next(key for key, other in uses_of(resources[first]) if other == way[-1])
        found = " -> ".join([*way, first])
        fix = f"# name under {key} a resource that does not need {first}"
        resolved.fault("CN304", ("resources", first, key), found, "resources that do not need themselves", fix)
    free = {name: others for name, others in needs.items() if name not in behind}
    return [*TopologicalSorter(free).static_order(), *(name for name in needs if name in behind)]


def _with_uses(
    resolved: Resolved, declaration: ComponentT, name: str, path: Path, above: Iterable[Component | None] | None = ()
) -> ComponentT:
    found: dict[str, Any] = {}
    lacking = len(resolved.faults)
    for key, wanted in type(declaration).uses().items():
        use = getattr(declaration, key)
        if use is None:
            continue
        if use.name is None:
            use = _from_above(resolved, key, wanted, path, above) if above is not None else None
        if use is None:
            continue
        target = _target(resolved, use.name)
        if isinstance(target, wanted):
            found[key] = Use(use.name, target)
        else:
            _wrong_use(resolved, key, use.name, wanted, target, path)
    if not found:
        return declaration
    filled = declaration.model_copy(update=found)
    if len(resolved.faults) == lacking:
        tell_own_faults(resolved, filled, name, path)
    return filled


def _target(resolved: Resolved, name: str) -> Component | None:
    if name in resolved.others["resources"]:
        target: Component = resolved.others["resources"][name]
        return target
    return resolved.nodes[name].declaration if name in resolved.nodes else None


def _from_above(
    resolved: Resolved, key: str, wanted: type[Component], path: Path, above: Iterable[Component | None]
) -> Use[Any] | None:
    given = [use for component in above if isinstance(use := getattr(component, key, None), Use)]
    for use in given:
        if use.name and isinstance(_target(resolved, use.name), wanted):
            return use
    if given:
        return None  # that it names nothing of the kind is told already
    found = f"no key {key}, and nothing that feeds the node has one"
    expected, fix = _wanted(resolved, key, "", wanted)
    resolved.fault("CN121", path, found, expected, fix)
    return None


def _wanted(resolved: Resolved, key: str, name: str, wanted: type[Component]) -> tuple[str, str]:
    """Tells what a key may name, and the fix that names it."""
    names = resolved.names_of(wanted)
    word = "node" if wanted is Component else wanted.component or wanted.kind
    near = nearest(name, names) or next(iter(names), None)
    fix = f"{key}: {near}" if near else f"# declare {with_article(word)}, and name it under {key}"
    if near == name:  # a name that stands twice, which is told
        fix = f"# give one of the two nodes {name} another name, and write here which is meant"
    return f"{with_article(word)}: {shortlist(names) or 'none is declared'}", fix


def _wrong_use(
    resolved: Resolved, key: str, name: str, wanted: type[Component], target: Component | None, path: Path
) -> None:
    is_declared = any(name in getattr(resolved.fusion, section) for section in SECTIONS if section != "sources")
    if target is None and (is_declared or resolved.is_gone(name)):
        return  # its own fault is told already
    found = f"{name}, which is {with_article(target.kind)}" if target else f"the unknown node {name}"
    expected, fix = _wanted(resolved, key, name, wanted)
    resolved.fault("CN209" if target else "CN210", (*path, key), found, expected, fix)
