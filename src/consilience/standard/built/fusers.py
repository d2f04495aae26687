"""Fusers: from several vectors, or two sequences, to one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Concatenation", "CrossAttention", "GatedFusion"]


class Concatenation(nn.Module):
    """Puts vectors side by side: parts, each (batch part) -> fused (batch hidden)."""

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts), dim=-1)


class GatedFusion(nn.Module):
    """Mixes vectors by gates that see all of them: parts, each (batch part) -> fused (batch hidden).

    Every part is projected to `width`, and weighed in every dim by a gate computed from all parts together: the gated
    multimodal unit of Arevalo et al. 2017 (arXiv:1702.01992), for any number of parts. With `softmax` the gates of a
    dim sum to 1; with `sigmoid` each opens by itself.
    """

    def __init__(self, parts: Sequence[int], width: int, gate: str = "softmax") -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(size, width) for size in parts)
        self.gates = nn.Linear(sum(parts), len(parts) * width)
        self.gate = gate

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        projected = torch.stack([project(part) for project, part in zip(self.projections, parts, strict=True)], dim=1)
        scores = self.gates(torch.cat(list(parts), dim=-1)).view_as(projected)
        gates = scores.softmax(dim=1) if self.gate == "softmax" else scores.sigmoid()
        fused: Tensor = (gates * projected.tanh()).sum(dim=1)
        return fused


class CrossAttention(nn.Module):
    """Lets one sequence read another, and adds what it read behind a gate that starts closed.

    queries (batch seq hidden), states (batch other width), mask (batch other, True at states that may be read),
    query_mask (batch seq) -> hidden (batch seq hidden), pooled (batch hidden): their mean over `query_mask`.
    The gate is that of Flamingo (Alayrac et al. 2022, arXiv:2204.14198): at first `hidden` equals `queries`.
    """

    starts_closed = ("gate",)
    """The parameters without which nothing else here gets a gradient: whoever tunes a part of it must tune them."""

    def __init__(self, hidden: int, width: int, heads: int, head_width: int, dropout: float = 0.0) -> None:
        super().__init__()
        inner = heads * head_width
        self.heads = heads
        self.dropout = dropout
        self.query_norm = nn.LayerNorm(hidden)
        self.state_norm = nn.LayerNorm(width)
        self.query = nn.Linear(hidden, inner)
        self.key = nn.Linear(width, inner)
        self.value = nn.Linear(width, inner)
        self.output = nn.Linear(inner, hidden)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(
        self, queries: Tensor, states: Tensor, mask: Tensor | None = None, query_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        hidden = queries + self.gate.tanh() * self.read(queries, states, mask)
        if query_mask is None:
            return hidden, hidden.mean(dim=1)
        admitted = query_mask.unsqueeze(-1)
        total = hidden.masked_fill(~admitted, 0).sum(dim=1, dtype=torch.promote_types(hidden.dtype, torch.float32))
        return hidden, (total / admitted.sum(dim=1).clamp(min=1)).to(hidden.dtype)

    def read(self, queries: Tensor, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """Gives what every query reads; a row with nothing to read gives zeros."""
        states = self.state_norm(states)
        query, key, value = (
            project(sequence).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, sequence in (
                (self.query, self.query_norm(queries)),
                (self.key, states),
                (self.value, states),
            )
        )
        dropout = self.dropout if self.training else 0.0
        if mask is None:
            read = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
            return self._merge(read)
        # A softmax over nothing is no number: such a row reads all, and then its reading is dropped.
        has_any = mask.any(dim=1, keepdim=True)
        admitted = (mask | ~has_any)[:, None, None, :]
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=admitted, dropout_p=dropout)
        return self._merge(read).masked_fill(~has_any.unsqueeze(-1), 0)

    def _merge(self, read: Tensor) -> Tensor:
        merged: Tensor = self.output(read.transpose(1, 2).flatten(2))
        return merged
