"""An encoder of transformers that gives token states and one vector a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["POOLINGS", "TextEncoder"]


def pool_first(hidden: Tensor, mask: Tensor) -> Tensor:
    """Takes the state of the first token."""
    return hidden[:, 0]


def pool_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Averages the states that the mask admits, in 32 bits at least; nothing admitted gives zeros."""
    admitted = mask.unsqueeze(-1)
    total = hidden.masked_fill(~admitted, 0).sum(dim=1, dtype=torch.promote_types(hidden.dtype, torch.float32))
    return (total / admitted.sum(dim=1).clamp(min=1)).to(hidden.dtype)


def pool_max(hidden: Tensor, mask: Tensor) -> Tensor:
    """Takes the largest admitted value of each dim; nothing admitted gives zeros."""
    admitted = mask.unsqueeze(-1)
    largest = hidden.masked_fill(~admitted, torch.finfo(hidden.dtype).min).amax(dim=1)
    return torch.where(admitted.any(dim=1), largest, 0)


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": pool_first,
    "mean": pool_mean,
    "max": pool_max,
}


class TextEncoder(nn.Module):
    """Runs an encoder of transformers.

    ids (batch seq), mask (batch seq, True at tokens) -> hidden (batch seq hidden), pooled (batch hidden)
    """

    def __init__(self, model: Any, pooling: str) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        hidden: Tensor = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return hidden, POOLINGS[self.pooling](hidden, mask)

    def get_input_embeddings(self) -> nn.Module:
        """Gives the table of token embeddings, which heads over the vocabulary tie to."""
        embeddings: nn.Module = self.model.get_input_embeddings()
        return embeddings
