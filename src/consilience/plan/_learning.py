"""Checks that the fusion can learn: what is trained reaches a loss, and every loss reaches something to train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from consilience.declare import Module
from consilience.errors import Path, nearest
from consilience.plan._doubt import Unknown
from consilience.plan._gradient import Ways
from consilience.plan._mixing import check_mixing
from consilience.plan._plan_node import Edge, PlanNode
from consilience.plan._resolved import Resolved
from consilience.plan._rows import check_rows
from consilience.plan._terms import check_terms
from consilience.plan._training import check_training

__all__ = ["check_learning"]


def check_learning(
    resolved: Resolved,
    edges: list[Edge],
    references: list[tuple[str, str]],
    unknown: Unknown,
    fitted: Mapping[str, str],
) -> None:
    """Notes what keeps the fusion from learning: in what is trained, in the objective, in the rows, in the settings.

    Of the `unknown` nodes a fault told elsewhere keeps from knowing what they reach, or what reaches them. `fitted` are
    the modules that are fitted after the training, each with the loss whose target it takes.
    """
    if resolved.fusion.losses:
        ways = Ways(resolved, edges, references)
        _check_reach(resolved, ways, unknown)
        check_terms(resolved, edges, ways, unknown.onward | unknown.behind)
    elif ("losses",) not in resolved.lost:  # else its own fault is told already, with a fix of the same key
        path: Path = ("losses",) if "losses" in resolved.fusion.model_fields_set else ()
        resolved.fault("CN405", path, "no loss", "at least one loss", _a_loss(resolved))
    _check_tuners(resolved)
    _check_filled(resolved, edges)
    check_rows(resolved, edges, unknown.onward | unknown.behind, fitted)
    check_mixing(resolved)
    check_training(resolved)


def _check_reach(resolved: Resolved, ways: Ways, unknown: Unknown) -> None:
    nodes = resolved.nodes
    losses = [node for node in nodes.values() if node.section == "losses"]
    reached = ways.feeding(node.name for node in losses)
    for node in losses:
        if node.name not in ways.moved and node.name not in unknown.behind:
            behind = [nodes[name] for name in sorted(ways.behind([node.name]))]
            _nothing_to_train(resolved, node, behind)
    for name in ways.trained:
        node = nodes[name]
        if node.section == "modules" and not node.share and name not in reached and name not in unknown.onward:
            found = f"{name}, which is trained and reaches no loss"
            fix = f"tune: frozen  # or give {name} a loss, or remove it"
            resolved.fault("CN401", ("modules", name), found, "a module that some loss reads", fix)


def _nothing_to_train(resolved: Resolved, loss: PlanNode, behind: Iterable[PlanNode]) -> None:
    frozen = [
        node.name
        for node in behind
        if isinstance(node.declaration, Module)
        and node.declaration.has_parameters
        and node.tuner
        and not node.tuner.trains
        and not node.share
    ]
    found = f"{loss.name}, which reaches nothing that is trained"
    if frozen:
        found += f" ({', '.join(frozen)}: frozen)"
    fix = f"tune: full  # under modules.{frozen[0]}" if frozen else f"# remove the loss {loss.name}"
    resolved.fault("CN402", ("losses", loss.name), found, "a loss whose gradient reaches a trained module", fix)


def _check_tuners(resolved: Resolved) -> None:
    """Notes each tuner that is to train a module which says that it has no parameters."""
    told = {fault.path[:3] for fault in resolved.faults}
    for name, node in resolved.fusion.modules.items():
        planned, path = resolved.nodes.get(name), ("modules", name, "tune")
        if planned is None or planned.tuner is None or not isinstance(planned.declaration, Module):
            continue
        tuner = str(node.tune["use"])
        is_asked = "tune" in node.model_fields_set and tuner != _default_tuner(node) and not node.share
        if is_asked and planned.tuner.trains and not planned.declaration.has_parameters and path not in told:
            found = f"{tuner}, for {planned.component}, which has no parameters"
            expected = "a tuner beside parameters that it can tune"
            resolved.fault("CN415", path, found, expected, "# remove the key tune")


def _default_tuner(node: object) -> str:
    return str(type(node).model_fields["tune"].default["use"])  # type: ignore[attr-defined]


def _check_filled(resolved: Resolved, edges: list[Edge]) -> None:
    """Sees that every field that is read is filled by some source."""
    sources = resolved.fusion.sources
    if resolved.may_fill_any:
        return
    told = {field for source in sources.values() for field in source.map}
    told |= {
        str(nearest(field, resolved.fusion.fields)) for field in told - set(resolved.fusion.fields)
    }  # told already
    if not sources:
        columns = ", ".join(f"{field}: {field}" for field in resolved.fusion.fields) or "text: text"
        split = ", split: {test: 0.2}" if resolved.fusion.metrics else ""
        fix = f"sources: {{examples: {{use: table, path: examples.csv, map: {{{columns}}}{split}}}}}"
        path: Path = ("sources",) if "sources" in resolved.fusion.model_fields_set else ()
        resolved.fault("CN406", path, "no source", "at least one source", fix)
        return
    for edge in edges:
        field = edge.source.node
        if resolved.nodes[field].section == "fields" and field not in told:
            told.add(field)
            expected = "a field that some source maps"
            fix = f"{field}: {field}  # under sources.{next(iter(sources))}.map"
            resolved.fault("CN404", edge.key, f"{field}, which no source fills", expected, fix)


def _a_loss(resolved: Resolved) -> str:
    modules = [name for name, node in resolved.nodes.items() if node.section == "modules" and not node.share]
    module = modules[-1] if modules else "module"
    field = next(iter(resolved.spaces or resolved.fusion.fields), "field")
    return f"losses: {{{module}_loss: {{use: cross_entropy, in: {module}, target: {field}}}}}"
