"""The losses that a graph brings: its links are to be told from others, and its entities lie where texts name them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilience_knowledge.entities import EntityEncoder
from consilience_knowledge.graphs import KnowledgeGraph
from consilience_knowledge.negatives import LinkMethod, link_loss
from consilience_knowledge.ranking import ranks
from consilience_knowledge.rgcn import Messages
from consilience_knowledge.scoring import ScorerName, scorer_of

__all__ = ["AlignmentLoss", "AnswerLoss", "Hiding", "LinkLoss", "LinkScores"]


class Hiding(nn.Module):
    """Knows which messages an edge sends, and keeps those back that would give an asked one away.

    triples: triple 3, as head, relation, tail.
    """

    places: Tensor

    def __init__(self, triples: list[tuple[int, int, int]], relations: int) -> None:
        super().__init__()
        heads, kinds, tails = ([triple[column] for triple in triples] for column in range(3))
        messages = Messages.along(heads, kinds, tails, relations)
        self.messages = len(messages.senders)
        places = (
            torch.tensor(messages.places(heads, kinds, tails), dtype=torch.long).reshape(2, len(triples)).T.contiguous()
        )
        self.register_buffer("places", places, persistent=False)

    def forward(self, edges: Tensor, like: Tensor) -> Tensor:
        """edges: edge, the places of what is asked for -> message, 0 at what they send."""
        return like.new_ones(self.messages).index_fill(0, self.places[edges].flatten(), 0)


class LinkLoss(nn.Module):
    """Is the mean loss of edges that are drawn from the graph and hidden from its encoder: one number.

    In evaluation it takes edges at even distances, and draws nothing. The encoder is another node's, and stays its.
    """

    triples: Tensor

    def __init__(
        self,
        encoder: EntityEncoder,
        graph: KnowledgeGraph,
        width: int,
        scorer: ScorerName,
        method: LinkMethod,
        edges: int,
        options: tuple[int, float, float, float],
    ) -> None:
        super().__init__()
        self._encoder = (encoder,)  # in a tuple, so that its parameters do not become those of the loss
        self.method, self.edges, self.options = method, edges, options
        self.scorer = scorer_of(scorer, len(graph.relations), width)
        told = list(zip(graph.heads, graph.kinds, graph.tails, strict=True))
        self.hiding = Hiding(told, len(graph.relations))
        self.count = len(told)
        self.relations = len(graph.relations)
        self.register_buffer("triples", torch.tensor(told, dtype=torch.long).reshape(-1, 3), persistent=False)

    def forward(self) -> Tensor:
        """Gives the mean over the edges of this step, each asked for from both ends; 0 for a graph without edges."""
        encoder = self._encoder[0]
        if not self.count:
            return encoder.vectors.sum() * 0 + self.scorer.relations.sum() * 0
        most = min(self.edges, self.count)
        device = self.triples.device
        if self.training:
            edges = torch.randint(0, self.count, (most,), device=device)
        else:
            edges = torch.arange(most, device=device) * (self.count // most)
        heads, kinds, tails = self.triples[edges].unbind(1)
        both = torch.stack(
            [torch.cat([heads, tails]), torch.cat([kinds, kinds + self.relations]), torch.cat([tails, heads])], 1
        )
        vectors = encoder.encode(self.hiding(edges, encoder.vectors))
        return link_loss(self.scorer, vectors, both, self.method, self.options).mean()


class LinkScores(nn.Module):
    """Ranks the answers of questions among all entities; the encoder is another node's, and stays its."""

    def __init__(self, encoder: EntityEncoder, relations: int, width: int, scorer: ScorerName) -> None:
        super().__init__()
        self._encoder = (encoder,)  # in a tuple, so that its parameters do not become those of the scores
        self.scorer = scorer_of(scorer, relations, width)

    def scores(self, mentions: Tensor, kinds: Tensor) -> Tensor:
        """mentions: batch side width, kinds: batch side -> batch side entity; entity 0, which is none, has the least.

        In single precision at least: half of it has no room for as many different ranks.
        """
        encoder = self._encoder[0]
        wide = torch.promote_types(mentions.dtype, torch.float32)
        vectors = encoder.encode(encoder.kept).to(wide)
        scores = self.scorer.against(self.scorer.query(mentions.to(wide), kinds), vectors)
        return scores.masked_fill(torch.arange(vectors.shape[0], device=scores.device) == 0, -torch.inf)

    def forward(
        self, mentions: Tensor, kinds: Tensor, answers: Tensor, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """answers: batch side (-100 where nothing is asked), known: batch side known (0 is none) -> batch side, twice.

        Gives the realistic ranks (1 where nothing is asked), and the cross-entropies (0 there).
        """
        scores, is_asked = self.scores(mentions, kinds), answers > 0
        wanted = answers.clamp(min=1).unsqueeze(-1)
        own = scores.gather(-1, wanted)
        costs = (scores.logsumexp(-1, keepdim=True) - own).squeeze(-1).masked_fill(~is_asked, 0)
        with torch.no_grad():
            rivals = scores if known is None else scores.scatter(-1, known.clamp(min=0), -torch.inf)
            rivals = rivals.scatter(-1, wanted, own)
            found = ranks(rivals.flatten(0, -2), wanted.flatten()).reshape(answers.shape)
        return found.masked_fill(~is_asked, 1).to(mentions.dtype), costs.to(mentions.dtype)


class AnswerLoss(nn.Module):
    """Sums the costs of a row's questions up; costs and target: batch side -> batch."""

    def forward(self, costs: Tensor, target: Tensor) -> Tensor:
        """Leaves out what is not asked."""
        return costs.masked_fill(target < 0, 0).sum(1)

    def count(self, target: Tensor) -> Tensor:
        """Counts the questions that are asked."""
        return (target >= 0).sum(1).float()


class AlignmentLoss(nn.Module):
    """Is the cross-entropy of the entities that a text mentions, by the cosine of its vector to those of all entities.

    features: batch hidden, target: batch mention (0 is none) -> batch. An example counts when it mentions something.
    """

    def __init__(self, encoder: EntityEncoder, hidden: int, width: int, temperature: float) -> None:
        super().__init__()
        self._encoder = (encoder,)  # in a tuple, so that its parameters do not become those of the loss
        self.temperature = temperature
        self.project = nn.Linear(hidden, width)

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        """Averages over an example's mentions."""
        vectors = F.normalize(self._encoder[0].encode()[1:].to(features.dtype), dim=-1)
        scores = F.normalize(self.project(features), dim=-1) @ vectors.T / self.temperature
        told = scores.log_softmax(-1).gather(1, (target - 1).clamp(min=0))
        is_mention = (target > 0).to(told.dtype)
        return -(told * is_mention).sum(1) / is_mention.sum(1).clamp(min=1)

    def count(self, target: Tensor) -> Tensor:
        """Counts the examples that mention something."""
        return (target > 0).any(1).float()
