"""The metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from consilience.declare import Bool, Dims, Field, Float, Int, Metric, Number, Ports
from consilience_psychology.taxonomies import members_of

__all__ = [
    "AffectAgreement",
    "AveragePrecision",
    "CalibrationError",
    "CategoryCalibrationError",
    "Coherence",
    "Concordance",
    "EmotionAgreement",
    "EmotionF1",
    "IntervalCalibrationError",
    "PearsonEach",
    "WeightedKappa",
]


class _OfEmotions(Metric):
    inputs = Ports(preds=Float["batch emotion"].logits())
    target = Bool["batch emotion"]
    static = ("emotion",)


class EmotionF1(_OfEmotions, name="emotion_f1"):
    """The F1 of each emotion by its name; those with a probability of one half or more are chosen."""

    is_number = False

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import EmotionReport

        return EmotionReport(dims["emotion"])


class AveragePrecision(_OfEmotions):
    """The mean over the emotions of the area under precision against recall, which needs no threshold."""

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import AveragePrecision

        return AveragePrecision(dims["emotion"])


class CalibrationError(Metric):
    """The expected calibration error of emotions: how far probabilities lie from frequencies (Naeini et al. 2015)."""

    bins: int = Field(15, ge=1, le=1000)
    """Into how many equal parts probability is divided."""

    inputs = Ports(preds=Float["batch emotion"].logits())
    target = Bool["batch emotion"]

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import EmotionCalibrationError

        return EmotionCalibrationError(self.bins)


class CategoryCalibrationError(Metric):
    """The expected calibration error of the likeliest class (Naeini et al. 2015)."""

    bins: int = Field(15, ge=1, le=1000)
    """Into how many equal parts probability is divided."""

    inputs = Ports(preds=Float["batch classes"].logits())
    target = Int["batch"].below("classes")
    static = ("classes",)

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import CategoryCalibrationError

        return CategoryCalibrationError(dims["classes"], self.bins)


class IntervalCalibrationError(Metric):
    """How far the frequency of true values below each estimated quantile lies from its level (Kuleshov et al. 2018)."""

    levels: int = Field(19, ge=1, le=999)
    """How many quantiles are looked at: 19 are those of 5, 10, ... 95 percent."""

    inputs = Ports(estimate=Float["batch dimension"], log_variance=Float["batch dimension"])
    target = Float["batch dimension"]
    static = ("dimension",)

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import IntervalCalibrationError

        return IntervalCalibrationError(dims["dimension"], self.levels)


class _OfDimensions(Metric):
    inputs = Ports(preds=Number["batch dimension"])
    target = Float["batch dimension"]
    static = ("dimension",)


class PearsonEach(_OfDimensions):
    """Pearson's r of each dimension, by its name."""

    is_number = False

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import PearsonEach

        return PearsonEach(dims["dimension"])


class Concordance(_OfDimensions):
    """Lin's concordance correlation coefficient, the mean over the dimensions (Lin 1989)."""

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import Concordance

        return Concordance(dims["dimension"])


class WeightedKappa(Metric):
    """Cohen's kappa of ordered levels, with mistakes weighed by the square of the levels between (Cohen 1968)."""

    inputs = Ports(preds=Float["batch level"])
    target = Int["batch"].below("level")
    static = ("level",)

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import WeightedKappa

        return WeightedKappa(dims["level"])


class EmotionAgreement(Metric):
    """Krippendorff's alpha of the model and the annotators over all decisions of emotions (Krippendorff 2011)."""

    inputs = Ports(preds=Float["batch emotion"].logits())
    target = Bool["batch emotion"]

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import Agreement

        return Agreement("nominal")


class AffectAgreement(Metric):
    """Krippendorff's alpha of the model and the annotators over numbers, at the interval level (Krippendorff 2011)."""

    inputs = Ports(preds=Number["batch dimension"])
    target = Float["batch dimension"]

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import Agreement

        return Agreement("interval")


class Coherence(Metric):
    """The share of examples whose chosen groups are those of their chosen emotions, by the declared mapping."""

    inputs = Ports(logits=Float["batch emotion"].logits(), groups=Float["batch group"].logits())
    static = ("emotion", "group")
    mapped: ClassVar[Mapping[str, str]] = {"group": "emotion"}

    def build(self, dims: Dims) -> Any:
        """Builds the metric."""
        from consilience_psychology.metrics import Coherence

        return Coherence(members_of(dims.labels("group"), dims.labels("emotion")))
