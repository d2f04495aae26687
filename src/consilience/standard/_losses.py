"""The standard losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from consilience.declare import Bool, Dims, Fault, Field, Float, Int, Loss, Ports

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "MeanSquaredError"]

Weights = list[Annotated[float, Field(gt=0, le=1_000_000)]]


def _miscounted(key: str, weights: list[float] | None, dims: Dims) -> Iterator[Fault]:
    """Tells weights of which there is not one for each class."""
    if not weights or len(weights) == dims["classes"]:
        return
    space = dims.spaces.get("classes")
    classes = f"{len(space)} labels {space}" if space else f"{dims['classes']} classes"
    found = f"{len(weights)} weights, {classes}"
    yield Fault("CN301", key, found, "a weight for each", f"# write {dims['classes']} weights under {key}")


class CrossEntropy(Loss):
    """The cross-entropy of one class an example, or one a token; a label of -100 is ignored, and does not count."""

    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """The share of probability that is spread over all classes."""
    class_weights: Weights | None = None
    """What a label of each class counts, in the order of the classes."""

    inputs = Ports(logits=Float["batch *more classes"].logits())
    target = Int["batch *more"].below("classes")

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the number of classes that the weights are for, where nothing else does."""
        return {"classes": len(self.class_weights)} if self.class_weights and "classes" not in known else {}

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells weights that are not as many as the classes."""
        yield from _miscounted("class_weights", self.class_weights, dims)

    def build(self, dims: Dims) -> Any:
        """Builds the loss."""
        from consilience.standard.built.losses import CrossEntropy

        return CrossEntropy(self.label_smoothing, self.class_weights)


class BinaryCrossEntropy(Loss):
    """The binary cross-entropy of several classes at once, averaged over them."""

    pos_weight: Weights | None = None
    """What a positive example of each class counts against a negative one, in the order of the classes."""

    inputs = Ports(logits=Float["batch classes"].logits())
    target = Bool["batch classes"]

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the number of classes that the weights are for, where nothing else does."""
        return {"classes": len(self.pos_weight)} if self.pos_weight and "classes" not in known else {}

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells weights that are not as many as the classes."""
        yield from _miscounted("pos_weight", self.pos_weight, dims)

    def build(self, dims: Dims) -> Any:
        """Builds the loss."""
        from consilience.standard.built.losses import BinaryCrossEntropy

        return BinaryCrossEntropy(self.pos_weight)


class MeanSquaredError(Loss, name="mse"):
    """The squared error of a number, or the mean of those of several."""

    inputs = Ports(value=Float["batch *numbers"])
    target = Float["batch *numbers"]

    def build(self, dims: Dims) -> Any:
        """Builds the loss."""
        from consilience.standard.built.losses import MeanSquaredError

        return MeanSquaredError()
