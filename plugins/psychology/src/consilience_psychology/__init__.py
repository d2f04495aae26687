"""Declares what psychology offers to a fusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from consilience.declare import (
    Bool,
    Component,
    Dims,
    Field,
    Float,
    Input,
    LabelSpace,
    Loss,
    Module,
    Ports,
    Text,
    hookimpl,
)
from consilience_psychology.taxonomies import EKMAN, GOEMOTIONS, SENTIMENT

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "EKMAN",
    "GOEMOTIONS",
    "SENTIMENT",
    "AffectHead",
    "AffectLoss",
    "EmotionHead",
    "EmotionLoss",
    "LexiconAffect",
    "consilience_components",
    "consilience_label_spaces",
]


class EmotionHead(Module):
    """Scores every emotion of a label space from one vector an example."""

    dropout: float = Field(0.1, ge=0, lt=1)
    """The share of values dropped before each layer while training."""
    width: int | None = Field(None, ge=1, le=16_384)
    """The width of the hidden layer: that of the features, when left out."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch emotion"].logits())
    static = ("hidden", "emotion")

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the hidden layer and the scoring one."""
        return ["layers.1", "layers.4"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head, with as many outputs as the loss's target has emotions."""
        from consilience_psychology.heads import EmotionHead

        return EmotionHead(dims["hidden"], dims["emotion"], self.width, self.dropout)


class EmotionLoss(Loss):
    """Binary cross-entropy over several emotions at once; an example's value is the mean over the emotions."""

    gamma: float = Field(0.0, ge=0, le=10)
    """How much emotions already scored right are played down (focal loss, Lin et al. 2017); 0 is not at all."""
    positive_weight: float = Field(1.0, gt=0, le=1_000_000)
    """How much an emotion that is there weighs against one that is not: above 1 where emotions are rare."""

    inputs = Ports(logits=Float["batch emotion"].logits())
    target = Bool["batch emotion"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.losses import EmotionLoss

        return EmotionLoss(self.gamma, self.positive_weight)


class LexiconAffect(Input):
    """Reads how pleasant a text is, from -1 to 1, by the VADER lexicon and rules (Hutto and Gilbert 2014).

    It is English, and needs no network. Where no word of the lexicon bears on the text, the lexicon knows nothing of
    it, which is not the same as 0: such an example is not `present`, and no loss on the valence counts it.
    """

    max_words: int = Field(512, ge=1, le=100_000)
    """How many words are read from the start of a text: VADER's time grows with the square of them."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(valence=Float["batch"].within(-1, 1), present=Bool["batch"])

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the reader; each process loads the lexicon when it reads its first text."""
        from consilience_psychology.lexicon import ValenceReader

        return ValenceReader(self.max_words)


class AffectHead(Module):
    """Estimates how pleasant an example is from one vector."""

    dropout: float = Field(0.1, ge=0, lt=1)
    """The share of values dropped before each layer while training."""
    width: int | None = Field(None, ge=1, le=16_384)
    """The width of the hidden layer: that of the features, when left out."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(valence=Float["batch"])
    static = ("hidden",)

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the hidden layer and the scoring one."""
        return ["layers.1", "layers.4"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head."""
        from consilience_psychology.heads import AffectHead

        return AffectHead(dims["hidden"], self.width, self.dropout)


class AffectLoss(Loss):
    """Squared error of the valence, or Huber's beyond a distance."""

    huber: float | None = Field(None, gt=0, le=1_000_000)
    """The distance beyond which the error grows in a straight line (Huber 1964); squared throughout when left out."""

    inputs = Ports(valence=Float["batch"])
    target = Float["batch"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_psychology.losses import AffectLoss

        return AffectLoss(self.huber)


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [EmotionHead, EmotionLoss, LexiconAffect, AffectHead, AffectLoss]


@hookimpl
def consilience_label_spaces() -> list[LabelSpace]:
    return [GOEMOTIONS, EKMAN, SENTIMENT]
