"""Modules, losses and metrics in which examples, or padding, change each other's results."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric as TorchMetric

from consilience.declare import Bool, Dims, Float, Int, Loss, Metric, Ports
from defects.defect import Defect
from defects.shaped import STATES, Layer, Made, Pooled


class MadeLoss(Loss):
    """Builds the loss of its attribute `layer`."""

    layer: ClassVar[Any]
    inputs = Ports(scores=Float["batch seq classes"].logits())
    target = Int["batch seq"].below("classes")

    def build(self, dims: Dims) -> Any:
        """Builds it."""
        return type(self).layer()


class TokenLoss(nn.Module):
    """The cross-entropy of the labelled places, summed; their number is the count."""

    ignored = -100

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        values = F.cross_entropy(scores.transpose(1, 2), target, reduction="none", ignore_index=self.ignored)
        return values.sum(dim=1)

    def count(self, target: Tensor) -> Tensor:
        return (target != self.ignored).sum(dim=1).float()


class GoodLoss(MadeLoss):
    """The cross-entropy of tokens."""

    layer = TokenLoss


class Pairs(nn.Module):
    """Scores each place against each place, and one more for none."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.look = nn.Linear(hidden, hidden)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        others = F.pad(states.masked_fill(~mask.unsqueeze(-1), 0), (0, 0, 1, 0), value=1.0)
        return self.look(states) @ others.transpose(1, 2)


class GoodPairs(Made):
    """A table whose columns are one more than its rows."""

    layer = Pairs
    inputs = Ports(states=Float["batch seq hidden"], mask=Bool["batch seq"])
    outputs = Ports(pairs=Float["batch seq seq+1"])


class Hits(TorchMetric):
    """The share of places whose label has the highest score."""

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.zeros(()), "sum")
        self.add_state("all", torch.zeros(()), "sum")

    def update(self, scores: Tensor, target: Tensor) -> None:
        counted = target != -100
        self.right += ((scores.argmax(dim=-1) == target) & counted).sum()
        self.all += counted.sum()

    def compute(self) -> Tensor:
        return self.right / self.all


class MadeMetric(Metric):
    """Builds the metric of its attribute `layer`."""

    layer: ClassVar[Any]
    inputs = Ports(scores=Float["batch seq classes"])
    target = Int["batch seq"].below("classes")

    def build(self, dims: Dims) -> Any:
        """Builds it."""
        return type(self).layer()


class GoodMetric(MadeMetric):
    """The share of hits."""

    layer = Hits


class CountsPadding(Made):
    """Averages over padding too."""

    inputs = STATES

    class layer(Pooled):  # noqa: N801
        def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
            return self.linear(hidden.mean(dim=1))


class MasksLate(Made):
    """Takes a softmax over all places, and masks what comes out."""

    inputs = STATES

    class layer(Pooled):  # noqa: N801
        def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
            weights = hidden.sum(dim=-1, keepdim=True).softmax(dim=1)
            if mask is not None:
                weights = weights.masked_fill(~mask.unsqueeze(-1), 0)
            return self.linear((weights * hidden).sum(dim=1))


class Centred(Made):
    """Subtracts the mean of the batch, in evaluation too."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features - features.mean(dim=0) / 2)


class FirstIsSpecial(MadeLoss):
    """Weighs the examples by their place in the batch."""

    class layer(TokenLoss):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            return super().forward(scores, target) * torch.linspace(1, 2, len(target)).to(scores.dtype)


class AveragesBatch(MadeLoss):
    """Gives each example the mean of the batch."""

    class layer(TokenLoss):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            return super().forward(scores, target).mean().expand(len(target))


class CountsBatch(MadeLoss):
    """Counts for each example the labels of all."""

    class layer(TokenLoss):  # noqa: N801
        def count(self, target: Tensor) -> Tensor:
            return (target == target[:1]).sum(dim=1).float()


class CountsAll(MadeLoss):
    """Counts the labels of the batch in one number."""

    class layer(TokenLoss):  # noqa: N801
        def count(self, target: Tensor) -> Tensor:
            return super().count(target).sum()


class CountsDown(MadeLoss):
    """Counts below zero."""

    class layer(TokenLoss):  # noqa: N801
        def count(self, target: Tensor) -> Tensor:
            return -super().count(target)


class ScoresIgnored(MadeLoss):
    """Takes a label of -100 for the first class."""

    class layer(TokenLoss):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            return super().forward(scores, target.clamp(min=0))


class CountsIgnored(MadeMetric):
    """Counts the places of a label of -100 as misses."""

    class layer(Hits):  # noqa: N801
        def update(self, scores: Tensor, target: Tensor) -> None:
            self.right += (scores.argmax(dim=-1) == target).sum()
            self.all += target.numel()


class LastBatch(MadeMetric):
    """Remembers the last batch alone."""

    class layer(Hits):  # noqa: N801
        def update(self, scores: Tensor, target: Tensor) -> None:
            self.right, self.all = torch.zeros(()), torch.zeros(())
            super().update(scores, target)


class Remembers(MadeMetric):
    """Keeps what it counted over a reset."""

    class layer(Hits):  # noqa: N801
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[Tensor, Tensor]] = []

        def update(self, scores: Tensor, target: Tensor) -> None:
            self.seen.append((scores, target))

        def compute(self) -> Tensor:
            hits = [(scores.argmax(dim=-1) == target)[target != -100] for scores, target in self.seen]
            return torch.cat(hits).float().mean()


GOOD = (GoodLoss, GoodMetric, GoodPairs)
DEFECTS = (
    Defect("a mean over padding", CountsPadding, "masks_respected"),
    Defect("a softmax over padding, masked too late", MasksLate, "masks_respected"),
    Defect("the batch's mean subtracted in evaluation", Centred, "rows_independent"),
    Defect("a loss that weighs examples by their place", FirstIsSpecial, "rows_permute"),
    Defect("a loss that is the batch's mean for each example", AveragesBatch, "rows_independent", ("rows_permute",)),
    Defect(
        "a count that looks at another example",
        CountsBatch,
        "rows_independent",
        ("rows_permute", "ignored_labels_respected"),
    ),
    Defect("a count of the whole batch", CountsAll, "count_honoured"),
    Defect("a count below zero", CountsDown, "count_honoured"),
    Defect("a loss that scores labels of -100", ScoresIgnored, "ignored_labels_respected"),
    Defect("a metric that counts labels of -100", CountsIgnored, "ignored_labels_respected"),
    Defect("a metric that remembers the last batch alone", LastBatch, "halves_add_up"),
    Defect("a metric that remembers over `reset`", Remembers, "reset_forgets"),
)
