"""Learns the vectors of a graph by itself: the links that are hidden are to be told from those that are not there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilience_knowledge.compgcn import CompositionEncoder
from consilience_knowledge.entities import EntityEncoder, EntityTable
from consilience_knowledge.links import Hiding
from consilience_knowledge.negatives import LinkMethod, link_loss
from consilience_knowledge.ranking import Known, filtered_ranks, measures
from consilience_knowledge.rgcn import Messages, RelationalEncoder
from consilience_knowledge.scoring import ScorerName, scorer_of

__all__ = ["EncoderName", "Epoch", "LinkPredictor", "Settings", "pretrain"]

EncoderName = Literal["table", "rgcn", "compgcn"]


@dataclass(frozen=True)
class Settings:
    """How a graph is learnt: the encoder and the scorer, their sizes, the loss, and the steps of the optimizer."""

    encoder: EncoderName = "table"
    scorer: ScorerName = "complex"
    width: int = 128
    layers: int = 2
    bases: int | None = None
    method: LinkMethod = "one_to_n"
    epochs: int = 100
    batch: int = 512
    learning_rate: float = 0.01
    negatives: int = 64
    margin: float = 6.0
    temperature: float = 1.0
    smoothing: float = 0.0
    dropout: float = 0.0
    regularize: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """What an epoch was: its number from 1, the mean loss, and the seconds that it took."""

    number: int
    loss: float
    seconds: float


class LinkPredictor(nn.Module):
    """An encoder of entities and a scorer of triples; entities are numbered from 1, and 0 is none.

    triples: triple 3, the edges that the encoder hears.
    """

    def __init__(self, triples: Tensor, entities: int, relations: int, settings: Settings) -> None:
        super().__init__()
        self.settings, self.relations = settings, relations
        self.encoder = _encoder(triples, entities, relations, settings)
        self.scorer = scorer_of(settings.scorer, relations, settings.width)
        self.hiding = Hiding(list(map(tuple, triples.tolist())), relations) if settings.encoder != "table" else None

    def loss(self, triples: Tensor, edges: Tensor) -> Tensor:
        """Is the loss of triples, of both of their questions.

        What is asked for is hidden from the encoder: `edges` are the triples' places among those that it hears.
        """
        settings = self.settings
        heads, kinds, tails = triples.unbind(1)
        both = torch.cat([triples, torch.stack([tails, kinds + self.relations, heads], 1)])
        vectors = self._encode(edges)
        if settings.dropout:
            vectors = F.dropout(vectors, settings.dropout, self.training)
        options = (settings.negatives, settings.margin, settings.temperature, settings.smoothing)
        value = link_loss(self.scorer, vectors, both, settings.method, options).mean()
        if not settings.regularize:
            return value
        return value + settings.regularize * self._nuclear(vectors, both)

    def _nuclear(self, vectors: Tensor, triples: Tensor) -> Tensor:
        """Is the nuclear 3-norm of the factors (Lacroix et al. 2018, arXiv 1806.07297)."""
        heads, kinds, tails = triples.unbind(1)
        factors = [vectors[heads], self.scorer.relations[kinds], vectors[tails]]
        if self.settings.scorer == "complex":
            factors = [(a.square() + b.square() + 1e-12).sqrt() for a, b in (x.chunk(2, -1) for x in factors)]
        return sum(((factor.abs() ** 3).sum(-1).mean() for factor in factors), torch.zeros(()))

    def _encode(self, edges: Tensor) -> Tensor:
        return self.encoder.encode(None if self.hiding is None else self.hiding(edges, self.encoder.vectors))

    @torch.no_grad()
    def evaluate(self, triples: Tensor, known: Known) -> dict[str, float]:
        """Measures filtered MRR and Hits@k of both sides."""
        self.eval()
        vectors = self.encoder.encode()

        def score(heads: Tensor, kinds: Tensor) -> Tensor:
            scores = self.scorer.against(self.scorer.query(vectors[heads], kinds), vectors)
            scores[:, 0] = -torch.inf
            return scores

        return dict(measures(filtered_ranks(score, triples, known)))


def _encoder(triples: Tensor, entities: int, relations: int, settings: Settings) -> EntityEncoder:
    if settings.encoder == "table":
        return EntityTable(entities, settings.width)
    heads, kinds, tails = (column.tolist() for column in triples.unbind(1))
    messages = Messages.along(heads, kinds, tails, relations)
    kind: Callable[..., Any] = RelationalEncoder if settings.encoder == "rgcn" else CompositionEncoder
    encoder: EntityEncoder = kind(entities, messages, settings.width, settings.layers, settings.bases)
    return encoder


def pretrain(model: LinkPredictor, triples: Tensor) -> Iterator[Epoch]:
    """Trains a predictor on triples (triple 3), and gives each epoch when it is over; Adam, in a seeded order."""
    settings = model.settings
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    generator = torch.Generator().manual_seed(settings.seed)
    for number in range(1, settings.epochs + 1):
        model.train()
        started, total = time.perf_counter(), 0.0
        for batch in torch.randperm(len(triples), generator=generator).split(settings.batch):
            optimizer.zero_grad()
            loss = model.loss(triples[batch], batch)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(batch)
        yield Epoch(number, total / len(triples), time.perf_counter() - started)
