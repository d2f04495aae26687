"""The check: from a fusion to a plan, and to every fault of it at once."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum

from consilience.declare import Balancer, Dims, Draft, Dtype, Fusion, Many
from consilience.errors import DeclarationError, Diagnostic, Path, Related, Severity, sort_diagnostics
from consilience.host import Registry, default_registry
from consilience.plan._cycles import cycles
from consilience.plan._doubt import doubtful, unknown_ways
from consilience.plan._features import check_features
from consilience.plan._fitted import check_fitted
from consilience.plan._graph import Link, has_cycle, in_order
from consilience.plan._learning import check_learning
from consilience.plan._names import discipline_of
from consilience.plan._plan import Plan
from consilience.plan._plan_node import TARGET, Edge, PlanNode
from consilience.plan._rates import check_rates
from consilience.plan._resolve import resolve
from consilience.plan._resolved import Resolved
from consilience.plan._sized import tell_faults_with_sizes
from consilience.plan._solve import Solution, Solver
from consilience.plan._uses import resolve_uses, uses_of
from consilience.plan._wire import wire

__all__ = ["Purpose", "Survey", "check", "survey"]

Checkable = Fusion | str | os.PathLike[str]
"""A fusion, or the path of a fusion file."""

_MOST_SHOWN = 12
"""How many nodes of a cycle are told one by one."""


class Purpose(StrEnum):
    """What a plan is for: learning asks for sources, and that everything can learn; use asks for the model alone."""

    LEARN = "learn"
    USE = "use"


@dataclass(frozen=True)
class Survey:
    """All that a check finds: the plan as far as it goes, and every diagnostic, in the order of the file."""

    plan: Plan
    """What a picture can be drawn of; whole, and fit to be built, when there are no errors."""
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What keeps the fusion from being built."""
        return tuple(item for item in self.diagnostics if item.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What stops nothing."""
        return tuple(item for item in self.diagnostics if item.severity is Severity.WARNING)


def check(fusion: Checkable, registry: Registry | None = None, purpose: Purpose = Purpose.LEARN) -> Plan:
    """Checks a fusion, or a fusion file, as a whole; raises `DeclarationError` with every fault found.

    Imports neither torch nor transformers, and downloads nothing.
    """
    found = survey(fusion, registry, purpose)
    if found.errors:
        raise DeclarationError(found.diagnostics)
    return found.plan


def survey(
    fusion: Checkable | Draft[Fusion], registry: Registry | None = None, purpose: Purpose = Purpose.LEARN
) -> Survey:
    """Checks a fusion, a fusion file or a draft of one, and gives all that was found, faults or not.

    Raises `DeclarationError` only for a file of which nothing can be trusted, such as one that is no YAML.
    """
    if isinstance(fusion, Fusion):
        draft = Draft(fusion)
    else:
        draft = fusion if isinstance(fusion, Draft) else Fusion.draft(fusion)
    if purpose is Purpose.USE:
        draft = draft.without("sources", "metrics")
    resolved = resolve(draft, registry or default_registry())
    wired = wire(resolved)
    references = _references(resolved)
    links = _links(resolved, wired.edges, references)
    in_cycles = _tell_cycles(resolved, links)
    order = _order(resolved, links, in_cycles)
    doubt = doubtful(resolved, wired)
    resolve_uses(resolved, _feeding(wired.edges), order, doubt)
    solver = Solver(resolved, wired.edges, order, doubtful(resolved, wired))
    solution = solver.solve()
    is_lossless = purpose is Purpose.LEARN and not resolved.fusion.losses  # and that is told: losses bring sizes
    solver.tell_open_dims(frozenset(resolved.nodes) if wired.unread or is_lossless else doubtful(resolved, wired))
    tell_faults_with_sizes(resolved, solution.dims)
    if purpose is Purpose.LEARN:
        meant = [way for way in wired.meant if set(way) <= set(resolved.nodes)]
        ways = [(source, target) for source, target, _ in links]
        unsure = replace(wired, unread=wired.unread | _misled(resolved, wired.edges) | in_cycles)
        check_rates(resolved, solution.dims)
        check_features(resolved, wired.edges)
        fitted = check_fitted(resolved, wired.edges, solution.dims, doubtful(resolved, unsure))
        check_learning(resolved, wired.edges, [*references, *meant], unknown_ways(resolved, unsure, ways), fitted)
    diagnostics = tuple(sort_diagnostics([*draft.faults, *resolved.fusion.locate(_news(resolved, draft))]))
    return Survey(_plan(resolved, links, order, solution, diagnostics), diagnostics)


def _news(resolved: Resolved, draft: Draft[Fusion]) -> list[Diagnostic]:
    """Lists the faults beside those of the file's shape, without what only follows from a value that was left out."""
    known = len(draft.faults)

    def is_lost(path: Path) -> bool:
        return any(path[: length + 1] in draft.lost for length in range(len(path)))

    return [fault for fault in resolved.faults[known:] if not (draft.lost and is_lost(fault.path))]


def _plan(
    resolved: Resolved,
    links: list[Link],
    order: list[str],
    solution: Solution,
    diagnostics: tuple[Diagnostic, ...],
) -> Plan:
    nodes = dict(resolved.nodes)
    for section, name, node in resolved.fusion.nodes():
        if section not in resolved.others and name not in nodes:
            nodes[name] = PlanNode(name, section, discipline_of(node), node.use)
    known = set(order)
    return Plan(
        resolved.fusion,
        resolved.registry,
        tuple(links),
        nodes,
        (*order, *(name for name in nodes if name not in known)),
        {name: solution.dims.get(name, Dims()) for name in nodes},
        solution.varying,
        resolved.others["resources"],
        resolved.others["sources"],
        resolved.balancer or Balancer(),
        tuple(item for item in diagnostics if item.severity is Severity.WARNING),
        solution.reasons,
    )


def _references(resolved: Resolved) -> list[tuple[str, str]]:
    """Lists the nodes that keys such as `tie:` and `of:` refer to, with the node that refers."""
    found = []
    for name, node in resolved.nodes.items():
        wanted = type(node.declaration).uses() if node.declaration and not node.share else {}
        for key, other in uses_of(node.declaration) if wanted else ():
            if other in resolved.nodes and isinstance(resolved.nodes[other].declaration, wanted[key]):
                found.append((other, name))
    return found


def _misled(resolved: Resolved, edges: list[Edge]) -> frozenset[str]:
    """Lists the nodes that read what no gradient passes where they take what one does: they should read another."""
    found = set()
    for edge in edges:
        source, wanted = (
            port.port if isinstance(port, Many) else port
            for port in (
                resolved.nodes[edge.source.node].outputs[edge.source.port],
                resolved.nodes[edge.target.node].inputs[edge.target.port],
            )
        )
        if edge.target.port != TARGET and wanted.dtype is Dtype.FLOAT and not source.dtype.is_differentiable:
            found.add(edge.target.node)
    return frozenset(found)


def _feeding(edges: list[Edge]) -> dict[str, list[str]]:
    feeding: dict[str, list[str]] = {}
    for edge in edges:
        feeding.setdefault(edge.target.node, []).append(edge.source.node)
    return feeding


def _links(resolved: Resolved, edges: list[Edge], references: list[tuple[str, str]]) -> list[Link]:
    links: list[Link] = [(edge.source.node, edge.target.node, edge) for edge in edges]
    links += [(source, target, None) for source, target in references]
    links += [(node.share, node.name, None) for node in resolved.nodes.values() if node.share]
    return links


def _tell_cycles(resolved: Resolved, links: list[Link]) -> set[str]:
    """Notes every cycle, once, at the first of its nodes in the file; gives the nodes in them, and those behind."""
    if not has_cycle(resolved.nodes, links):
        return set()
    ways, behind = cycles(resolved.nodes, [(source, target) for source, target, _ in links])
    keys: dict[tuple[str, str], list[Path]] = {}
    for source, target, edge in links:
        keys.setdefault((source, target), []).extend([edge.key] if edge else [])
    for way in ways:
        first, last = way[0], way[-1]
        found = " -> ".join([*_shown(way), first])
        fix = f"# let {first} read something that does not come from {last}"
        others = [Related((resolved.nodes[name].section, name), "in the cycle") for name in way[1:_MOST_SHOWN]]
        path = min(keys[last, first], default=(resolved.nodes[first].section, first))
        resolved.fault("CN304", path, found, "nodes that do not feed themselves", fix, related=tuple(others))
    return behind


def _shown(way: list[str]) -> list[str]:
    left_out = len(way) - _MOST_SHOWN
    return way if left_out < 2 else [*way[: _MOST_SHOWN - 1], f"({left_out:,} more)", way[-1]]


def _order(resolved: Resolved, links: list[Link], left_out: set[str]) -> list[str]:
    """Orders the nodes so that each comes after what it needs; those in a cycle, and behind one, come last.

    Section by section, then by name, so that the order of the file's keys means nothing.
    """
    rank = {"fields": 0, "inputs": 1, "modules": 2, "losses": 3, "metrics": 4}

    def key(name: str) -> str:
        return f"{rank[resolved.nodes[name].section]}{name}"

    free = resolved.nodes.keys() - left_out
    return [*in_order(free, links, key), *sorted(left_out, key=key)]
