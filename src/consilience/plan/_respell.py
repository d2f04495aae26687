"""Takes the misspelt keys of nodes as they were meant, so that one slip does not hide what else is at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from consilience.declare import Fusion, Node, paste
from consilience.errors import Diagnostic, Part, nearest

if TYPE_CHECKING:
    from consilience.plan._resolved import Resolved

__all__ = ["respelt"]


def respelt(resolved: Resolved) -> Fusion:
    """Gives the fusion with keys such as `inn:` read as the node's own key that they nearly are; notes each."""
    changed: dict[str, dict[str, Node]] = {}
    for section, name, node in resolved.fusion.nodes():
        for key in _strange(resolved, node):
            meant = _meant(node, key, resolved)
            if meant is None:
                continue
            own = _own_keys(type(node))
            fix = f"{meant}: {paste(node.settings[key])}"
            path = (section, name, key)
            expected = f"one of {', '.join(own)}"
            resolved.faults.append(Diagnostic("CN120", path, f"the unknown key {key}", expected, fix, part=Part.KEY))
            node = _renamed(node, key, meant)
            changed.setdefault(section, {})[name] = node
            if meant not in node.model_fields_set and f"{meant}_" not in node.model_fields_set:
                resolved.lost.add((section, name, meant))
    if not changed:
        return resolved.fusion
    return resolved.fusion.having(
        **{section: {**getattr(resolved.fusion, section), **nodes} for section, nodes in changed.items()}
    )


def _strange(resolved: Resolved, node: Node) -> list[str]:
    """Lists the settings that the component does not have."""
    offer = resolved.registry.component(node.use) if node.use else None
    if offer is None and node.use:
        return []
    fields = offer.component.model_fields if offer else {}
    known = {info.alias or name for name, info in fields.items()}
    return [key for key in node.model_extra or {} if key not in known]


def _meant(node: Node, key: str, resolved: Resolved) -> str | None:
    """Gives the node's own key that a strange one most likely is, unless a setting of its component is nearer."""
    offer = resolved.registry.component(node.use) if node.use else None
    settings = [info.alias or name for name, info in offer.component.model_fields.items()] if offer else []
    own = _own_keys(type(node))
    near = nearest(key, [*own, *settings])
    if not node.use and not getattr(node, "share", None):
        near = node.synonyms.get(key) or near
    written = {*node.model_fields_set, *(name.removesuffix("_") for name in node.model_fields_set)}
    return near if near in own and near not in written else None


def _own_keys(model: type[Node]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _renamed(node: Node, key: str, meant: str) -> Node:
    """Gives the node with a setting under another key, or without it where its value cannot stand there."""
    written: dict[str, Any] = node.model_dump(by_alias=True, exclude_unset=True)
    value = written.pop(key, None)
    try:
        return type(node).model_validate({**written, meant: value})
    except ValidationError:
        return type(node).model_validate(written)
