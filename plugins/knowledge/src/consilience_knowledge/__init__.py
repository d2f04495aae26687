"""Declares what knowledge graphs offer to a fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from consilience.declare import Component, hookimpl
from consilience_knowledge._inputs import Ancestors, Literals, Mentions, Neighbours, RelationCounts
from consilience_knowledge._losses import Alignment, LinkPrediction
from consilience_knowledge._modules import RGCN, CompGCN, Embedding, Film, Injection
from consilience_knowledge._ranking import Answers, Hits, LinkScorer, MeanReciprocalRank, Questions
from consilience_knowledge._resources import Graph, SentenceEncoder, Vectors

if TYPE_CHECKING:
    import click

__all__ = [
    "RGCN",
    "Alignment",
    "Ancestors",
    "Answers",
    "CompGCN",
    "Embedding",
    "Film",
    "Graph",
    "Hits",
    "Injection",
    "LinkPrediction",
    "LinkScorer",
    "Literals",
    "MeanReciprocalRank",
    "Mentions",
    "Neighbours",
    "Questions",
    "RelationCounts",
    "SentenceEncoder",
    "Vectors",
]


@hookimpl
def consilience_components() -> list[type[Component]]:
    inputs: list[type[Component]] = [Mentions, Ancestors, Neighbours, RelationCounts, Literals, Questions]
    modules: list[type[Component]] = [Embedding, RGCN, CompGCN, Injection, Film, LinkScorer]
    return [
        Graph,
        Vectors,
        SentenceEncoder,
        *inputs,
        *modules,
        LinkPrediction,
        Alignment,
        Answers,
        MeanReciprocalRank,
        Hits,
    ]


@hookimpl
def consilience_commands() -> list[click.Command]:
    from consilience_knowledge.commands import embed, mentions, pretrain

    return [mentions, pretrain, embed]


@hookimpl
def consilience_report_section(model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:
    from consilience_knowledge.explanation import report_section

    return report_section(model, batch)
