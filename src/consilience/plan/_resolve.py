"""Resolves the names in a fusion: components and their settings, label spaces, and the nodes that keys refer to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from consilience.declare import (
    SECTIONS,
    Balancer,
    ColumnMap,
    Draft,
    Fusion,
    LabelSpace,
    ModuleNode,
    Node,
    Ports,
    Resource,
    Tuner,
)
from consilience.errors import Part, Path, Related, nearest, shortlist
from consilience.host import PLUGIN_ERRORS, STANDARD, Registry, innermost
from consilience.plan._declarations import declaration_of, declare, offer_of
from consilience.plan._names import TASK, discipline_of, named, namespace_of
from consilience.plan._plan_node import PlanNode
from consilience.plan._ports import ports_of
from consilience.plan._resolved import Resolved
from consilience.plan._respell import respelt

__all__ = ["resolve"]


def resolve(draft: Draft[Fusion], registry: Registry) -> Resolved:
    """Resolves every name that does not depend on wiring; collects the faults, after those of the file's shape."""
    fusion = draft.fusion
    resolved = Resolved(fusion, registry, faults=list(draft.faults), gone=draft.names, lost=set(draft.lost))
    broken = _load_namespaces(resolved)
    fusion = resolved.fusion = respelt(resolved)
    _check_names(resolved)
    for name, resource in fusion.resources.items():  # first: fields take labels from them
        if resource.use and namespace_of(resource.use) not in broken:
            _resolve_node(resolved, "resources", name, resource)
    _resolve_fields(resolved, broken)
    for section, name, node in fusion.nodes():
        if section == "resources":
            continue
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


def _load_namespaces(resolved: Resolved) -> set[str]:
    """Imports the plugins that the file names; tells each fault once, where the namespace is first named."""
    first: dict[str, tuple[str, Path]] = {STANDARD: ("", ())}
    for name, path in named(resolved.fusion):
        first.setdefault(namespace_of(name), (name, path))
    resolved.namespaces.update(first)
    broken = set()
    for namespace, (name, path) in first.items():
        fault = resolved.registry.load(namespace)
        if fault:
            broken.add(namespace)
            resolved.faults.append(replace(fault, path=path, fix=_near_plugin(resolved, name, path) or fault.fix))
    return broken


def _near_plugin(resolved: Resolved, name: str, path: Path) -> str | None:
    """Writes the name at a path with the namespace that was likely meant."""
    namespace = namespace_of(name)
    near = nearest(namespace, resolved.registry.namespaces())
    if namespace in resolved.registry.namespaces() or near in (None, STANDARD) or path[-1] in ("tune", "balance"):
        return None
    return f"{path[-1]}: {near}{name[len(namespace) :]}"


def _check_names(resolved: Resolved) -> None:
    """Sees that a name means one thing in the file."""
    owner: dict[str, str] = {}
    taken = {*resolved.fusion.fields, *(name for _, name, _ in resolved.fusion.nodes())}
    for section in ("fields", *(section for section in SECTIONS if section != "sources")):
        for name in getattr(resolved.fusion, section):
            if name in owner:
                resolved.doubled.add(name)
                found = f"{name}, which stands under {owner[name]} too"
                fix = f"{_free_name(taken, name, section)}:"
                first = Related((owner[name], name), "declared here first")
                resolved.fault(
                    "CN213", (section, name), found, "a name that means one thing", fix, Part.KEY, related=(first,)
                )
            owner.setdefault(name, section)


def _free_name(taken: Collection[str], name: str, section: str) -> str:
    names = [f"{name}_{SECTIONS[section].kind if section in SECTIONS else 'field'}"]
    while names[-1] in taken:
        names.append(f"{names[0]}_{len(names) + 1}")
    return names[-1]


def _resolve_fields(resolved: Resolved, broken: set[str]) -> None:
    for name, kind in resolved.fusion.fields.items():
        resolved.nodes[name] = PlanNode(name, "fields", TASK, outputs=Ports(**{"": kind.port}))
        if isinstance(kind.labels, tuple):
            resolved.spaces[name] = LabelSpace(name=name, labels=kind.labels)
        elif kind.labels is not None and namespace_of(kind.labels) not in broken:
            space = find_space(resolved, kind.labels, ("fields", name, kind.word))
            if space:
                resolved.spaces[name] = space
    for name, source in resolved.fusion.sources.items():
        for field_name, column in source.map.items():
            path: Path = ("sources", name, "map", field_name)
            if field_name not in resolved.fusion.fields and not resolved.is_gone(field_name):
                _unknown_field(resolved, path, field_name)
            if isinstance(column, ColumnMap) and column.space and namespace_of(column.space) not in broken:
                _check_mapping(resolved, field_name, column.space, (*path, "space"))


