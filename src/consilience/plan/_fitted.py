"""Finds the target that each module which is fitted after the training is fitted to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from consilience.declare import Dims, Module, Port
from consilience.plan._plan import Plan
from consilience.plan._plan_node import TARGET, Edge, PlanNode
from consilience.plan._ports import port_of
from consilience.plan._resolved import Resolved

__all__ = ["check_fitted", "fitted_of"]


def fitted_of(plan: Plan) -> dict[str, str]:
    """Lists the modules that are fitted after the training, in order, each with the loss whose target it takes."""
    found = _fitted(plan.nodes, [edge for _, _, edge in plan.links if edge is not None], plan.solved)
    return {name: loss for name in plan.order if (loss := found.get(name)) is not None}


def _fitted(nodes: Mapping[str, PlanNode], edges: Iterable[Edge], solved: Mapping[str, Dims]) -> dict[str, str | None]:
    """Gives, for each module that is fitted, the nearest loss whose target its own `fit_target` can be, or None."""
    after: dict[str, list[Edge]] = {}
    targets: dict[str, Edge] = {}
    for edge in edges:
        if edge.target.port == TARGET:
            targets[edge.target.node] = edge
        else:
            after.setdefault(edge.source.node, []).append(edge)
    found: dict[str, str | None] = {}
    for name, node in nodes.items():
        if isinstance(node.declaration, Module) and node.declaration.fit_target is not None and not node.share:
            losses = (loss for loss in _readers(name, nodes, after) if loss in targets)
            suited = (loss for loss in losses if _suits(node, targets[loss], nodes, solved))
            found[name] = next(suited, None)
    return found


def _readers(name: str, nodes: Mapping[str, PlanNode], after: Mapping[str, list[Edge]]) -> Iterator[str]:
    """Gives the losses that read what a module gives, directly or through modules, the nearest first."""
    level, seen = [name], {name}
    while level:
        following = sorted({edge.target.node for one in level for edge in after.get(one, ())} - seen)
        seen.update(following)
        yield from (one for one in following if nodes[one].section == "losses")
        level = [one for one in following if nodes[one].section == "modules"]


def _suits(node: PlanNode, edge: Edge, nodes: Mapping[str, PlanNode], solved: Mapping[str, Dims]) -> bool:
    """Tells whether what a loss compares with is of the type, sizes and labels that the module is fitted to."""
    assert isinstance(node.declaration, Module)
    wanted, given = node.declaration.fit_target, port_of(nodes[edge.source.node].outputs[edge.source.port])
    assert isinstance(wanted, Port)
    if wanted.dtype is not given.dtype or len(wanted.dims) != len(given.dims):
        return False
    own, other = solved.get(node.name, Dims()), solved.get(edge.source.node, Dims())
    for mine, theirs in zip(wanted.dims[1:], given.dims[1:], strict=True):
        if mine.name is None or theirs.name is None:
            continue
        if own.get(mine.name) != other.get(theirs.name):
            return False
        spaces = own.spaces.get(mine.name), other.spaces.get(theirs.name)
        if spaces[0] is not None and spaces[1] is not None and not spaces[0].relation(spaces[1]).is_one:
            return False
    return True


def check_fitted(
    resolved: Resolved, edges: Collection[Edge], solved: Mapping[str, Dims], doubtful: frozenset[str]
) -> dict[str, str]:
    """Notes each fitted module without a target; gives the loss of each other one."""
    found = _fitted(resolved.nodes, edges, solved)
    field = next(iter(resolved.spaces or resolved.fusion.fields), "field")
    for name, loss in found.items():
        if loss is None and name not in doubtful:
            told = f"{name}, which is fitted to a target, and no loss compares what it gives with one that suits it"
            fix = f"# let a loss with a target, such as {field}, read {name} in place of what {name} reads"
            resolved.fault("CN437", ("modules", name), told, "a loss with a target that reads it", fix)
    return {name: loss for name, loss in found.items() if loss is not None}
