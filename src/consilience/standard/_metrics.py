"""The standard metrics, of torchmetrics."""

from __future__ import annotations

from typing import Any, Literal

from consilience.declare import Bool, Dims, Field, Float, Int, Metric, Number, Ports

__all__ = ["F1", "Accuracy", "Confusion", "Matthews", "MultilabelF1", "MultioutputPearson", "Pearson"]


class _ByLabel(Metric):
    inputs = Ports(preds=Float["batch *more classes"])
    target = Int["batch *more"].below("classes")
    static = ("classes",)


class Accuracy(_ByLabel):
    """The share of labels that have the highest score, of examples or of tokens."""

    average: Literal["micro", "macro"] = "micro"
    """Over all labels, or the mean over the classes of each one's share."""

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience.standard.built.metrics import Accuracy

        return Accuracy(dims["classes"], self.average)


class F1(_ByLabel):
    """The F1 of the highest-scored class, of examples or of tokens."""

    average: Literal["macro", "micro", "weighted"] = "macro"
    """The mean over the classes, over all labels, or the mean weighted by the classes' frequency.

    Classes that neither occur nor are predicted do not enter the mean.
    """

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience.standard.built.metrics import F1

        return F1(dims["classes"], self.average)


class Confusion(_ByLabel):
    """The table of true classes (rows) against predicted ones (columns)."""

    normalize: Literal["none", "true", "pred", "all"] = "none"
    """Counts, or shares of the true classes, of the predicted ones, or of all."""

    is_number = False

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience.standard.built.metrics import Confusion

        return Confusion(dims["classes"], self.normalize)


class Matthews(_ByLabel):
    """Matthews' correlation between the highest-scored class and the true one, 0 for a guess (Matthews 1975)."""

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience.standard.built.metrics import Matthews

        return Matthews(dims["classes"])


class MultilabelF1(Metric):
    """The F1 of several classes at once."""

    average: Literal["macro", "micro", "weighted"] = "macro"
    """The mean over the classes, over all decisions, or the mean weighted by the classes' frequency."""
    threshold: float = Field(0.5, gt=0, lt=1)
    """The probability from which a class counts as predicted."""

    inputs = Ports(preds=Float["batch classes"].logits())
    target = Bool["batch classes"]
    static = ("classes",)

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience.standard.built.metrics import MultilabelF1

        return MultilabelF1(dims["classes"], self.average, self.threshold)


class Pearson(Metric):
    """Pearson's r between a number and its prediction."""

    inputs = Ports(preds=Number["batch"])
    target = Float["batch"]

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience.standard.built.metrics import Pearson

        return Pearson()


class MultioutputPearson(Metric):
    """The mean, over several numbers, of Pearson's r between each and its prediction."""

    inputs = Ports(preds=Number["batch numbers"])
    target = Float["batch numbers"]
    static = ("numbers",)

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience.standard.built.metrics import Pearson

        return Pearson(dims["numbers"])
