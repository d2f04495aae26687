"""The modules: heads, what corrects their scores, and what is fitted after the training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.declare import Bool, Dims, Field, Float, Int, Module, Port, Ports
from consilience_psychology.taxonomies import members_of

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "AffectHead",
    "CategoryTemperature",
    "CoherentGroups",
    "DimensionHead",
    "EmotionHead",
    "LabelCorrelation",
    "LexiconPrior",
    "OrdinalHead",
    "PerspectiveHead",
    "Platt",
    "RaterHead",
    "Temperature",
    "Thresholds",
    "VarianceScale",
]


class _Head(Module):
    dropout: float = Field(0.1, ge=0, lt=1)
    """The share of values dropped before each layer while training."""
    width: int | None = Field(None, ge=1, le=16_384)
    """The width of the hidden layer: that of the features, when left out."""

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the hidden layer and the scoring one."""
        return ["layers.1", "layers.4"]


class EmotionHead(_Head):
    """Scores every emotion of a label space from one vector an example."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("hidden", "emotion")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head, with as many outputs as the loss's target has emotions."""
        from consilience_psychology.heads import EmotionHead

        return EmotionHead(dims["hidden"], dims["emotion"], self.width, self.dropout)


class AffectHead(_Head):
    """Estimates how pleasant an example is from one vector (the pleasure of Russell and Mehrabian 1977)."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(valence=Float["batch"])
    static = ("hidden",)

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head."""
        from consilience_psychology.heads import AffectHead

        return AffectHead(dims["hidden"], self.width, self.dropout)


class DimensionHead(_Head):
    """Estimates the dimensions of affect, such as valence, arousal and dominance, and how sure each estimate is.

    Its second output is the logarithm of a variance (Kendall and Gal 2017); losses that read the estimate alone leave
    it untrained.
    """

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(estimate=Float["batch dimension"], log_variance=Float["batch dimension"])
    static = ("hidden", "dimension")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head."""
        from consilience_psychology.dimensions import DimensionHead

        return DimensionHead(dims["hidden"], dims["dimension"], self.width, self.dropout)


class PerspectiveHead(_Head):
    """Estimates the dimensions of affect twice: of who reads a text, and of who wrote it (Buechel and Hahn 2017).

    Both share their estimate but for half of what parts them.
    """

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(reader=Float["batch dimension"], writer=Float["batch dimension"])
    static = ("hidden", "dimension")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head."""
        from consilience_psychology.dimensions import PerspectiveHead

        return PerspectiveHead(dims["hidden"], dims["dimension"], self.width, self.dropout)


class OrdinalHead(_Head):
    """Scores ordered levels of intensity, the lowest first, by one scale and the cuts between them (McCullagh 1980).

    Its scores are logarithms of probabilities: with `cross_entropy` it is the proportional odds model.
    """

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch level"].logits())
    static = ("hidden", "level")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head."""
        from consilience_psychology.ordinal import OrdinalHead

        return OrdinalHead(dims["hidden"], dims["level"], self.width, self.dropout)


class RaterHead(_Head):
    """Scores what one annotator would say of an example, by an embedding of who it is (Deng et al. 2023).

    Where nothing feeds `rater`, it is the mean of the annotators: a node that shares the head's parameters, and reads
    the features alone, answers for all of them.
    """

    inputs = Ports(features=Float["batch hidden"], rater=Int["batch"].below("rater") | None)
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("hidden", "emotion", "rater")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head, with an embedding for each annotator."""
        from consilience_psychology.disagreement import RaterHead

        return RaterHead(dims["hidden"], dims["emotion"], dims["rater"], self.width, self.dropout)


