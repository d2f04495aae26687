"""The full names in a fusion: which plugin each comes from, and where the file says it."""

from __future__ import annotations

from collections.abc import Iterator

from consilience.declare import ColumnMap, Fusion, ModuleNode, Node
from consilience.errors import Path
from consilience.host import STANDARD

__all__ = ["TASK", "discipline_of", "named", "namespace_of"]

TASK = "task"
"""The discipline of standard components, and of standard losses that name no other."""


def namespace_of(name: str) -> str:
    """Gives the namespace of a component's or label space's full name."""
    namespace, dot, _ = name.partition(".")
    return namespace if dot else STANDARD


def named(fusion: Fusion) -> Iterator[tuple[str, Path]]:
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


def discipline_of(node: Node) -> str:
    """Tells whose a node is: what its own key says, its plugin's, or the task's."""
    namespace = namespace_of(node.use)
    return getattr(node, "discipline", None) or (TASK if namespace == STANDARD else namespace)
