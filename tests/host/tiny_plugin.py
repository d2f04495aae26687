"""A plugin with one component of most kinds, for the golden schema."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel

from consilience.declare import (
    Balancer,
    Bool,
    Component,
    Field,
    Float,
    Input,
    Int,
    LabelSpace,
    Loss,
    Many,
    Module,
    Ports,
    Resource,
    Source,
    Text,
    Tuner,
    Use,
    hookimpl,
    upstream,
)


class Lexicon(Resource):
    """Words, each with a weight."""

    path: str = Field(min_length=1)
    """The file of words."""


class Rows(Source):
    """Rows that are there already."""

    count: int = Field(10, ge=1, le=100)
    """How many there are."""

    def open(self) -> Any:
        raise NotImplementedError


class Weigh(Input):
    """Looks up the words of a text.

    It counts those that
    the lexicon has:

    - once each,
    - in any order.
    """

    lexicon: Use[Lexicon]
    """Whose words are looked up."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(weights=Float["batch seq"], mask=Bool["batch seq"])

    def build(self, dims: Any) -> Any:
        raise NotImplementedError


class Stage(Enum):
    """When something is done."""

    EARLY = "early"
    LATE = "late"


class Rate(BaseModel):
    """A rate, and when it holds."""

    value: float = Field(0.5, gt=0, lt=1)
    stage: Stage = Stage.EARLY
    before: Rate | None = None


class Mean(Module):
    """Averages the weights that the mask admits."""

    lexicon: Use[Lexicon] = upstream()
    """The lexicon; that of the weights when left out."""
    of: Use[Module] | None = None
    """A module to subtract."""
    rounding: Literal["up", "down"] | None = None
    width: int | None = Field(None, ge=1, deprecated="write widths")
    """The width."""
    rates: list[Rate] = Field(default_factory=list, alias="rate")
    """How fast, one after another."""

    inputs = Ports(weights=Float["batch seq"], mask=Bool["batch seq"] | None)
    outputs = Ports(mean=Float["batch"])

    def build(self, dims: Any) -> Any:
        raise NotImplementedError


class Sum(Module):
    inputs = Ports(parts=Many(Float["batch"]))
    outputs = Ports(sum=Float["batch"])

    def build(self, dims: Any) -> Any:
        raise NotImplementedError


class Distance(Loss):
    """How far a sum lies from a class's number."""

    inputs = Ports(sum=Float["batch"])
    target = Int["batch"].below("classes")

    def build(self, dims: Any) -> Any:
        raise NotImplementedError


class Half(Tuner):
    """Trains every other parameter."""

    first: bool = False
    """Whether the first is trained."""

    def apply(self, module: Any) -> None:
        raise NotImplementedError


class Part(Tuner):
    """Trains what is named."""

    names: list[str]
    """The parameters."""

    def apply(self, module: Any) -> None:
        raise NotImplementedError


class Even(Balancer):
    """Weighs all alike."""

    def build(self, losses: tuple[str, ...]) -> Any:
        raise NotImplementedError


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [Lexicon, Rows, Weigh, Mean, Sum, Distance, Half, Part, Even]


@hookimpl
def consilience_label_spaces() -> list[LabelSpace]:
    return [LabelSpace(name="mood", labels=("dull", "fine"))]