class LabelCorrelation(Module):
    """Corrects each emotion's score by what the others say: a block of CorNet (Xun et al. 2020), at first none."""

    width: int = Field(64, ge=1, le=16_384)
    """The width of the block."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("emotion",)

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names its two layers."""
        return ["read", "write"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the block."""
        from consilience_psychology.heads import LabelCorrelation

        return LabelCorrelation(dims["emotion"], self.width)


class LexiconPrior(Module):
    """Adds to each emotion's score what a lexicon says of the text, weighted as it learns; at first next to nothing."""

    inputs = Ports(logits=Float["batch emotion"].logits(), scores=Float["batch dimension"])
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("emotion", "dimension")

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names its layer."""
        return ["write"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the layer."""
        from consilience_psychology.heads import LexiconPrior

        return LexiconPrior(dims["dimension"], dims["emotion"])


class CoherentGroups(Module):
    """Scores a group at least as high as its highest emotion, by the mapping that is declared between the two.

    So no emotion is chosen without its group (the max-constraint module of Giunchiglia and Lukasiewicz 2020).
    """

    has_parameters = False
    inputs = Ports(logits=Float["batch emotion"].logits(), groups=Float["batch group"].logits())
    outputs = Ports(coherent=Float["batch group"].logits())
    static = ("emotion", "group")
    mapped: ClassVar[Mapping[str, str]] = {"group": "emotion"}

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none."""
        return []

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_psychology.hierarchy import CoherentGroups

        return CoherentGroups(members_of(dims.labels("group"), dims.labels("emotion")), dims["emotion"])


class _Fitted(Module):
    has_parameters = False

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none."""
        return []


class Temperature(_Fitted):
    """Calibrates the probabilities of emotions that may occur together, on the validation rows (Guo et al. 2017).

    Scores are divided by a temperature that makes the validation rows most likely, once the training ended; until then
    it is 1. It is saved with the model.
    """

    per: Literal["one", "emotion"] = "one"
    """One temperature for all emotions, or one for each."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("emotion",)
    fit_target: ClassVar[Port | None] = Bool["batch emotion"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_psychology.calibration import EmotionTemperature

        return EmotionTemperature(dims["emotion"], self.per)


class Platt(_Fitted):
    """Calibrates the probabilities of emotions by a slope and a shift, on the validation rows (Platt 1999).

    A temperature only scales: where probabilities lie above the frequencies, as after a loss that plays down what is
    not there, they need the shift. Fitted once the training ended; until then nothing is changed. It is saved with the
    model.
    """

    per: Literal["emotion", "one"] = "emotion"
    """A slope and a shift for each emotion, or one of both for all."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("emotion",)
    fit_target: ClassVar[Port | None] = Bool["batch emotion"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_psychology.calibration import Platt

        return Platt(dims["emotion"], self.per)


class CategoryTemperature(_Fitted):
    """Calibrates the probabilities of classes of which one is so, on the validation rows (Guo et al. 2017)."""

    inputs = Ports(logits=Float["batch classes"].logits())
    outputs = Ports(logits=Float["batch classes"].logits())
    static = ("classes",)
    fit_target: ClassVar[Port | None] = Int["batch"].below("classes")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_psychology.calibration import CategoryTemperature

        return CategoryTemperature(dims["classes"])


class Thresholds(_Fitted):
    """Moves each emotion's score so that one half is the probability from which on it is best chosen (Yang 2001).

    Best is the highest F1 on the validation rows, once the training ended; until then nothing is moved. It is saved
    with the model, so that predictions, metrics and reports all choose by it. What it gives are no calibrated
    probabilities any more: ask the module that feeds it for those.
    """

    per: Literal["emotion", "one"] = "emotion"
    """A threshold for each emotion, or the one with the best macro-F1 for all."""
    fewest: int = Field(0, ge=0, le=1)
    """How many emotions are chosen at least: with 1 the highest one is, where no emotion reaches its threshold."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("emotion",)
    fit_target: ClassVar[Port | None] = Bool["batch emotion"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_psychology.calibration import Thresholds

        return Thresholds(dims["emotion"], self.per, self.fewest)


class VarianceScale(_Fitted):
    """Calibrates how sure estimates are: scales each dimension's variance by the validation rows.

    Fitted once the training ended; until then nothing is changed. It is saved with the model.
    """

    by: Literal["quantiles", "likelihood"] = "quantiles"
    """`quantiles` brings the frequencies below each quantile as near to its level as they come (what Kuleshov et al.
    2018 measure); `likelihood` makes the rows most likely (Laves et al. 2020), in which a few far errors count most."""

    inputs = Ports(estimate=Float["batch dimension"], log_variance=Float["batch dimension"])
    outputs = Ports(estimate=Float["batch dimension"], log_variance=Float["batch dimension"])
    static = ("dimension",)
    fit_target: ClassVar[Port | None] = Float["batch dimension"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_psychology.dimensions import VarianceScale

        return VarianceScale(dims["dimension"], self.by)
