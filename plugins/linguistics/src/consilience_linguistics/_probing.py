"""Declares structural probes: distances and depths of a tree in the geometry of states (Hewitt and Manning 2019)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from consilience.declare import Bool, Dims, Field, Float, Loss, Metric, Module, Ports

if TYPE_CHECKING:
    from torch import nn
    from torchmetrics import Metric as TorchMetric

__all__ = [
    "DepthLoss",
    "DepthProbe",
    "DepthSpearman",
    "DistanceLoss",
    "DistanceSpearman",
    "StructuralProbe",
    "UndirectedAttachment",
]


class _Probe(Module):
    rank: int = Field(128, ge=1, le=16_384)
    """The rank of the projection: how many directions of the states the probe may look at."""

    static = ("hidden",)

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the projection."""
        return ["projection"]


class StructuralProbe(_Probe):
    """Measures squared distances between words after a linear projection (Hewitt and Manning 2019).

    Over a frozen encoder it is a probe; over one that is tuned, its loss teaches the encoder the tree.
    """

    inputs = Ports(states=Float["batch word hidden"])
    outputs = Ports(distances=Float["batch word word"])

    def build(self, dims: Dims) -> nn.Module:
        """Gives the probe."""
        from consilience_linguistics.probing import StructuralProbe

        return StructuralProbe(dims["hidden"], self.rank)


class DepthProbe(_Probe):
    """Measures squared norms of words after a linear projection (Hewitt and Manning 2019)."""

    inputs = Ports(states=Float["batch word hidden"])
    outputs = Ports(depths=Float["batch word"])

    def build(self, dims: Dims) -> nn.Module:
        """Gives the probe."""
        from consilience_linguistics.probing import DepthProbe

        return DepthProbe(dims["hidden"], self.rank)


class DistanceLoss(Loss):
    """The absolute error of the distances, over the pairs of words of a text and divided by their number."""

    inputs = Ports(distances=Float["batch word word"], mask=Bool["batch word"])
    target = Float["batch word word"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_linguistics.probing import DistanceLoss

        return DistanceLoss()


class DepthLoss(Loss):
    """The absolute error of the depths, over the words of a text and divided by their number."""

    inputs = Ports(depths=Float["batch word"], mask=Bool["batch word"])
    target = Float["batch word"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_linguistics.probing import DepthLoss

        return DepthLoss()


class UndirectedAttachment(Metric, name="uuas"):
    """The undirected unlabeled attachment score: the share of a tree's edges that the least spanning tree has.

    Wire `tree.counted` under `mask`: Hewitt and Manning (2019) leave punctuation out.
    """

    inputs = Ports(distances=Float["batch word word"], mask=Bool["batch word"])
    target = Float["batch word word"]

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the score."""
        from consilience_linguistics.probing import UndirectedAttachment

        return UndirectedAttachment()


class _Spearman(Metric):
    shortest: int = Field(5, ge=2, le=512)
    """The fewest words of a text that is looked at."""
    longest: int = Field(50, ge=2, le=512)
    """The most words of a text that is looked at."""


class DistanceSpearman(_Spearman):
    """Spearman's correlation of distances, word by word; the mean over lengths of the mean over words (DSpr.)."""

    inputs = Ports(distances=Float["batch word word"], mask=Bool["batch word"])
    target = Float["batch word word"]

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the correlation."""
        from consilience_linguistics.probing import DistanceSpearman

        return DistanceSpearman(self.shortest, self.longest)


class DepthSpearman(_Spearman):
    """Spearman's correlation of depths within a text; the mean over lengths of the mean over texts (NSpr.)."""

    inputs = Ports(depths=Float["batch word"], mask=Bool["batch word"])
    target = Float["batch word"]

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the correlation."""
        from consilience_linguistics.probing import DepthSpearman

        return DepthSpearman(self.shortest, self.longest)
