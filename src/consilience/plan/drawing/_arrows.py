"""Lists the arrows of a plan: columns, tensors, references and the terms of the objective."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consilience.declare import ModuleNode
from consilience.plan._plan import Plan
from consilience.plan._plan_node import TARGET, Edge, Ref
from consilience.plan._uses import uses_of
from consilience.plan.drawing._drawing import OBJECTIVE, Arrow, ArrowKind, number

__all__ = ["column_of", "columns", "losses", "references", "resources_used", "tensors"]


def column_of(plan: Plan, source: str, field: str) -> str:
    """Names the column of a source that fills a field."""
    mapped = plan.fusion.sources[source].map[field]
    return mapped if isinstance(mapped, str) else mapped.column


def columns(plan: Plan) -> Iterator[Arrow]:
    """Gives the arrows along which columns fill fields."""
    for name in sorted(plan.fusion.sources):
        for field in plan.fusion.sources[name].map:
            if field in plan.fields:
                column = column_of(plan, name, field)
                labels = () if column == field else (column,)
                details = (f"{name}: {column} → {field}",)
                keys = (("sources", name, "map", field),)
                yield Arrow(f"sources/{name}", field, ArrowKind.COLUMN, labels, details, keys)


def tensors(plan: Plan) -> list[Arrow]:
    """Gives the arrows along which tensors pass: one for all that one node gives another."""
    passing: dict[tuple[str, str, ArrowKind], list[Edge]] = {}
    for target in plan.order:
        arriving = [data["edge"] for _, _, data in plan.graph.in_edges(target, data=True)]
        edges: list[Edge] = [edge for edge in arriving if edge is not None]
        for edge in sorted(edges, key=lambda edge: (edge.target.port, edge.index)):
            kind = ArrowKind.TARGET if edge.target.port == TARGET else ArrowKind.TENSOR
            passing.setdefault((edge.source.node, target, kind), []).append(edge)
    return [
        Arrow(
            source,
            target,
            kind,
            tuple(_label(plan, edge.source) for edge in edges),
            tuple(f"{edge.source} → {edge.target}: {plan.type_of(edge.source)}" for edge in edges),
            tuple(dict.fromkeys(edge.key for edge in edges)),
        )
        for (source, target, kind), edges in passing.items()
    ]


def _label(plan: Plan, ref: Ref) -> str:
    short = plan.type_of(ref).partition(" below ")[0]
    return short if len(plan.nodes[ref.node].outputs) == 1 else f"{ref.port} {short}"


def references(plan: Plan) -> Iterator[Arrow]:
    """Gives the arrows along which no tensor passes, each named by the key that makes it."""
    for name in plan.order:
        node = plan.nodes[name]
        keys: dict[str, list[str]] = {node.share: ["share"]} if node.share else {}
        for key, used in uses_of(node.declaration) if not node.share else ():
            if used in plan.nodes:
                keys.setdefault(used, []).append(key)
        for source, by in keys.items():
            details = tuple(f"{name}.{key}: {source}" for key in by)
            paths = tuple((node.section, name, key) for key in by)
            yield Arrow(source, name, ArrowKind.REFERENCE, tuple(by), details, paths)


def losses(plan: Plan) -> Iterator[Arrow]:
    """Gives the arrows by which losses enter the objective."""
    for loss in plan.of("losses"):
        detail = f"{number(plan.weight(loss.name))} × {loss.name}"
        yield Arrow(loss.name, OBJECTIVE, ArrowKind.TERM, (), (detail,), (("losses", loss.name, "weight"),))


def resources_used(plan: Plan, resources: Iterable[str]) -> Iterator[Arrow]:
    """Gives the arrows from the resources that are drawn to the nodes that use them."""
    drawn = set(resources)
    for section, name, node in plan.fusion.nodes() if drawn else ():
        declaration = plan.nodes[name].declaration if name in plan.nodes else None
        if section in ("resources", "sources") or (isinstance(node, ModuleNode) and node.share):
            continue
        keys = set(node.settings) if declaration is None else set(type(declaration).uses())
        for key in sorted(keys):
            used = node.settings.get(key)
            if isinstance(used, str) and used in drawn:
                detail = f"{name}.{key}: {used}"
                keys_of = ((section, name, key),)
                yield Arrow(f"resources/{used}", name, ArrowKind.REFERENCE, (key,), (detail,), keys_of)
