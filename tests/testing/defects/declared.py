"""What a component says of itself, wrongly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import PrivateAttr, field_serializer

from consilience.declare import Dims, Fault, Field, Float, Module, Ports
from defects.defect import Defect


class _Head(Module):
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(scores=Float["batch hidden"])
    static = ("hidden",)

    def build(self, dims: Dims) -> Any:
        """Builds a layer."""
        from torch import nn

        class Head(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(dims["hidden"], dims["hidden"])

            def forward(self, features: Any) -> Any:
                return self.layer(features)

        return Head()


class Silent(_Head):
    __doc__ = ""


class SilentKey(_Head):
    """Has a key that nothing is said of."""

    width: int = Field(4, ge=1)


class Boundless(_Head):
    """Takes any number of layers."""

    layers: int = 2
    """How many layers."""


class Nameless(_Head):
    """Needs a name that nobody can guess."""

    title: str
    """The title."""


class AtFault(_Head):
    """Finds its own defaults at fault."""

    rate: float = Field(0.5, ge=0, le=1)
    """The rate."""

    def faults(self) -> Iterable[Fault]:
        """Tells of it."""
        yield Fault("CN123", "rate", "0.5", "another rate", "rate: 0.4")


class Undeclared(_Head):
    """Asks for a size that the check does not hear of."""

    static = ()


class Misnames(_Head):
    """Names a linear layer that it does not have."""

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names it."""
        return ["head"]


class Forgetful(_Head):
    """Writes another value than it holds."""

    rate: float = Field(0.5, ge=0, le=1)
    """The rate."""

    @field_serializer("rate")
    def write(self, rate: float) -> float:
        """Writes half of it."""
        return rate / 2


class Bound(_Head):
    """Holds a function that cannot leave the process."""

    _call: Any = PrivateAttr(default_factory=lambda: lambda: 0)


class GoodKeys(_Head):
    """Has keys of each kind."""

    width: int | None = Field(None, ge=1)
    """The width."""
    rate: float = Field(0.5, ge=0, le=1)
    """The rate."""

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names its layer."""
        return ["layer"]


GOOD = (GoodKeys,)
DEFECTS = (
    Defect("a component without a docstring", Silent, "documented"),
    Defect("a key without a docstring", SilentKey, "documented"),
    Defect("a number without bounds", Boundless, "bounded"),
    Defect("a key that has no default, and no example", Nameless, "buildable"),
    Defect("defaults that the component itself finds at fault", AtFault, "buildable"),
    Defect("a size that `build` asks for, neither stated nor static", Undeclared, "sizes_declared"),
    Defect("a linear layer named otherwise than it is built", Misnames, "linear_layers_told"),
    Defect("a key that is written as another value", Forgetful, "json_round_trip"),
    Defect("a declaration that holds a lambda", Bound, "pickled"),
)
