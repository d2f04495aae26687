"""Checks the terms of the objective: what they weigh, whether they go together, and what balances them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from consilience.declare import Dtype, Loss, Many, Port
from consilience.errors import Part, Path, Related, Severity, nearest
from consilience.plan._balancing import check_balancer
from consilience.plan._gradient import Ways
from consilience.plan._names import discipline_of
from consilience.plan._needs import listed
from consilience.plan._plan_node import TARGET, Edge, PlanNode, Ref
from consilience.plan._resolved import Resolved
from consilience.plan._uses import uses_of
from consilience.plan._weighed import check_weighed

__all__ = ["check_terms"]

_LARGEST = 1e6
"""Weighted gradients are squared where their norm is taken: by weights far above this they overflow 32 bits."""


def check_terms(resolved: Resolved, edges: Iterable[Edge], ways: Ways, doubtful: frozenset[str]) -> None:
    """Notes weights that say nothing, losses that stand twice or contradict each other, and an idle balancer."""
    weights = _check_weights(resolved)
    check_weighed(resolved, weights)
    if not doubtful:
        _check_untaught(resolved, ways, weights)
        check_balancer(resolved, edges, ways, weights)
    sound = {node.name: node for node in _losses(resolved) if node.name not in doubtful}
    _check_pairs(resolved, edges, sound)


def _losses(resolved: Resolved) -> Iterator[PlanNode]:
    for node in resolved.nodes.values():
        if isinstance(node.declaration, Loss):
            yield node


def _check_weights(resolved: Resolved) -> dict[str, float]:
    """Notes weights that name nobody, overflow or are all zero; gives the weight of each loss."""
    objective = resolved.fusion.objective
    losses = resolved.fusion.losses
    owners = {name: discipline_of(node) for name, node in losses.items()}
    disciplines = set(owners.values())
    for name in objective.weights:
        if name not in disciplines:
            _tell_no_discipline(resolved, name, owners)
    weights = {name: node.weight * objective.weights.get(owners[name], 1.0) for name, node in losses.items()}
    too_large = {
        ("losses", name)
        if objective.weights.get(owners[name], 1.0) <= _LARGEST
        else ("objective", "weights", owners[name])
        for name, weight in weights.items()
        if weight > _LARGEST
    }
    for at in sorted(too_large):
        expected = f"a weight of at most {_LARGEST:,.0f}, times that of its discipline too"
        fix = f"{'weight' if at[0] == 'losses' else at[-1]}: 1.0"
        resolved.fault("CN403", at, "a weight too large to count with", expected, fix)
    if not any(weights.values()):
        _tell_all_zero(resolved, owners)
        return dict.fromkeys(weights, 1.0)  # told: nothing more follows from it
    return weights


def _tell_no_discipline(resolved: Resolved, name: str, owners: Mapping[str, str]) -> None:
    """Notes a weight of what brings no loss: of a loss itself, whose own key it should be, or of nothing."""
    disciplines = sorted(set(owners.values()))
    weight = resolved.fusion.objective.weights[name]
    path, expected = ("objective", "weights", name), f"one of {', '.join(disciplines)}"
    if name in owners:
        found = f"{name}, which is a loss, of the discipline {owners[name]}: weights here are of disciplines"
        fix = f"# move it: weight: {weight:g} under losses.{name}"
        resolved.fault("CN403", path, found, expected, fix, Part.KEY)
        return
    near = nearest(name, disciplines) or (disciplines[0] if len(disciplines) == 1 else None)
    fix = f"{near}: {weight if 0 < weight <= _LARGEST else 1.0:g}" if near else f"# write {expected} in place of {name}"
    resolved.fault("CN403", path, f"{name}, which brings no loss", expected, fix, Part.KEY)


def _tell_all_zero(resolved: Resolved, owners: Mapping[str, str]) -> None:
    """Notes that no loss weighs anything; the fix is of a loss for which one key is enough, if there is one."""
    losses, given = resolved.fusion.losses, resolved.fusion.objective.weights
    twice = [name for name, node in losses.items() if not (node.weight or given.get(owners[name], 1.0))]
    name = next((name for name in losses if name not in twice), None) or twice[0]
    fix = f"{owners[name]}: 1.0  # under objective.weights"
    if not losses[name].weight:
        fix = f"weight: 1.0  # under losses.{name}"
    found = "losses whose weights are all zero" + (", and those of their disciplines too" if name in twice else "")
    resolved.fault("CN403", ("losses",), found, "a weight above zero", fix)


def _check_untaught(resolved: Resolved, ways: Ways, weights: Mapping[str, float]) -> None:
    """Notes each weight of 0 that leaves trained modules without a gradient: they would end as they were drawn."""
    idle = [name for name, weight in weights.items() if weight == 0]
    if not idle:
        return
    taught = ways.feeding([name for name, weight in weights.items() if weight > 0])
    untaught: dict[Path, list[str]] = {}
    for name in idle:
        behind = ways.feeding([name], passing_by=taught)
        modules = [other for other in sorted(behind) if other in ways.trained_modules]
        taught |= behind  # told once, at the first of several
        if modules:
            untaught.setdefault(_zero(resolved, name), []).extend(modules)
    for path, modules in untaught.items():
        found = f"0, so that nothing teaches {listed(modules)}: what was drawn at random stays"
        expected = "a weight above 0, or no module that only such losses reach"
        resolved.fault("CN414", path, found, expected, f"{path[-1]}: 1.0", severity=Severity.WARNING)


def _zero(resolved: Resolved, loss: str) -> Path:
    """Finds the key that makes the weight of a loss 0."""
    node = resolved.fusion.losses[loss]
    owner = discipline_of(node)
    is_own = node.weight == 0 or resolved.fusion.objective.weights.get(owner, 1.0) > 0
    return ("losses", loss, "weight") if is_own else ("objective", "weights", owner)


def _check_pairs(resolved: Resolved, edges: Iterable[Edge], losses: Mapping[str, PlanNode]) -> None:
    """Notes losses that stand twice, and those that want two things of one pair of scores and target."""
    into: dict[str, list[Edge]] = {name: [] for name in losses}
    for edge in edges:
        if edge.target.node in into:
            into[edge.target.node].append(edge)
    first: dict[object, PlanNode] = {}
    for node in losses.values():
        _check_target(resolved, node, into[node.name])
        uses = frozenset(uses_of(node.declaration))
        if not into[node.name] and not uses:
            continue
        wiring = frozenset((edge.target.port, edge.index, edge.source) for edge in into[node.name])
        owner = first.setdefault((node.component, wiring, uses), node)
        if owner is not node:
            _tell_pair(resolved, owner, node)
    _check_readings(resolved, [(node, into[node.name]) for node in losses.values()])


def _check_target(resolved: Resolved, loss: PlanNode, edges: list[Edge]) -> None:
    """Notes a loss that compares a tensor with itself: it is the same whatever is learnt."""
    target = next((edge for edge in edges if edge.target.port == TARGET), None)
    if target is None or all(edge.source != target.source for edge in edges if edge is not target):
        return
    fix = "# name under target the field that the loss shall learn"
    found = f"{target.source}, which the loss compares with itself"
    resolved.fault("CN417", target.key, found, "a target that is not what is compared with it", fix)


def _tell_pair(resolved: Resolved, first: PlanNode, other: PlanNode) -> None:
    path, related = ("losses", other.name), (Related(("losses", first.name), "the first"),)
    assert first.declaration is not None
    assert other.declaration is not None
    fix = f"# remove the key {other.name}"
    if first.declaration == other.declaration:
        found = f"{other.name}, which is {first.name} once more"
        expected = "each loss once: its weight says how much it counts"
        resolved.fault("CN411", path, found, expected, fix, Part.KEY, severity=Severity.WARNING, related=related)
        return
    if TARGET not in other.inputs:
        return  # two measures of one thing, such as of two layers of a module, contradict nothing
    keys = type(first.declaration).model_fields
    differing = [key for key in keys if getattr(first.declaration, key) != getattr(other.declaration, key)]
    found = f"{other.name}, which reads what {first.name} reads, with other {listed(differing)}"
    expected = f"one {other.component} for one prediction: two would pull it to two places"
    resolved.fault("CN412", path, found, expected, fix, Part.KEY, severity=Severity.WARNING, related=related)


def _check_readings(resolved: Resolved, losses: Iterable[tuple[PlanNode, list[Edge]]]) -> None:
    """Notes scores that one loss takes for exclusive classes, and another for independent yes and no."""
    read: dict[Ref, dict[str, PlanNode]] = {}
    for node, edges in losses:
        way, port = _reading(node)
        for edge in edges:
            if edge.target.port == port:
                readers = read.setdefault(edge.source, {})
                readers.setdefault(way, node)
                other = next((reader for name, reader in readers.items() if name != way), None)
                if other is not None and readers[way] is node:
                    _tell_readings(resolved, node, way, other, edge)


def _reading(node: PlanNode) -> tuple[str, str]:
    """Tells how a loss takes its scores, as its target says, and the port that it reads them by."""
    target = node.inputs.get(TARGET)
    for name, port in node.inputs.items():
        if name == TARGET or not isinstance(target, Port) or isinstance(port, Many) or port.dtype is not Dtype.FLOAT:
            continue
        last = port.dims[-1].name if port.dims else None
        if last is not None and target.bound == last:
            return "exclusive classes", name
        if last is not None and target.dtype is Dtype.BOOL and target.dims and target.dims[-1].name == last:
            return "independent classes", name
    return "", ""


def _tell_readings(resolved: Resolved, node: PlanNode, way: str, other: PlanNode, edge: Edge) -> None:
    theirs = "independent classes" if way == "exclusive classes" else "exclusive classes"
    found = f"{edge.source}, whose scores {node.name} takes for {way} and {other.name} for {theirs}"
    fix = f"# give {node.name} a module of its own to read"
    resolved.fault(
        "CN412",
        edge.key,
        found,
        "scores that mean one thing",
        fix,
        severity=Severity.WARNING,
        related=(Related(("losses", other.name), f"{theirs} here"),),
    )
