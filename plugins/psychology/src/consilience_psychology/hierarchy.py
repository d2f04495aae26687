"""What holds emotions and their groups together, in plain PyTorch: `members` lists the emotions of each group."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consilience_psychology.losses import precise

__all__ = ["CoherentGroups", "ConsistencyLoss", "HierarchyLoss", "Members"]


class Members(nn.Module):
    """Takes, of the emotions of each group, the highest score."""

    def __init__(self, members: Sequence[Sequence[int]], emotions: int) -> None:
        super().__init__()
        belongs = torch.zeros(len(members), emotions, dtype=torch.bool)
        for group, places in enumerate(members):
            belongs[group, list(places)] = True
        self.belongs: Tensor
        self.register_buffer("belongs", belongs, persistent=False)

    def forward(self, logits: Tensor, admitted: Tensor | None = None) -> Tensor:
        """Maps logits [batch emotion] to [batch group]; -inf where no emotion of a group is `admitted`."""
        belongs = self.belongs if admitted is None else self.belongs & admitted.unsqueeze(1)
        return logits.unsqueeze(1).masked_fill(~belongs, -torch.inf).amax(dim=2)


class CoherentGroups(nn.Module):
    """Scores a group at least as high as its highest emotion (the module of Giunchiglia and Lukasiewicz 2020)."""

    def __init__(self, members: Sequence[Sequence[int]], emotions: int) -> None:
        super().__init__()
        self.members = Members(members, emotions)

    def forward(self, logits: Tensor, groups: Tensor) -> Tensor:
        """Maps logits [batch emotion] and groups [batch group] to coherent logits [batch group]."""
        return torch.maximum(groups, self.members(logits))


class HierarchyLoss(nn.Module):
    """Trains emotions and groups under the constraint that an emotion is of its group.

    It is the max-constraint loss of Giunchiglia and Lukasiewicz (2020).

    A group that is there is credited to its own score or to an emotion that is there; one that is not is charged to the
    highest of them all. So no emotion is pushed up for the sake of a group that another emotion makes true.
    """

    def __init__(self, members: Sequence[Sequence[int]], emotions: int) -> None:
        super().__init__()
        self.members = Members(members, emotions)

    def forward(self, logits: Tensor, groups: Tensor, target: Tensor) -> Tensor:
        """Maps logits and target [batch emotion] and groups [batch group] to values [batch]: means over the groups."""
        scores, own = precise(logits), precise(groups)
        is_there = (target.unsqueeze(1) & self.members.belongs).any(dim=2)
        credited = torch.maximum(own, self.members(scores, target))
        charged = torch.maximum(own, self.members(scores))
        return torch.where(is_there, -F.logsigmoid(credited), -F.logsigmoid(-charged)).mean(dim=1)


class ConsistencyLoss(nn.Module):
    """Costs what a head of groups and one of emotions disagree: Jeffreys' divergence of each group's probabilities.

    For two probabilities it is (p - q)(logit p - logit q) (Jeffreys 1946). It compares with no label.
    """

    def __init__(self, members: Sequence[Sequence[int]], emotions: int) -> None:
        super().__init__()
        self.members = Members(members, emotions)

    def forward(self, logits: Tensor, groups: Tensor) -> Tensor:
        """Maps logits [batch emotion] and groups [batch group] to values [batch]: the means over the groups."""
        highest: Tensor = self.members(precise(logits))
        own = precise(groups)
        return ((highest.sigmoid() - own.sigmoid()) * (highest - own)).mean(dim=1)
