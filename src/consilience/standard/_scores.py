"""The standard modules that make something else of scores: those of other labels, or shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from consilience.declare import Dims, Float, Module, Ports

__all__ = ["Probabilities", "Regroup"]


class Regroup(Module):
    """Turns scores of one label space into those of another, by the mapping that is declared between the two.

    Emotions become their groups, `psychology.ekman` of `psychology.goemotions`; every label needs its group.
    """

    combine: Literal["sum", "max"] = "sum"
    """Of the labels of a group: `sum` adds their probabilities (where an example has exactly one label), `max` takes
    the highest score (where it has several at once)."""

    has_parameters = False
    inputs = Ports(logits=Float["batch ?seq labels"].logits())
    outputs = Ports(logits=Float["batch ?seq groups"].logits())
    static = ("labels", "groups")
    mapped: ClassVar[Mapping[str, str]] = {"groups": "labels"}

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none."""
        return []

    def build(self, dims: Dims) -> Any:
        """Builds the module."""
        from consilience.standard.built.scores import Regroup

        labels, groups = dims.labels("labels"), dims.labels("groups")
        mapping = groups.mapping_from(labels) or {}
        members = [
            [i for i, label in enumerate(labels.labels) if mapping.get(label) == group] for group in groups.labels
        ]
        return Regroup(members, self.combine)


class Probabilities(Module):
    """Turns scores into probabilities, for what reads those and no scores. Losses and metrics read the scores."""

    over: Literal["classes", "each"] = "classes"
    """`classes` shares 1 among all of them (softmax); `each` gives every class a probability of its own (sigmoid)."""

    has_parameters = False
    inputs = Ports(logits=Float["batch ?seq classes"].logits())
    outputs = Ports(probabilities=Float["batch ?seq classes"].within(0, 1))

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none."""
        return []

    def build(self, dims: Dims) -> Any:
        """Builds the module."""
        from consilience.standard.built.scores import Probabilities

        return Probabilities(self.over)
