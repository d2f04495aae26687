"""The work of the benchmark's fusion as a careful author writes it by hand, in plain PyTorch: the other side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["WEIGHTS", "HandWritten"]

WEIGHTS = {"opinion": 1.0, "rating": 0.5, "words": 0.1}
"""The weight of each task's loss."""


class HandWritten(nn.Module):
    """One encoder with the heads of some of three tasks: two classes, a number, and masked words.

    `encoder` is an encoder of transformers; the head over its vocabulary is tied to its embeddings.
    """

    def __init__(self, encoder: Any, tasks: Sequence[str] = tuple(WEIGHTS)) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tuple(tasks)
        hidden = encoder.config.hidden_size
        if "opinion" in tasks:
            self.opinion = nn.Sequential(nn.Dropout(0.1), nn.Linear(hidden, 2))
        if "rating" in tasks:
            self.rating = nn.Sequential(nn.Dropout(0.1), nn.Linear(hidden, 1))
        if "words" in tasks:
            self.dense = nn.Linear(hidden, hidden)
            self.norm = nn.LayerNorm(hidden, eps=1e-12)
            self.bias = nn.Parameter(torch.zeros(encoder.config.vocab_size))

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gives the mean loss of each task over the examples that have its target."""
        mask = batch["masked.mask"]
        hidden = self.encoder(input_ids=batch["masked.ids"], attention_mask=mask.long()).last_hidden_state
        losses = {}
        if "opinion" in self.tasks or "rating" in self.tasks:
            admitted = mask.unsqueeze(-1)
            pooled = (hidden * admitted).sum(dim=1) / admitted.sum(dim=1).clamp(min=1)
        if "opinion" in self.tasks:
            values = F.cross_entropy(self.opinion(pooled), batch["sentiment"], reduction="none")
            losses["opinion"] = mean_present(values, batch["sentiment.present"])
        if "rating" in self.tasks:
            values = F.mse_loss(self.rating(pooled).squeeze(-1), batch["stars"], reduction="none")
            losses["rating"] = mean_present(values, batch["stars.present"])
        if "words" in self.tasks:
            losses["words"] = self.guess(hidden, batch["masked.positions"], batch["masked.labels"])
        return losses

    def guess(self, hidden: Tensor, positions: Tensor, labels: Tensor) -> Tensor:
        """Gives the mean cross-entropy of the masked tokens, scoring those alone."""
        chosen = hidden.gather(1, positions.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
        states = self.norm(F.gelu(self.dense(chosen)))
        logits = F.linear(states, self.encoder.get_input_embeddings().weight, self.bias)
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def mean_present(values: Tensor, present: Tensor) -> Tensor:
    """Averages the values of the examples that have a target: Float[batch], Bool[batch] -> Float[]."""
    return (values * present).sum() / present.sum().clamp(min=1)
