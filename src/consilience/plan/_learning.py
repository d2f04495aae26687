"""Checks that the fusion can learn: what is trained reaches a loss, and every loss reaches something to train."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path as FilePath

import networkx as nx

from consilience.declare import Port
from consilience.errors import nearest
from consilience.plan._plan import TARGET, Edge, PlanNode
from consilience.plan._resolve import Resolved

__all__ = ["check_learning"]

_OWNED = {
    "output_dir": "runs are kept where --runs says",
    "num_train_epochs": "write epochs",
    "per_device_train_batch_size": "write batch_size",
    "remove_unused_columns": "the collator keeps what the plan needs",
    "label_names": "targets are declared by the losses",
}
"""The transformers arguments that the file says in other words, or not at all."""


def check_learning(resolved: Resolved, edges: list[Edge], references: list[tuple[str, str]]) -> None:
    """Notes dead modules, losses with nothing to train, targets that nothing fills, and weights that name nobody."""
    graph = _gradient_graph(resolved, edges, references)
    losses = [node for node in resolved.nodes.values() if node.section == "losses"]
    if not losses:
        resolved.fault("CN405", (), "no loss", "at least one loss", _a_loss(resolved))
        return
    for node in losses:
        behind = [resolved.nodes[name] for name in nx.ancestors(graph, node.name)] + [node]
        if not any(other.is_trained for other in behind):
            _nothing_to_train(resolved, node, behind)
    reached = set().union(*(nx.ancestors(graph, node.name) for node in losses))
    for node in resolved.nodes.values():
        owner_reached = any(other in reached for other in _applications(resolved, node.name))
        if node.section == "modules" and node.is_trained and not owner_reached and not node.share:
            found = f"{node.name}, which is trained and reaches no loss"
            fix = f"tune: frozen  # or give {node.name} a loss, or remove it"
            resolved.fault("CN401", ("modules", node.name), found, "a module that some loss reads", fix)
    _check_weights(resolved, losses)
    _check_filled(resolved, edges)
    check_training_keys(resolved)


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


def _applications(resolved: Resolved, name: str) -> list[str]:
    return [name, *(node.name for node in resolved.nodes.values() if node.share == name)]


def _nothing_to_train(resolved: Resolved, loss: PlanNode, behind: list[PlanNode]) -> None:
    frozen = [node.name for node in behind if node.section == "modules" and node.tuner and not node.tuner.trains]
    found = f"{loss.name}, which reaches nothing that is trained"
    if frozen:
        found += f" ({', '.join(sorted(frozen))}: frozen)"
    fix = f"tune: full  # under modules.{sorted(frozen)[0]}" if frozen else f"remove the loss {loss.name}"
    resolved.fault("CN402", ("losses", loss.name), found, "a loss whose gradient reaches a trained module", fix)


def _check_weights(resolved: Resolved, losses: list[PlanNode]) -> None:
    objective = resolved.fusion.objective
    disciplines = sorted({node.discipline for node in losses})
    for name in objective.weights:
        if name not in disciplines:
            near = nearest(name, disciplines) or disciplines[0]
            path = ("objective", "weights", name)
            fix = f"{near}: {objective.weights[name]:g}"
            resolved.fault("CN403", path, f"{name}, which brings no loss", f"one of {', '.join(disciplines)}", fix)
    weights = [
        resolved.fusion.losses[node.name].weight * objective.weights.get(node.discipline, 1.0) for node in losses
    ]
    if not any(weights):
        fix = f"weight: 1.0  # under losses.{losses[0].name}"
        resolved.fault("CN403", ("losses",), "losses whose weights are all zero", "a weight above zero", fix)


def _check_filled(resolved: Resolved, edges: list[Edge]) -> None:
    """Sees that every field that is read is filled by some source."""
    sources = resolved.fusion.sources
    filled = {field for source in sources.values() for field in source.map}
    if not sources:
        resolved.fault("CN406", (), "no source", "at least one source", "sources: {examples: {use: table, path: train.csv, map: {text: text}}}")
        return
    for edge in edges:
        field = edge.source.node
        if resolved.nodes[field].section == "fields" and field not in filled:
            expected = "a field that some source maps"
            fix = f"{field}: column  # under sources.{next(iter(sources))}.map"
            resolved.fault("CN404", edge.key, f"{field}, which no source fills", expected, fix)


def check_training_keys(resolved: Resolved) -> None:
    """Sees that every further key under `train:` is a TrainingArguments field, without importing transformers."""
    written = resolved.fusion.train.arguments
    if not written:
        return
    known = _training_arguments()
    for key in written:
        path = ("train", key)
        if key in _OWNED:
            resolved.fault("CN120", path, f"the key {key}", f"another key: {_OWNED[key]}", f"remove the key {key}")
        elif known and key not in known:
            own = ["epochs", "batch_size", "learning_rate", "seed"]
            near = nearest(key, [*own, *sorted(known - set(_OWNED))])
            fix = f"{near}: {written[key]}" if near else f"remove the key {key}"
            expected = "epochs, batch_size, learning_rate, seed, or a transformers TrainingArguments field"
            resolved.fault("CN120", path, f"the unknown key {key}", expected, fix)


def _training_arguments() -> set[str]:
    """Reads the names of the fields from transformers' source: importing it would take seconds."""
    spec = find_spec("transformers")
    folders = list(spec.submodule_search_locations or []) if spec else []
    source = FilePath(folders[0]) / "training_args.py" if folders else None
    if source is None or not source.is_file():
        return set()
    return set(re.findall(r"^    (\w+): .*= (?:field\(|\S)", source.read_text(encoding="utf-8"), flags=re.MULTILINE))


def _a_loss(resolved: Resolved) -> str:
    module = next((name for name, node in resolved.nodes.items() if node.section == "modules"), "module")
    field = next(iter(resolved.spaces), "field")
    return f"losses: {{{module}_loss: {{use: cross_entropy, in: {module}, target: {field}}}}}"
