"""Tells which edges of a graph moved the answers of a model: each is taken away, and the answers are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from consilience_knowledge._modules import Encoder
from consilience_knowledge.entities import EntityEncoder, EntityTable
from consilience_knowledge.graphs import KnowledgeGraph
from consilience_knowledge.rgcn import Messages

__all__ = ["edge_changes", "report_section"]

_TRIED = 64
"""The most edges of an encoder that are taken away, one after the other."""
_SHOWN = 5


def report_section(model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:
    """Gives, for each encoder that hears a graph's edges, those whose absence changes the answers most on a batch.

    What is told of an edge is the mean absolute change of all numbers that the model answers with.
    """
    section: dict[str, object] = {}
    for name, encoder, graph in _encoders(model):
        changes, tried, beside = edge_changes(model, encoder, graph, batch)
        if not beside:
            continue
        section[f"{name}: edges taken away, of those beside the mentioned entities"] = f"{tried} of {beside}"
        for edge, change in sorted(changes.items(), key=lambda item: -item[1])[:_SHOWN]:
            head, kind, tail = graph.heads[edge], graph.kinds[edge], graph.tails[edge]
            relation = graph.relations[kind].rpartition("#")[2].rpartition("/")[2]
            section[f"{name}: {_name(graph, head)} {relation} {_name(graph, tail)}"] = change
    return section


@torch.no_grad()
def edge_changes(
    model: nn.Module, encoder: EntityEncoder, graph: KnowledgeGraph, batch: Mapping[str, Tensor]
) -> tuple[dict[int, float], int, int]:
    """Gives by edge how far its absence moves the answers, how many were tried, and how many there are.

    Edges beside no mentioned entity are not tried. The model is left as it was.
    """
    mentioned: set[int] = set()
    hook = encoder.register_forward_pre_hook(
        lambda module, arguments, named: mentioned.update(_all(arguments, named)), with_kwargs=True
    )
    was_training = model.training
    model.eval()
    try:
        before = _answers(model, batch)
        hook.remove()
        ends = zip(graph.heads, graph.tails, strict=True)
        beside = [edge for edge, (head, tail) in enumerate(ends) if {head, tail} & mentioned]
        messages = Messages.along(graph.heads, graph.kinds, graph.tails, len(graph.relations))
        forth, back = messages.places(graph.heads, graph.kinds, graph.tails)
        changes = {}
        for edge in beside[:_TRIED]:
            kept = encoder.vectors.new_ones(len(messages.senders))
            kept[[forth[edge], back[edge]]] = 0
            encoder.kept = kept
            changes[edge] = float((_answers(model, batch) - before).abs().mean())
        return changes, len(changes), len(beside)
    finally:
        hook.remove()
        encoder.kept = None
        model.train(was_training)


def _encoders(model: Any) -> Iterator[tuple[str, EntityEncoder, KnowledgeGraph]]:
    for name, node in model.plan.nodes.items():
        if isinstance(node.declaration, Encoder) and not node.share:
            built = model.nodes[name]
            if isinstance(built, EntityEncoder) and not isinstance(built, EntityTable):
                yield name, built, node.declaration.graph.declared.load()


def _answers(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Joins what the model's answers are, and nothing of what they were made from."""
    answers = tuple(f"{name}." for name in model.plan.answers())  # type: ignore[union-attr, operator]
    told = model(batch).tensors
    parts = [told[name].float().flatten() for name in sorted(told) if name.startswith(answers)]
    return torch.cat([part for part in parts if part.numel()])


def _all(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> set[int]:
    [entities] = arguments or named.values()
    return set(entities.flatten().tolist()) - {0}


def _name(graph: KnowledgeGraph, entity: int) -> str:
    return graph.names[entity][0] if graph.names[entity] else graph.entities[entity]
