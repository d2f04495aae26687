"""Metrics of torchmetrics that take logits as modules give them: classes last, -100 for no label."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassMatthewsCorrCoef,
    MultilabelF1Score,
)
from torchmetrics.regression import PearsonCorrCoef

__all__ = ["F1", "Accuracy", "Confusion", "Matthews", "MultilabelF1", "Pearson"]

IGNORED = -100


class _ByLabel:
    """Compares label by label: preds (batch *more classes), target (batch *more)."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds.reshape(-1, preds.shape[-1]), target.reshape(-1))  # type: ignore[misc]


class Accuracy(_ByLabel, MulticlassAccuracy):
    """Gives the share of labels that have the highest score."""

    def __init__(self, classes: int, average: Any = "micro") -> None:
        super().__init__(classes, average=average, ignore_index=IGNORED)


class F1(_ByLabel, MulticlassF1Score):
    """Gives the harmonic mean of precision and recall of the highest-scored label."""

    def __init__(self, classes: int, average: Any = "macro") -> None:
        super().__init__(classes, average=average, ignore_index=IGNORED)


class Confusion(_ByLabel, MulticlassConfusionMatrix):
    """Counts true labels (rows) against predicted ones (columns)."""

    def __init__(self, classes: int, normalize: Any = "none") -> None:
        super().__init__(classes, ignore_index=IGNORED, normalize=normalize)


class Matthews(_ByLabel, MulticlassMatthewsCorrCoef):
    """Gives Matthews' correlation of the highest-scored label with the true one."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes, ignore_index=IGNORED)


class MultilabelF1(MultilabelF1Score):
    """Gives the harmonic mean of precision and recall of the labels at or above a threshold of probability."""

    def __init__(self, classes: int, average: Any = "macro", threshold: float = 0.5) -> None:
        super().__init__(classes, average=average)
        self.least = threshold

    def update(self, preds: Tensor, target: Tensor) -> None:
        # Decided here: torchmetrics takes logits for probabilities when a whole batch of them lies in 0 to 1.
        super().update((preds.float().sigmoid() >= self.least).long(), target.long())


class Pearson(PearsonCorrCoef):
    """Gives Pearson's r, of several numbers the mean of theirs."""

    def __init__(self, numbers: int = 1) -> None:
        super().__init__(num_outputs=numbers)

    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds.float(), target.float())

    def compute(self) -> Tensor:
        return super().compute().mean()
