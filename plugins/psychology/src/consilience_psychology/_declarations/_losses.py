"""The losses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from consilience.declare import Bool, Dims, Fault, Field, Float, Int, Loss, Ports, Use, nearest, paste
from consilience_psychology._declarations._resources import Taxonomy
from consilience_psychology.taxonomies import members_of, opposites_in

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "AffectLoss",
    "AsymmetricLoss",
    "ConcordanceLoss",
    "ConsistencyLoss",
    "CorrelationLoss",
    "EarthMoverLoss",
    "EmotionLoss",
    "GaussianLoss",
    "HierarchyLoss",
    "OppositionLoss",
    "SoftLabelLoss",
]

Counts = dict[str, Annotated[int, Field(ge=1)]]


class _OfEmotions(Loss):
    counts: Counts | None = None
    """How many training examples have each emotion, by its name: rare ones then weigh more, by the effective number of
    their examples (class-balanced loss, Cui et al. 2019). `consilience psychology counts TABLE COLUMN` writes them."""
    beta: float = Field(0.999, ge=0, lt=1)
    """How much more the rare emotions weigh with `counts`: 0 is not at all; towards 1 by one over the count."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    target = Bool["batch emotion"]
    static = ("emotion",)

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells counts that are not those of the emotions."""
        if self.counts is None:
            return
        space = dims.spaces.get("emotion")
        labels = space.labels if space else ()
        unknown = [name for name in self.counts if name not in labels]
        lacking = [name for name in labels if name not in self.counts]
        if unknown or not labels:
            name = unknown[0] if unknown else next(iter(self.counts), "")
            near = nearest(name, lacking)
            fix = f"# write {near} in place of {name}" if near else f"# remove {name} from counts"
            yield Fault("CN550", "counts", f"{name}, which is none of the emotions", f"counts of {space}", fix)
        elif lacking:
            found = f"no count of {lacking[0]}" + (f", and {len(lacking) - 1} more" if len(lacking) > 1 else "")
            fix = f"# add to counts {paste({lacking[0]: 100})}, with how many training examples have it"
            yield Fault("CN550", "counts", found, f"a count for each of {space}", fix)

    def _weights(self, dims: Dims) -> Any:
        from consilience_psychology.several import effective_weights

        if self.counts is None:
            return None
        labels = dims.labels("emotion").labels
        return effective_weights([self.counts[labels[place]] for place in range(dims["emotion"])], self.beta)


class EmotionLoss(_OfEmotions):
    """Binary cross-entropy over several emotions at once; an example's value is the mean over the emotions."""

    gamma: float = Field(0.0, ge=0, le=10)
    """How much emotions already scored right are played down (focal loss, Lin et al. 2017); 0 is not at all."""
    positive_weight: float = Field(1.0, gt=0, le=1_000_000)
    """How much an emotion that is there weighs against one that is not: above 1 where emotions are rare."""

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.losses import EmotionLoss

        return EmotionLoss(self.gamma, self.positive_weight, self._weights(dims))


class AsymmetricLoss(_OfEmotions):
    """Plays down emotions that are easily told not to be there more than those that are (Ridnik et al. 2021)."""

    gamma_positive: float = Field(0.0, ge=0, le=10)
    """How much emotions that are there and scored right are played down."""
    gamma_negative: float = Field(4.0, ge=0, le=10)
    """How much emotions that are not there and scored right are played down."""
    margin: float = Field(0.05, ge=0, lt=1)
    """The probability up to which an emotion that is not there costs nothing."""

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.several import AsymmetricLoss

        return AsymmetricLoss(self.gamma_positive, self.gamma_negative, self.margin, self._weights(dims))


