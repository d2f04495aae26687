"""Declares dependency parsing: the biaffine parser, its losses and its scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from consilience.declare import Bool, Dims, Field, Float, Int, Loss, Metric, Module, Ports

if TYPE_CHECKING:
    from torch import nn
    from torchmetrics import Metric as TorchMetric

__all__ = ["ArcLoss", "BiaffineParser", "LabeledAttachment", "RelationLoss", "UfeatsAccuracy", "UnlabeledAttachment"]

Decode = Literal["mst", "greedy"]


class BiaffineParser(Module):
    """Scores for every word each word, and the root, as its head, and each relation to it (Dozat and Manning 2017).

    Head 0 is the root, head i the i-th word, as CoNLL-U counts.
    """

    arc_width: int = Field(256, ge=1, le=16_384)
    """The size of the states that heads are scored by."""
    relation_width: int = Field(64, ge=1, le=16_384)
    """The size of the states that relations are scored by."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """The share of these states that is dropped while training, the same features at every word of a text."""

    inputs = Ports(states=Float["batch word hidden"], mask=Bool["batch word"])
    outputs = Ports(arcs=Float["batch word word+1"].logits(), relations=Float["batch word word+1 relation"].logits())
    static = ("hidden", "relation")

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the layers before the biaffine products."""
        return ["arc_dependent", "arc_head", "relation_dependent", "relation_head"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the parser."""
        from consilience_linguistics.parsing import BiaffineParser

        return BiaffineParser(dims["hidden"], dims["relation"], self.arc_width, self.relation_width, self.dropout)


class ArcLoss(Loss):
    """The cross-entropy of each word's head among all words and the root; each word counts once."""

    inputs = Ports(arcs=Float["batch word word+1"].logits())
    target = Int["batch word"].below("word+1")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_linguistics.parsing import ArcLoss

        return ArcLoss()


class RelationLoss(Loss):
    """The cross-entropy of each word's relation to its true head; each word counts once."""

    inputs = Ports(relations=Float["batch word word+1 relation"].logits(), heads=Int["batch word"].below("word+1"))
    target = Int["batch word"].below("relation")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_linguistics.parsing import RelationLoss

        return RelationLoss()


class UnlabeledAttachment(Metric, name="uas"):
    """The unlabeled attachment score: the share of words that get their head, punctuation included as in UD.

    A word whose head is -100 is not counted, and stands in a tree only where it is the head of another.
    """

    decode: Decode = "mst"
    """The best tree with one root (Chu and Liu 1965, Edmonds 1967), or the best head of each word by itself."""

    inputs = Ports(arcs=Float["batch word word+1"].logits())
    target = Int["batch word"].below("word+1")

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the score."""
        from consilience_linguistics.parsing import AttachmentScore

        return AttachmentScore(self.decode)


class LabeledAttachment(Metric, name="las"):
    """The labeled attachment score: the share of words that get their head and their relation to it.

    A word whose head or relation is -100 is not counted, and stands in a tree only where it is the head of another.
    """

    decode: Decode = "mst"
    """The best tree with one root (Chu and Liu 1965, Edmonds 1967), or the best head of each word by itself."""

    inputs = Ports(
        arcs=Float["batch word word+1"].logits(),
        relations=Float["batch word word+1 relation"].logits(),
        heads=Int["batch word"].below("word+1"),
    )
    target = Int["batch word"].below("relation")

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the score."""
        from consilience_linguistics.parsing import LabeledAttachmentScore

        return LabeledAttachmentScore(self.decode)


class UfeatsAccuracy(Metric, name="ufeats"):
    """The share of words of which every morphological feature is right, as the CoNLL 2018 shared task counts it."""

    inputs = Ports(logits=Float["batch seq feature value"].logits())
    target = Int["batch seq feature"].below("value")

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the score."""
        from consilience_linguistics.parsing import WholeAccuracy

        return WholeAccuracy()
