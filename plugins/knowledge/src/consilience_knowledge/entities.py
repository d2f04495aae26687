"""Vectors of entities: what every encoder of a graph gives, and the simplest one, a table."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["EntityEncoder", "EntityTable", "mean_of", "start_from"]


def mean_of(vectors: Tensor, entities: Tensor) -> tuple[Tensor, Tensor]:
    """Looks entities up, and averages them: vectors entity width, entities batch mention.

    Gives the mean of each row (batch width), zeros where it has none, and each place (batch mention width). Entity 0 is
    "no entity", as are those below it: its vector is zero, and it counts in no mean.
    """
    is_entity = (entities > 0).unsqueeze(-1)
    mentions = F.embedding(entities.clamp(min=0), vectors).masked_fill(~is_entity, 0)
    return mentions.sum(1) / is_entity.sum(1).clamp(min=1).to(mentions.dtype), mentions


class EntityEncoder(nn.Module):
    """Gives the vectors of the mentioned entities, out of those of all; `encode` says how these come about."""

    vectors: nn.Parameter
    kept: Tensor | None = None
    """What is left of the messages while an explanation takes some away: no part of the state, and else nothing."""

    def __init__(self, entities: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(entities, width) * width**-0.5)

    def encode(self, kept: Tensor | None = None) -> Tensor:
        """Gives the vectors of all entities: entity width; kept: message, 0 at those that are not sent."""
        raise NotImplementedError

    def forward(self, entities: Tensor) -> tuple[Tensor, Tensor]:
        """entities: batch mention -> the mean of the mentions (batch width), and each mention (batch mention width)."""
        return mean_of(self.encode(self.kept), entities)


class EntityTable(EntityEncoder):
    """A vector for each entity, and nothing of the graph."""

    def encode(self, kept: Tensor | None = None) -> Tensor:
        """Gives the table."""
        return self.vectors


def start_from(parameter: Tensor, vectors: Tensor, rows: Tensor) -> None:
    """Lets a parameter of entities start from known vectors: the row `rows[k]` from `vectors[k]`."""
    if not parameter.is_meta:
        with torch.no_grad():
            parameter[rows] = vectors.to(parameter)
