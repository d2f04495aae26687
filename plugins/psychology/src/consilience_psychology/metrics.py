"""Measures of emotion and affect, by torchmetrics and krippendorff."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryCalibrationError,
    MulticlassCalibrationError,
    MulticlassCohenKappa,
    MultilabelAveragePrecision,
    MultilabelF1Score,
)
from torchmetrics.regression import ConcordanceCorrCoef, PearsonCorrCoef
from torchmetrics.utilities import dim_zero_cat

__all__ = [
    "Agreement",
    "AveragePrecision",
    "CategoryCalibrationError",
    "Coherence",
    "Concordance",
    "EmotionCalibrationError",
    "EmotionReport",
    "IntervalCalibrationError",
    "PearsonEach",
    "WeightedKappa",
]


class EmotionReport(MultilabelF1Score):
    """Gives the F1 of every emotion, those whose probability is one half or more being chosen."""

    def __init__(self, emotions: int) -> None:
        super().__init__(emotions, average="none")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds (logits) and target [batch emotion]."""
        super().update((preds >= 0).long(), target.long())


class AveragePrecision(MultilabelAveragePrecision):
    """Gives the mean over the emotions of the area under precision against recall: no threshold is needed."""

    def __init__(self, emotions: int) -> None:
        super().__init__(emotions, average="macro", thresholds=None)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds (logits) and target [batch emotion]."""
        super().update(preds.float().sigmoid(), target.long())


class EmotionCalibrationError(BinaryCalibrationError):
    """Gives how far the probabilities of emotions lie from their frequency, over all decisions (Naeini et al. 2015)."""

    def __init__(self, bins: int = 15) -> None:
        super().__init__(n_bins=bins, norm="l1")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds (logits) and target [batch emotion]."""
        super().update(preds.float().sigmoid().flatten(), target.long().flatten())


class CategoryCalibrationError(MulticlassCalibrationError):
    """Gives how far the probability of the likeliest class lies from how often it is right (Naeini et al. 2015)."""

    def __init__(self, classes: int, bins: int = 15) -> None:
        super().__init__(classes, n_bins=bins, norm="l1")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds (logits) [batch classes] and target [batch]."""
        super().update(preds.float().softmax(1), target)


class IntervalCalibrationError(Metric):
    """Gives how far the frequency of true values below each quantile lies from its level (Kuleshov et al. 2018).

    It is the mean absolute distance over the levels, and over the dimensions.
    """

    higher_is_better = False
    below: Tensor
    total: Tensor

    def __init__(self, dimensions: int, levels: int = 19) -> None:
        super().__init__()
        self.add_state("below", torch.zeros(levels, dimensions), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, estimate: Tensor, log_variance: Tensor, target: Tensor) -> None:
        """Takes in estimate, log_variance and target [batch dimension]."""
        spread = (log_variance.float().clamp(-10, 10) / 2).exp()
        reached = torch.special.ndtr((target.float() - estimate.float()) / spread)
        self.below += (reached.unsqueeze(0) <= self._levels().view(-1, 1, 1)).sum(1)
        self.total += len(target)

    def compute(self) -> Tensor:
        """Gives the error, from 0 to 0.5."""
        return (self.below / self.total.clamp(min=1) - self._levels().unsqueeze(1)).abs().mean()

    def _levels(self) -> Tensor:
        count = len(self.below)
        return torch.arange(1, count + 1, device=self.below.device) / (count + 1)


class PearsonEach(PearsonCorrCoef):
    """Gives Pearson's r of each dimension."""

    def __init__(self, dimensions: int) -> None:
        super().__init__(num_outputs=dimensions)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds and target [batch dimension]."""
        super().update(preds.float(), target.float())

    def compute(self) -> Tensor:
        """Gives r [dimension]."""
        return super().compute().reshape(-1)


class Concordance(ConcordanceCorrCoef):
    """Gives Lin's concordance correlation coefficient, the mean over the dimensions (Lin 1989)."""

    def __init__(self, dimensions: int) -> None:
        super().__init__(num_outputs=dimensions)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds and target [batch dimension]."""
        super().update(preds.float(), target.float())

    def compute(self) -> Tensor:
        """Gives the mean."""
        return super().compute().mean()


class WeightedKappa(MulticlassCohenKappa):
    """Gives Cohen's kappa, by which a mistake counts as the square of the levels between (Cohen 1968)."""

    def __init__(self, levels: int) -> None:
        super().__init__(levels, weights="quadratic")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds (logits) [batch level] and target [batch]."""
        super().update(preds.argmax(1), target)


class Agreement(Metric):
    """Gives Krippendorff's alpha of the model and the annotators, as two coders of every value (Krippendorff 2011)."""

    higher_is_better = True
    model: Any
    human: Any

    def __init__(self, level: Literal["nominal", "interval"]) -> None:
        super().__init__()
        self.level = level
        self.add_state("model", [], dist_reduce_fx="cat")
        self.add_state("human", [], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Takes in preds and target [batch emotion]: logits and truth, or two numbers each."""
        given = (preds >= 0) if self.level == "nominal" else preds
        self.model.append(given.double().flatten())
        self.human.append(target.double().flatten())

    def compute(self) -> Tensor:
        """Gives alpha: 1 for agreement, 0 for chance; no number where all values are one."""
        rows = torch.stack([dim_zero_cat(self.model), dim_zero_cat(self.human)]).cpu()
        if (rows == rows[0, 0]).all():
            return torch.tensor(torch.nan)
        if self.level == "interval":
            # The package compares each value with each other one, which for thousands of numbers no memory holds.
            return 1 - ((rows[0] - rows[1]) ** 2).mean() / (2 * rows.var())
        import krippendorff

        return torch.tensor(krippendorff.alpha(rows.numpy(), level_of_measurement=self.level))


class Coherence(Metric):
    """Gives the share of examples whose chosen groups are those of their chosen emotions."""

    higher_is_better = True
    right: Tensor
    total: Tensor

    def __init__(self, members: list[list[int]]) -> None:
        super().__init__()
        self.members = members
        self.add_state("right", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, logits: Tensor, groups: Tensor) -> None:
        """Takes in logits [batch emotion] and groups [batch group]."""
        chosen = torch.stack([(logits[:, places] >= 0).any(1) for places in self.members], dim=1)
        self.right += (chosen == (groups >= 0)).all(1).sum()
        self.total += len(logits)

    def compute(self) -> Tensor:
        """Gives the share."""
        return self.right / self.total.clamp(min=1)
