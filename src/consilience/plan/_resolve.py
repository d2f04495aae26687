"""Resolves the names in a fusion: components and their settings, label spaces, and the nodes that keys refer to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from consilience.declare import (
    SECTIONS,
    Balancer,
    ColumnMap,
    Component,
    Fusion,
    LabelSpace,
    ModuleNode,
    Node,
    Ports,
    Tuner,
    Use,
    diagnostics_of,
)
from consilience.errors import Diagnostic, Path, nearest
from consilience.host import STANDARD, Registry
from consilience.host._discovery import innermost
from consilience.plan._plan import TASK, PlanNode, namespace_of, ports_of

__all__ = ["Resolved", "resolve"]


@dataclass
class Resolved:
    """What the names of a fusion stand for, and every fault among them."""

    fusion: Fusion
    registry: Registry
    nodes: dict[str, PlanNode] = field(default_factory=dict)
    others: dict[str, dict[str, Any]] = field(default_factory=lambda: {"resources": {}, "sources": {}})
    spaces: dict[str, LabelSpace] = field(default_factory=dict)
    balancer: Balancer | None = None
    faults: list[Diagnostic] = field(default_factory=list)

    def fault(self, code: str, path: Path, found: str, expected: str, fix: str) -> None:
        """Notes a fault."""
        self.faults.append(Diagnostic(code, path, found, expected, fix))


def resolve(fusion: Fusion, registry: Registry) -> Resolved:
    """Resolves every name that does not depend on wiring; collects the faults."""
    resolved = Resolved(fusion, registry)
    broken = _load_namespaces(resolved)
    _check_names(resolved)
    _resolve_fields(resolved, broken)
    for section, name, node in fusion.nodes():
        if section == "modules" and isinstance(node, ModuleNode) and not _is_well_formed(resolved, name, node):
            continue
        if node.use and namespace_of(node.use) not in broken:
            _resolve_node(resolved, section, name, node)
    _resolve_shares(resolved)
    if namespace_of(fusion.objective.balance["use"]) not in broken:
        path = ("objective", "balance")
        balancer = declare(resolved, fusion.objective.balance, "balancer", path)
        resolved.balancer = balancer if isinstance(balancer, Balancer) else None
    return resolved


def _named(fusion: Fusion) -> Iterator[tuple[str, Path]]:
    """Gives every full name that a plugin resolves, with the key that holds it."""
    for section, name, node in fusion.nodes():
        if node.use:
            yield node.use, (section, name, "use")
        if isinstance(node, ModuleNode) and not node.share:
            yield node.tune["use"], (section, name, "tune")
    yield fusion.objective.balance["use"], ("objective", "balance")
    for name, kind in fusion.fields.items():
        if isinstance(kind.labels, str) and "." in kind.labels:
            yield kind.labels, ("fields", name, kind.word)
    for name, source in fusion.sources.items():
        for field_name, column in source.map.items():
            if isinstance(column, ColumnMap) and column.space and "." in column.space:
                yield column.space, ("sources", name, "map", field_name, "space")


def _load_namespaces(resolved: Resolved) -> set[str]:
    """Imports the plugins that the file names; tells each fault once, where the namespace is first named."""
    first: dict[str, Path] = {STANDARD: ()}
    for name, path in _named(resolved.fusion):
        first.setdefault(namespace_of(name), path)
    broken = set()
    for namespace, path in first.items():
        fault = resolved.registry.load(namespace)
        if fault:
            broken.add(namespace)
            resolved.faults.append(replace(fault, path=path))
    return broken


def _check_names(resolved: Resolved) -> None:
    """Sees that a name means one thing in the file."""
    owner: dict[str, str] = {}
    for section in ("fields", *(section for section in SECTIONS if section != "sources")):
        for name in getattr(resolved.fusion, section):
            if name in owner:
                found = f"{name}, which stands under {owner[name]} too"
                resolved.fault("CN213", (section, name), found, "a name that means one thing", f"{name}_{section}:")
            owner.setdefault(name, section)


def _resolve_fields(resolved: Resolved, broken: set[str]) -> None:
    for name, kind in resolved.fusion.fields.items():
        resolved.nodes[name] = PlanNode(name, "fields", TASK, outputs=Ports(**{name: kind.port}))
        if isinstance(kind.labels, tuple):
            resolved.spaces[name] = LabelSpace(name=name, labels=kind.labels)
        elif kind.labels is not None and namespace_of(kind.labels) not in broken:
            space = find_space(resolved, kind.labels, ("fields", name, kind.word))
            if space:
                resolved.spaces[name] = space
    for name, source in resolved.fusion.sources.items():
        for field_name, column in source.map.items():
            path: Path = ("sources", name, "map", field_name)
            if field_name not in resolved.fusion.fields:
                _unknown_field(resolved, path, field_name)
            if isinstance(column, ColumnMap) and column.space and namespace_of(column.space) not in broken:
                _check_mapping(resolved, field_name, column.space, (*path, "space"))


def _unknown_field(resolved: Resolved, path: Path, name: str) -> None:
    fields = list(resolved.fusion.fields)
    near = nearest(name, fields)
    fix = f"{near}:" if near else f"fields: {{{name}: text}}"
    resolved.fault("CN212", path, f"the field {name}, which is not declared", f"one of {', '.join(fields) or 'none'}", fix)


def find_space(resolved: Resolved, name: str, path: Path) -> LabelSpace | None:
    """Finds a label space by its full name, or notes that there is none."""
    space = resolved.registry.label_space(name)
    if space is None:
        known = resolved.registry.label_spaces()
        near = nearest(name, known)
        fix = f"{path[-1]}: {near}" if near else f"{path[-1]}: [first, second]"
        expected = f"one of {', '.join(known)}" if known else "a list of labels"
        resolved.fault("CN208", path, f"the unknown label space {name}", expected, fix)
    return space


def _check_mapping(resolved: Resolved, field_name: str, name: str, path: Path) -> None:
    space, own = find_space(resolved, name, path), resolved.spaces.get(field_name)
    if space is None or own is None or space.labels == own.labels or space.name in own.maps:
        return
    known = ", ".join(own.maps) or "none"
    found = f"{name}, from which no mapping leads to the labels of {field_name}"
    resolved.fault("CN208", path, found, f"a space that is mapped: {known}", "values: {theirs: ours}")


def _is_well_formed(resolved: Resolved, name: str, node: ModuleNode) -> bool:
    if bool(node.use) != bool(node.share):
        return True
    found = "both use and share" if node.use else "neither use nor share"
    fix = f"share: {node.share}" if node.use else "use: classifier"
    resolved.fault("CN121", ("modules", name), found, "one of the keys use and share", fix)
    return False


def _resolve_node(resolved: Resolved, section: str, name: str, node: Node) -> None:
    kind = SECTIONS[section].kind
    declaration = declare(resolved, {"use": node.use, **node.settings}, kind, (section, name))
    if declaration is None:
        return
    if section in resolved.others:
        resolved.others[section][name] = declaration
        return
    namespace = namespace_of(node.use)
    discipline = getattr(node, "discipline", None) or (TASK if namespace == STANDARD else namespace)
    tuner = None
    if isinstance(node, ModuleNode):
        found = declare(resolved, node.tune, "tuner", (section, name, "tune"))
        tuner = found if isinstance(found, Tuner) else None
    inputs, outputs = ports_of(declaration)
    if name not in resolved.nodes:
        resolved.nodes[name] = PlanNode(name, section, discipline, node.use, declaration, inputs, outputs, tuner=tuner)


def _resolve_shares(resolved: Resolved) -> None:
    """Gives each `share:` node the component of the module it applies once more."""
    for name, node in resolved.fusion.modules.items():
        if not node.share or node.use:
            continue
        path: Path = ("modules", name, "share")
        owners = [other for other, written in resolved.fusion.modules.items() if written.use]
        base = resolved.nodes.get(node.share)
        if node.share not in owners:
            near = nearest(node.share, owners)
            expected = f"a module with a component of its own: {', '.join(owners) or 'none'}"
            resolved.fault("CN210", path, node.share, expected, f"share: {near or (owners or ['module'])[0]}")
        elif base is not None:
            extra = [*node.settings, *(["tune"] if "tune" in node.model_fields_set else [])]
            if extra:
                expected = f"share and in alone: the settings are those of {node.share}"
                resolved.fault("CN120", ("modules", name, extra[0]), f"the key {extra[0]}", expected, f"remove the key {extra[0]}")
            resolved.nodes[name] = replace(base, name=name, share=node.share)


def declare(resolved: Resolved, written: dict[str, Any], kind: str, path: Path) -> Component | None:
    """Makes the component that a mapping with `use:` declares, or notes what is wrong with it."""
    name = written["use"]
    offer = resolved.registry.component(name)
    use_path = path if path[-1] in ("tune", "balance") else (*path, "use")
    if offer is None:
        if resolved.registry.load(namespace_of(name)) is None:
            _unknown_component(resolved, name, kind, use_path)
        return None
    if offer.component.kind != kind:
        names = [found.name for found in resolved.registry.components(kind)]
        near = nearest(name, names) or (names or ["?"])[0]
        found = f"{name}, which is a {offer.component.kind}"
        resolved.fault("CN209", use_path, found, f"a {kind}: {', '.join(names)}", f"use: {near}")
        return None
    settings = {key: value for key, value in written.items() if key != "use"}
    try:
        text = json.dumps(settings, default=lambda value: value.name if isinstance(value, Use) else str(value))
        declaration = offer.component.model_validate_json(text, strict=True, context={"base": resolved.fusion.base})
    except ValidationError as error:
        resolved.faults.extend(diagnostics_of(error, offer.component, path))
        return None
    _own_faults(resolved, declaration, offer.distribution, path)
    return declaration


def _own_faults(resolved: Resolved, declaration: Component, distribution: str, path: Path) -> None:
    try:
        for fault in declaration.faults():
            resolved.fault(fault.code, (*path, fault.key), fault.found, fault.expected, fault.fix)
    except Exception as error:
        found = f"{distribution} fails to check {declaration.component}: {innermost(error)}"
        resolved.fault("CN207", path, found, "a component that can be checked", f"pip install --upgrade {distribution}")


def _unknown_component(resolved: Resolved, name: str, kind: str, path: Path) -> None:
    names = [offer.name for offer in resolved.registry.components(kind)]
    if "." in name:
        namespace = name.partition(".")[0] + "."
        names = [other for other in names if other.startswith(namespace)] or names
    near = nearest(name, names)
    expected = f"a {kind}: {', '.join(names) or 'none is installed'}"
    fix = f"use: {near}" if near else "consilience plugins  # lists what is installed"
    resolved.fault("CN201", path, f"the unknown {kind} {name}", expected, fix)


def resolve_uses(resolved: Resolved, feeding: dict[str, list[str]], order: list[str]) -> None:
    """Fills every `Use` key with the component that it names; a key left to `upstream()` takes what feeds the node."""
    for section in ("resources", "sources"):
        for name, declaration in resolved.others[section].items():
            resolved.others[section][name] = _with_uses(resolved, declaration, (section, name), [])
    for name in order:
        node = resolved.nodes[name]
        if node.declaration is None or node.share:
            continue
        above = [resolved.nodes[other].declaration for other in feeding.get(name, [])]
        declaration = _with_uses(resolved, node.declaration, (node.section, name), above)
        resolved.nodes[name] = replace(node, declaration=declaration)
    for name, node in resolved.nodes.items():
        if node.share:
            resolved.nodes[name] = replace(node, declaration=resolved.nodes[node.share].declaration)


def _with_uses(resolved: Resolved, declaration: Component, path: Path, above: list[Component | None]) -> Component:
    found: dict[str, Any] = {}
    for key, wanted in type(declaration).uses().items():
        use = getattr(declaration, key)
        if use is None:
            continue
        if use.name is None:
            use = _from_above(resolved, key, wanted, path, above)
        target = _target(resolved, use.name) if use else None
        if use is None:
            continue
        if isinstance(target, wanted):
            found[key] = Use(use.name, target)
        else:
            _wrong_use(resolved, key, use.name, wanted, target, path)
    return declaration.model_copy(update=found) if found else declaration


def _target(resolved: Resolved, name: str) -> Component | None:
    if name in resolved.others["resources"]:
        target: Component = resolved.others["resources"][name]
        return target
    return resolved.nodes[name].declaration if name in resolved.nodes else None


def _from_above(
    resolved: Resolved, key: str, wanted: type[Component], path: Path, above: list[Component | None]
) -> Use[Any] | None:
    for component in above:
        use = getattr(component, key, None)
        if isinstance(use, Use) and use.name and isinstance(_target(resolved, use.name), wanted):
            return use
    names = _names_of(resolved, wanted)
    found = f"no key {key}, and nothing that feeds the node has one"
    resolved.fault("CN121", path, found, f"a {wanted.component or wanted.kind}: {', '.join(names) or 'none is declared'}", f"{key}: {(names or ['name'])[0]}")
    return None


def _names_of(resolved: Resolved, wanted: type[Component]) -> list[str]:
    names = [name for name, item in resolved.others["resources"].items() if isinstance(item, wanted)]
    return names + [name for name, node in resolved.nodes.items() if isinstance(node.declaration, wanted)]


def _wrong_use(
    resolved: Resolved, key: str, name: str, wanted: type[Component], target: Component | None, path: Path
) -> None:
    declared = {other for section, other, _ in resolved.fusion.nodes() if section != "sources"}
    if target is None and name in declared:
        return  # its own fault is told already
    names = _names_of(resolved, wanted)
    near = nearest(name, names) or (names or ["name"])[0]
    found = f"{name}, which is a {target.kind}" if target else f"the unknown node {name}"
    code = "CN209" if target else "CN210"
    word = wanted.component if wanted.component not in ("", wanted.kind) else wanted.kind
    resolved.fault(code, (*path, key), found, f"a {word}: {', '.join(names) or 'none is declared'}", f"{key}: {near}")
