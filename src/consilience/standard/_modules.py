"""The standard modules: the text encoder, heads and fusers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from consilience.declare import Bool, Checkpoint, Dims, Field, Float, Int, Many, Module, Ports, Size, Use, upstream
from consilience.standard._checkpoint import sizes
from consilience.standard._families import family_of

__all__ = [
    "Classifier",
    "Concat",
    "CrossAttention",
    "Gated",
    "MultioutputRegressor",
    "Regressor",
    "TextEncoder",
    "TokenClassifier",
]


class TextEncoder(Module):
    """Encodes tokens with a pretrained encoder: a state for each token, and one vector for each text."""

    checkpoint: Use[Checkpoint] = upstream()
    """The checkpoint whose encoder it is; when left out, the one that the tokens were made with."""
    pooling: Literal["cls", "mean", "max"] = "mean"
    """How the states of a text become its vector: that of the first token, their mean, or their largest values."""

    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"])
    outputs = Ports(hidden=Float["batch seq hidden"], pooled=Float["batch hidden"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States width and vocabulary from config.json."""
        return sizes(self.checkpoint.declared, "hidden", "vocab", owner=self.checkpoint.name)

    def linear_layers(self, dims: Dims) -> Iterable[str] | None:
        """Names those that the family of the checkpoint's config.json has; None where that does not tell them."""
        config = self.checkpoint.declared.config()
        family = family_of(config)
        if family is None or family.fault(config):  # the checkpoint tells of the fault
            return None
        return [f"model.{name}" for name in family.linear_layers(config)]

    def build(self, dims: Dims) -> Any:
        """Loads the encoder."""
        from consilience.standard.built.encoder import TextEncoder

        return TextEncoder(self.checkpoint.declared.model(), self.pooling)


class _Head(Module):
    dropout: float = Field(0.1, ge=0, lt=1)
    """The share of features that are dropped while training."""
    width: int | None = Field(None, ge=1, le=16_384)
    """The size of a hidden layer; none when left out."""

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the layers after each dropout."""
        return ["projection.1"] if self.width is None else ["projection.1", "projection.4"]


class Classifier(_Head):
    """Scores the classes of one vector an example; takes its classes from the target of its loss."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch classes"].logits())
    static = ("hidden", "classes")

    def build(self, dims: Dims) -> Any:
        """Builds the head."""
        from consilience.standard.built.heads import Classifier

        return Classifier(dims["hidden"], dims["classes"], self.dropout, self.width)


class Regressor(_Head):
    """Predicts one number from one vector an example."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(value=Float["batch"])
    static = ("hidden",)

    def build(self, dims: Dims) -> Any:
        """Builds the head."""
        from consilience.standard.built.heads import Regressor

        return Regressor(dims["hidden"], None, self.dropout, self.width)


class MultioutputRegressor(_Head):
    """Predicts several numbers, such as those of a `numbers` field, from one vector an example."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(value=Float["batch numbers"])
    static = ("hidden", "numbers")

    def build(self, dims: Dims) -> Any:
        """Builds the head."""
        from consilience.standard.built.heads import Regressor

        return Regressor(dims["hidden"], dims["numbers"], self.dropout, self.width)


class TokenClassifier(_Head):
    """Scores the classes of every token; takes its classes from the target of its loss."""

    inputs = Ports(hidden=Float["batch seq hidden"])
    outputs = Ports(logits=Float["batch seq classes"].logits())
    static = ("hidden", "classes")

    def build(self, dims: Dims) -> Any:
        """Builds the head."""
        from consilience.standard.built.heads import TokenClassifier

        return TokenClassifier(dims["hidden"], dims["classes"], self.dropout, self.width)


class Concat(Module):
    """Puts vectors side by side."""

    has_parameters = False
    inputs = Ports(parts=Many(Float["batch part"], each=("part",)))
    outputs = Ports(fused=Float["batch hidden"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the width of the result: the sum of the parts'."""
        parts = known.each("part")
        return {"hidden": Size(sum(parts), " + ".join(map(str, parts)))}

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none."""
        return []

    def build(self, dims: Dims) -> Any:
        """Builds the fuser."""
        from consilience.standard.built.fusers import Concatenation

        return Concatenation()


class Gated(Module):
    """Mixes vectors of any widths, dim by dim, by gates that see all of them (Arevalo et al. 2017)."""

    width: int | None = Field(None, ge=1, le=16_384)
    """The width of the result; that of the first part when left out."""
    gate: Literal["softmax", "sigmoid"] = "softmax"
    """Whether the parts compete (their gates sum to 1), or each opens by itself."""

    inputs = Ports(parts=Many(Float["batch part"], each=("part",)))
    outputs = Ports(fused=Float["batch hidden"])
    static = ("part", "hidden")

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the width of the result."""
        return {
            "hidden": Size(self.width, "its key width") if self.width else Size(known.each("part")[0], "its first part")
        }

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the projection of each part, and the gates."""
        return [*(f"projections.{number}" for number in range(len(dims.each("part")))), "gates"]

    def build(self, dims: Dims) -> Any:
        """Builds the fuser."""
        from consilience.standard.built.fusers import GatedFusion

        return GatedFusion(dims.each("part"), dims["hidden"], self.gate)


class CrossAttention(Module):
    """Lets a sequence read another one, behind a gate that starts closed; `pooled` is the mean of the result.

    Wire `query_mask` (such as `tokens.mask`) to keep padding out of `pooled`.
    """

    heads: int = Field(4, ge=1, le=256)
    """The number of attention heads."""
    head_width: int = Field(64, ge=1, le=1024)
    """The width of each head."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of attention weights that are dropped while training."""

    inputs = Ports(
        queries=Float["batch seq hidden"],
        states=Float["batch other width"],
        mask=Bool["batch other"] | None,
        query_mask=Bool["batch seq"] | None,
    )
    outputs = Ports(hidden=Float["batch seq hidden"], pooled=Float["batch hidden"])
    static = ("hidden", "width")

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names the projections of the attention."""
        return ["query", "key", "value", "output"]

    def build(self, dims: Dims) -> Any:
        """Builds the fuser."""
        from consilience.standard.built.fusers import CrossAttention

        return CrossAttention(dims["hidden"], dims["width"], self.heads, self.head_width, self.dropout)