class CorrelationLoss(Loss):
    """Asks each emotion that is there to score above each that is not, so that they are learnt together.

    Zhang and Zhou (2006), for emotions Alhuzali and Ananiadou (2021). Examples with no emotion, or
    with all, do not count.
    """

    inputs = Ports(logits=Float["batch emotion"].logits())
    target = Bool["batch emotion"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.several import CorrelationLoss

        return CorrelationLoss()


class OppositionLoss(Loss):
    """Costs what two opposite emotions are both taken to be, such as joy and sadness; it needs no target.

    Plutchik's wheel with its opposites (Plutchik 2001) is `pkg:consilience_psychology/data/plutchik.toml`.
    """

    taxonomy: Use[Taxonomy]
    """The taxonomy whose opposites are meant; of the scored emotions, those that it names."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    static = ("emotion",)

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells labels without opposites."""
        if list(self.taxonomy.declared.faults()):
            return
        space = dims.spaces.get("emotion")
        if space is None or not opposites_in(space, self.taxonomy.declared.read().opposites):
            found = (
                f"{self.taxonomy.name}, in which no two of {space or 'the scores, which have no labels,'} are opposite"
            )
            fix = "# name a taxonomy with opposites among these labels"
            yield Fault("CN551", "taxonomy", found, "a taxonomy in which two of them are opposite", fix)

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.several import OppositionLoss

        return OppositionLoss(opposites_in(dims.labels("emotion"), self.taxonomy.declared.read().opposites))


class HierarchyLoss(Loss):
    """Trains emotions and groups under the constraint that an emotion is of its group.

    The max-constraint loss of Giunchiglia and Lukasiewicz (2020), by the mapping that is declared between the two.
    """

    inputs = Ports(logits=Float["batch emotion"].logits(), groups=Float["batch group"].logits())
    target = Bool["batch emotion"]
    static = ("emotion", "group")
    mapped: ClassVar[Mapping[str, str]] = {"group": "emotion"}

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.hierarchy import HierarchyLoss

        return HierarchyLoss(members_of(dims.labels("group"), dims.labels("emotion")), dims["emotion"])


class ConsistencyLoss(Loss):
    """Costs what a head of emotions and one of their groups disagree (Jeffreys 1946); it needs no target.

    A group's probability by its emotions is that of the highest of them.
    """

    inputs = Ports(logits=Float["batch emotion"].logits(), groups=Float["batch group"].logits())
    static = ("emotion", "group")
    mapped: ClassVar[Mapping[str, str]] = {"group": "emotion"}

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.hierarchy import ConsistencyLoss

        return ConsistencyLoss(members_of(dims.labels("group"), dims.labels("emotion")), dims["emotion"])


class AffectLoss(Loss):
    """Squared error of the valence, or Huber's beyond a distance; of several dimensions the mean."""

    huber: float | None = Field(None, gt=0, le=1_000_000)
    """The distance beyond which the error grows in a straight line (Huber 1964); squared throughout when left out."""

    inputs = Ports(valence=Float["batch *dimensions"])
    target = Float["batch *dimensions"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.losses import AffectLoss

        return AffectLoss(self.huber)


class ConcordanceLoss(Loss):
    """One minus Lin's concordance correlation coefficient of a batch (Lin 1989); of dimensions the mean.

    It rewards estimates that lie as far apart as the true values do, where a squared error draws them to the middle.
    Batches of 16 rows or more make it steady.
    """

    inputs = Ports(valence=Float["batch *dimensions"])
    target = Float["batch *dimensions"]
    value = Float[""]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.dimensions import ConcordanceLoss

        return ConcordanceLoss()


class GaussianLoss(Loss):
    """The negative log-likelihood of estimates that say how sure they are (Kendall and Gal 2017)."""

    beta: float = Field(0.0, ge=0, le=1)
    """The power of the variance by which each term is weighed (Seitzer et al. 2022): with 0 what is hard may be given
    up early, 0.5 is a middle, and 1 trains the estimates like a squared error."""

    inputs = Ports(estimate=Float["batch dimension"], log_variance=Float["batch dimension"])
    target = Float["batch dimension"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.dimensions import GaussianLoss

        return GaussianLoss(self.beta)


class EarthMoverLoss(Loss):
    """The squared earth mover's distance between the levels' probabilities and the true one (Hou et al. 2016).

    A mistake of two levels costs more than one of one.
    """

    inputs = Ports(logits=Float["batch level"].logits())
    target = Int["batch"].below("level")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.ordinal import EarthMoverLoss

        return EarthMoverLoss()


class SoftLabelLoss(Loss):
    """The divergence from how many annotators named each emotion to what the model says (Peterson et al. 2019).

    The target is a field of numbers whose names are the emotions, such as `{numbers: psychology.ekman}`.
    """

    over: Literal["each", "classes"] = "each"
    """`each` takes each share, within 0 and 1, by itself; `classes` takes shares, or votes, as parts of one whole."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    target = Float["batch emotion"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.disagreement import SoftLabelLoss

        return SoftLabelLoss(self.over)
