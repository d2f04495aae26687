"""What is made of scores: those of groups of labels, and probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Probabilities", "Regroup"]


class Regroup(nn.Module):
    """Scores groups of labels: logits (batch *more labels) -> logits (batch *more groups).

    `members` lists the labels of each group, at least one. With `sum`, a group's score is the log of the sum of the
    exponentials of its labels' scores: the softmax over groups then adds the probabilities of their labels. With `max`
    it is the highest of them, whose sigmoid is the least that the probability of any of them can be.
    """

    places: Tensor
    is_member: Tensor

    def __init__(self, members: Sequence[Sequence[int]], combine: str = "sum") -> None:
        super().__init__()
        most = max(map(len, members))
        rows = [[*group, *[group[0]] * (most - len(group))] for group in members]
        filled = [[place < len(group) for place in range(most)] for group in members]
        self.register_buffer("places", torch.tensor(rows), persistent=False)
        self.register_buffer("is_member", torch.tensor(filled), persistent=False)
        self.combine = combine

    def forward(self, logits: Tensor) -> Tensor:
        scores = logits[..., self.places]
        if self.combine == "max":
            return scores.amax(dim=-1)  # what fills a row up is one of its own
        return scores.masked_fill(~self.is_member, -torch.inf).logsumexp(dim=-1)


class Probabilities(nn.Module):
    """Gives probabilities of scores, of the same shape: by softmax over `classes`, or by sigmoid of `each`."""

    def __init__(self, over: str = "classes") -> None:
        super().__init__()
        self.over = over

    def forward(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=-1) if self.over == "classes" else logits.sigmoid()