def _unknown_field(resolved: Resolved, path: Path, name: str) -> None:
    fields = [*resolved.fusion.fields, *resolved.gone_from("fields")]
    near = nearest(name, fields)
    fix = f"{near}:" if near else f"{name}: text  # under fields"
    expected = f"one of {shortlist(fields)}" if fields else "a field that is declared under fields"
    resolved.fault("CN212", path, f"the field {name}, which is not declared", expected, fix, Part.KEY)


def find_space(resolved: Resolved, name: str, path: Path) -> LabelSpace | None:
    """Finds a label space by its full name, or by that of a resource which has labels; notes that there is none."""
    space = resolved.registry.label_space(name) or _labels_of(resolved, name)
    if space is None:
        if any(fault.path[:2] == ("resources", name) for fault in resolved.faults):
            return None  # the resource has a fault of its own
        offering = [other for other in resolved.others["resources"] if _labels_of(resolved, other)]
        known = [*resolved.registry.label_spaces(), *offering]
        near = nearest(name, known)
        fix = f"{path[-1]}: {near}" if near else f"{path[-1]}: [first, second]"
        if path[-1] == "space":
            fix = f"space: {near}" if near else "# remove the key space"
        expected = f"one of {', '.join(known)}" if known else "a list of labels"
        resolved.fault("CN208", path, f"the unknown label space {name}", expected, fix)
    return space


def _labels_of(resolved: Resolved, name: str) -> LabelSpace | None:
    """Gives the labels of a resource; None where it has none."""
    declaration = resolved.others["resources"].get(name)
    try:
        return declaration.label_space() if isinstance(declaration, Resource) else None
    except PLUGIN_ERRORS as error:
        component = resolved.fusion.resources[name].use
        offer = resolved.registry.component(component)
        distribution = offer.distribution if offer else component
        found = f"{distribution} fails to tell the labels of {component}: {innermost(error)}"
        fix = f"# mend {distribution}, or upgrade it"
        resolved.fault("CN207", ("resources", name), found, "a label space, or None", fix)
        return None


def _check_mapping(resolved: Resolved, field_name: str, name: str, path: Path) -> None:
    space, own = find_space(resolved, name, path), resolved.spaces.get(field_name)
    if space is None or own is None or own.relation(space).is_one or own.mapping_from(space, name) is not None:
        return
    known = ", ".join(own.maps) or "none"
    found = f"{name}, from which no mapping leads to the labels of {field_name}"
    fix = f"# remove the key space, and write values: which label of {field_name} each of {space} is"
    resolved.fault("CN208", path, found, f"a space that is mapped: {known}", fix)


def _is_well_formed(resolved: Resolved, name: str, node: ModuleNode) -> bool:
    if bool(node.use) != bool(node.share):
        return True
    if not node.use and not node.share and {("modules", name, "use"), ("modules", name, "share")} & resolved.lost:
        return False  # the key is there, and its own fault is told already
    found = "both use and share" if node.use else "neither use nor share"
    fix = "# remove the key use" if node.use else "use: classifier"
    resolved.fault("CN121", ("modules", name), found, "one of the keys use and share", fix)
    return False


def _resolve_node(resolved: Resolved, section: str, name: str, node: Node) -> None:
    path: Path = (section, name)
    offer = offer_of(resolved, node.use, SECTIONS[section].kind, "use", (*path, "use"))
    if offer is None:
        return
    declaration = declaration_of(resolved, offer, node.settings, path)
    if section in resolved.others:
        if declaration is not None:
            resolved.others[section][name] = declaration
        return
    discipline = discipline_of(node)
    tuner = None
    if isinstance(node, ModuleNode):
        found = declare(resolved, node.tune, "tuner", (*path, "tune"))
        tuner = found if isinstance(found, Tuner) else None
    inputs, outputs = ports_of(offer.component)
    if name not in resolved.nodes:
        resolved.nodes[name] = PlanNode(name, section, discipline, node.use, declaration, inputs, outputs, tuner=tuner)


def _resolve_shares(resolved: Resolved) -> None:
    """Gives each `share:` node the component of the module it applies once more."""
    owners = {name: node for name, node in resolved.fusion.modules.items() if node.use}
    for name, node in resolved.fusion.modules.items():
        if not node.share or node.use:
            continue
        path: Path = ("modules", name, "share")
        base = resolved.nodes.get(node.share)
        if node.share not in owners:
            if resolved.is_gone(node.share):
                continue
            near = nearest(node.share, owners)
            expected = f"a module with a component of its own: {shortlist(owners) or 'none'}"
            fix = f"share: {near}" if near else f"# name under share the module that {name} applies once more"
            resolved.fault("CN210", path, f"the unknown module {node.share}", expected, fix)
        elif base is not None:
            extra = [*node.settings, *(["tune"] if "tune" in node.model_fields_set else []), *node.rates]
            if extra:
                expected = f"share and in alone: the settings are those of {node.share}"
                at, found = ("modules", name, extra[0]), f"the key {extra[0]}"
                resolved.fault("CN120", at, found, expected, f"# remove the key {extra[0]}", Part.KEY)
            resolved.nodes[name] = replace(base, name=name, share=node.share)
