"""Tells how two label spaces stand to each other, what mends it, and whether a declared mapping leads between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from consilience.declare import LabelSpace, LossNode, MetricNode, Relation, paste
from consilience.plan._dims import Conflict
from consilience.plan._plan_node import TARGET, Edge
from consilience.plan._resolved import Resolved

__all__ = ["Unmapped", "full_name", "mending", "unmapped", "wording"]

_WORDS = {
    Relation.REORDERED: "the same labels in another order",
    Relation.MAPPED: "labels that a declared mapping relates",
    Relation.SUBSET: "some of the labels",
    Relation.SUPERSET: "the labels and more",
    Relation.UNRELATED: "other labels",
}


def wording(conflict: Conflict) -> tuple[str, str]:
    """Says what was found and expected of labels, and how the two stand to each other."""
    assert conflict.spaces is not None
    found, expected = conflict.spaces
    return f"{conflict.found}: {_WORDS[found.relation(expected)]}", str(conflict.expected)


def mending(resolved: Resolved, edge: Edge, conflict: Conflict) -> str | None:
    """Writes what makes two label spaces one, where their relation tells it."""
    assert conflict.spaces is not None
    found, expected = conflict.spaces
    relation = found.relation(expected)
    if relation is Relation.MAPPED:
        return _by_mapping(resolved, edge, conflict)
    if relation in (Relation.REORDERED, Relation.SUBSET):
        return _field_of(resolved, conflict.found.node, expected) or _field_of(resolved, conflict.expected.node, found)
    if relation is Relation.SUPERSET:
        return _field_of(resolved, conflict.expected.node, found)
    return f"# let a module of its own score {found} for {edge.target.node}" if edge.target.port == TARGET else None


def _field_of(resolved: Resolved, field: str, space: LabelSpace) -> str | None:
    """Declares a field anew with other labels."""
    kind = resolved.fusion.fields.get(field)
    if kind is None:
        return None
    name = full_name(resolved, space)
    labels = name if name else paste(list(space.labels))
    return f"{field}: {{{kind.word}: {labels}}}  # under fields"


def full_name(resolved: Resolved, space: LabelSpace) -> str | None:
    """Gives the name by which a file may name a label space, or None when neither plugin nor resource offers it."""
    names = resolved.registry.label_spaces()
    found = next((name for name in names if resolved.registry.label_space(name) is space), None)
    if found is not None:
        return found
    named = (field for field, own in resolved.spaces.items() if own is space)
    written = (resolved.fusion.fields[field].labels for field in named)
    return next((name for name in written if isinstance(name, str)), None)


def _by_mapping(resolved: Resolved, edge: Edge, conflict: Conflict) -> str:
    """Says which loss or metric reads regrouped scores: the one whose target has the labels that are mapped onto."""
    assert conflict.spaces is not None
    found, expected = conflict.spaces
    (labels, _), (groups, field) = (found, conflict.found.node), (expected, conflict.expected.node)
    if groups.mapping_from(labels) is None:
        (labels, groups), field = (groups, labels), conflict.found.node
    node = resolved.nodes[edge.target.node]
    compared: dict[str, LossNode | MetricNode] = {**resolved.fusion.losses, **resolved.fusion.metrics}
    read = compared[node.name].in_ if node.name in compared else None
    readers = [name for name, other in compared.items() if other.target == field and other.in_ == read]
    if readers and isinstance(read, str):
        reader = node.name if node.name in readers else readers[0]
        return f"# let {reader} read {{use: regroup, in: {read}}}, a module that maps {labels} onto {groups}"
    name = full_name(resolved, groups) or paste(list(groups.labels))
    other = full_name(resolved, labels) or labels.name
    fields = [field for field, space in resolved.spaces.items() if space is labels] or [edge.source.node]
    return f"# declare {fields[0]} in {name}, and name space: {other} where a source maps its column"


@dataclass(frozen=True)
class Unmapped:
    """Why scores of one label space cannot become scores of another."""

    found: str
    expected: str
    fix: str


def unmapped(resolved: Resolved, groups: LabelSpace, labels: LabelSpace) -> Iterator[Unmapped]:
    """Tells what is missing in the mapping of labels onto groups: the mapping itself, or an image, or an origin."""
    mapping = groups.mapping_from(labels)
    if mapping is None:
        yield _no_mapping(resolved, groups, labels)
        return
    lost = [label for label in labels.labels if mapping.get(label) is None]
    if lost:
        found = f"{_listed(lost)} of {labels.name}, which no label of {groups.name} stands for"
        fix = (
            f"# give {_listed(lost)} an image in the mapping of {groups.name} from {labels.name}, or take another space"
        )
        yield Unmapped(found, f"a label of {groups} for each label of {labels}", fix)
    bare = [group for group in groups.labels if group not in mapping.values()]
    if bare:
        found = f"{_listed(bare)} of {groups.name}, which no label of {labels.name} stands for"
        fix = f"# map a label of {labels.name} to {_listed(bare)}, or take another space"
        yield Unmapped(found, f"a label of {labels} for each label of {groups}", fix)


def _no_mapping(resolved: Resolved, groups: LabelSpace, labels: LabelSpace) -> Unmapped:
    found = f"no declared mapping from {labels} to {groups}"
    names = resolved.registry.label_spaces()
    spaces = {name: space for name in names if (space := resolved.registry.label_space(name)) is not None}
    known = [name for name, space in spaces.items() if _is_whole(space, labels)]
    expected = f"labels that are mapped from {labels}: {', '.join(known) or 'none is declared'}"
    field = next((field for field, space in resolved.spaces.items() if space is groups), None)
    if labels.mapping_from(groups) is not None:
        return Unmapped(found, expected, f"# a mapping leads from {groups} to {labels} alone: regroup the other way")
    near = next((name for name in known if spaces[name].relation(groups).is_one), known[0] if known else None)
    if near and field:
        return Unmapped(found, expected, f"{field}: {{{resolved.fusion.fields[field].word}: {near}}}  # under fields")
    return Unmapped(found, expected, f"# declare a label space that maps {labels.name}, and name it where labels are")


def _is_whole(groups: LabelSpace, labels: LabelSpace) -> bool:
    mapping = groups.mapping_from(labels) or {}
    return set(mapping) == set(labels.labels) and set(mapping.values()) == set(groups.labels)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
