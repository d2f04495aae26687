"""Checks that the fusion can learn: what is trained reaches a loss, and every loss reaches something to train."""

from __future__ import annotations

from math import isfinite

import networkx as nx
from pydantic import ValidationError

from consilience.declare import Module, Port, TrainingKeys, diagnostics_of, paste
from consilience.errors import Part, Path, nearest
from consilience.plan._plan import TARGET, Edge, PlanNode
from consilience.plan._resolve import Resolved, discipline_of

__all__ = ["check_learning"]

_OWN_WORDS = {"num_train_epochs": "epochs", "per_device_train_batch_size": "batch_size"}
"""The transformers arguments that the file says in other words."""


def check_learning(
    resolved: Resolved, edges: list[Edge], references: list[tuple[str, str]], doubtful: frozenset[str]
) -> None:
    """Notes dead modules, losses with nothing to train, targets that nothing fills, and weights that name nobody.

    Of `doubtful` nodes a fault told elsewhere keeps from knowing what they reach.
    """
    if resolved.fusion.losses:
        _check_reach(resolved, _gradient_graph(resolved, edges, references), doubtful)
        _check_weights(resolved)
    else:
        path: Path = ("losses",) if "losses" in resolved.fusion.model_fields_set else ()
        resolved.fault("CN405", path, "no loss", "at least one loss", _a_loss(resolved))
    _check_filled(resolved, edges)
    _check_training_keys(resolved)


def _check_reach(resolved: Resolved, graph: nx.DiGraph[str], doubtful: frozenset[str]) -> None:
    nodes = resolved.nodes
    losses = [node for node in nodes.values() if node.section == "losses"]
    reached = _reachable(graph.reverse(copy=False), [node.name for node in losses])
    trained = [node.name for node in nodes.values() if node.is_trained]
    moved = _reachable(graph, trained)
    for node in losses:
        if node.name not in moved and node.name not in doubtful:
            behind = [nodes[name] for name in sorted(nx.ancestors(graph, node.name))]
            _nothing_to_train(resolved, node, behind)
    for name in trained:
        node = nodes[name]
        if node.section == "modules" and not node.share and name not in reached and name not in doubtful:
            found = f"{name}, which is trained and reaches no loss"
            fix = f"tune: frozen  # or give {name} a loss, or remove it"
            resolved.fault("CN401", ("modules", name), found, "a module that some loss reads", fix)


def _reachable(graph: nx.DiGraph[str], starts: list[str]) -> set[str]:
    found = set(starts)
    waiting = list(starts)
    while waiting:
        news = set(graph.successors(waiting.pop())) - found
        found |= news
        waiting += news
    return found


def _gradient_graph(resolved: Resolved, edges: list[Edge], references: list[tuple[str, str]]) -> nx.DiGraph[str]:
    """Draws the ways of the gradient: integers and targets carry none, references to parameters do."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(resolved.nodes)
    graph.add_edges_from(references)
    for node in resolved.nodes.values():
        if node.share:
            graph.add_edge(node.share, node.name)
    for edge in edges:
        port = resolved.nodes[edge.source.node].outputs[edge.source.port]
        if isinstance(port, Port) and port.dtype.is_differentiable and edge.target.port != TARGET:
            graph.add_edge(edge.source.node, edge.target.node)
    return graph


def _nothing_to_train(resolved: Resolved, loss: PlanNode, behind: list[PlanNode]) -> None:
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


def _check_weights(resolved: Resolved) -> None:
    objective = resolved.fusion.objective
    losses = resolved.fusion.losses
    owners = {name: discipline_of(node) for name, node in losses.items()}
    disciplines = sorted(set(owners.values()))
    for name in objective.weights:
        if name not in disciplines:
            near = nearest(name, disciplines) or disciplines[0]
            path = ("objective", "weights", name)
            fix = f"{near}: {objective.weights[name]:g}"
            expected = f"one of {', '.join(disciplines)}"
            resolved.fault("CN403", path, f"{name}, which brings no loss", expected, fix, Part.KEY)
    weights = {name: node.weight * objective.weights.get(owners[name], 1.0) for name, node in losses.items()}
    for name, weight in weights.items():
        if not isfinite(weight):
            expected = "a weight that is finite, times that of its discipline too"
            resolved.fault("CN403", ("losses", name), "a weight too large to count with", expected, "weight: 1.0")
    if not any(weights.values()):
        first = next(iter(losses))
        fix = f"weight: 1.0  # under losses.{first}"
        if losses[first].weight:
            fix = f"{owners[first]}: 1.0  # under objective.weights"
        resolved.fault("CN403", ("losses",), "losses whose weights are all zero", "a weight above zero", fix)


def _check_filled(resolved: Resolved, edges: list[Edge]) -> None:
    """Sees that every field that is read is filled by some source."""
    sources = resolved.fusion.sources
    told = {field for source in sources.values() for field in source.map}
    told |= {
        str(nearest(field, resolved.fusion.fields)) for field in told - set(resolved.fusion.fields)
    }  # told already
    if not sources:
        columns = ", ".join(f"{field}: {field}" for field in resolved.fusion.fields) or "text: text"
        fix = f"sources: {{examples: {{use: table, path: examples.csv, map: {{{columns}}}}}}}"
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


def _check_training_keys(resolved: Resolved) -> None:
    """Holds the keys under `train:` to those that training takes."""
    written = resolved.fusion.train.arguments
    for key, own in _OWN_WORDS.items():
        if key in written:
            fix = f"{own}: {paste(written.pop(key))}"
            resolved.fault("CN120", ("train", key), f"the key {key}", f"the key {own}", fix)
    try:
        TrainingKeys.model_validate(written)
    except ValidationError as error:
        resolved.faults.extend(diagnostics_of(error, TrainingKeys, ("train",)))


def _a_loss(resolved: Resolved) -> str:
    modules = [name for name, node in resolved.nodes.items() if node.section == "modules" and not node.share]
    module = modules[-1] if modules else "module"
    field = next(iter(resolved.spaces or resolved.fusion.fields), "field")
    return f"losses: {{{module}_loss: {{use: cross_entropy, in: {module}, target: {field}}}}}"
