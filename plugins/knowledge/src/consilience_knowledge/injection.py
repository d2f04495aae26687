"""Brings what is known of the entities in a text to the tokens that name them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FeatureModulation", "GatedInjection", "Vectors", "align", "masked_mean"]

Vectors = Literal["trained", "fixed", "none"]


def align(spans: Tensor, entities: Tensor, entity_spans: Tensor) -> Tensor:
    """Tells which token and which mention overlap.

    spans: batch seq 2, entities: batch mention, entity_spans: batch mention 2 -> Bool, batch seq mention.
    Special tokens and padding, whose spans are empty, overlap nothing.
    """
    start, end = spans[..., 0, None], spans[..., 1, None]
    first, last = entity_spans[..., 0].unsqueeze(1), entity_spans[..., 1].unsqueeze(1)
    not_empty = (start < end) & (first < last) & (entities > 0).unsqueeze(1)
    return not_empty & (start < last) & (first < end)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Averages over the places that the mask admits: batch seq hidden, batch seq -> batch hidden; zeros when none."""
    kept = values.masked_fill(~mask.unsqueeze(-1), 0)
    return kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1).to(values.dtype)


class _Linked(nn.Module):
    """What brings the entities' vectors, and a vector "linked here", to the tokens that name them."""

    def __init__(self, entities: int, width: int, vectors: Vectors) -> None:
        super().__init__()
        scale = width**-0.5
        self.linked_here = nn.Parameter(torch.randn(width) * scale)
        self.register_parameter("trained", None)
        self.register_buffer("fixed", None)
        if vectors == "trained":
            self.trained = nn.Parameter(torch.randn(entities, width) * scale)
        elif vectors == "fixed":  # a buffer: no tuner may set it free
            self.fixed = torch.randn(entities, width) * scale

    def change(self, hidden: Tensor, content: Tensor) -> Tensor:
        """hidden: batch seq hidden, content: batch seq width -> batch seq hidden."""
        raise NotImplementedError

    def forward(
        self, hidden: Tensor, spans: Tensor, entities: Tensor, entity_spans: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Gives the token states (batch seq hidden) and their mean over the mask (batch hidden)."""
        hidden = self.change(hidden, self._content(align(spans, entities, entity_spans), entities))
        return hidden, hidden.mean(1) if mask is None else masked_mean(hidden, mask)

    def _content(self, linked: Tensor, entities: Tensor) -> Tensor:
        """linked: batch seq mention, entities: batch mention -> batch seq width, zeros at tokens without an entity."""
        content = linked.any(-1, keepdim=True).to(self.linked_here.dtype) * self.linked_here
        vectors = self.fixed if self.trained is None else self.trained
        if vectors is None:
            return content
        share = linked.to(vectors.dtype) / linked.sum(-1, keepdim=True).clamp(min=1).to(vectors.dtype)
        return content + share @ F.embedding(entities, vectors)


class GatedInjection(_Linked):
    """Adds the vector of the entity that a token names, and a vector "linked here", through a gate.

    hidden' = hidden + sigmoid(G [hidden; content]) * P content; content is "linked here" + the mean of the entities'
    vectors. P starts at zero, so that the module starts as the identity (as in ReZero, Bachlechner et al. 2021) and
    learns from the first step; a token without an entity is left as it is for good.

    vectors: `trained`; `fixed` at random; or `none`, with which every entity is the same.
    """

    def __init__(self, entities: int, hidden: int, width: int, vectors: Vectors = "trained") -> None:
        super().__init__(entities, width, vectors)
        self.gate = nn.Linear(hidden + width, hidden)
        self.project = nn.Linear(width, hidden, bias=False)
        nn.init.zeros_(self.project.weight)

    def change(self, hidden: Tensor, content: Tensor) -> Tensor:
        """Adds the gated projection of what is known."""
        gate = torch.sigmoid(self.gate(torch.cat([hidden, content.to(hidden.dtype)], dim=-1)))
        changed: Tensor = hidden + gate * self.project(content)
        return changed


class FeatureModulation(_Linked):
    """Scales and shifts a token's state by what is known of the entity that it names (Perez et al. 2018).

    hidden' = hidden * (1 + S content) + T content, with S and T zero at first and without a bias: it starts as the
    identity, and a token without an entity is left as it is for good. vectors: as in `GatedInjection`.
    """

    def __init__(self, entities: int, hidden: int, width: int, vectors: Vectors = "trained") -> None:
        super().__init__(entities, width, vectors)
        self.scale, self.shift = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        nn.init.zeros_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def change(self, hidden: Tensor, content: Tensor) -> Tensor:
        """Scales and shifts."""
        changed: Tensor = hidden * (1 + self.scale(content)) + self.shift(content)
        return changed
