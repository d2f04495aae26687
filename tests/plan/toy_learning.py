"""A plugin of light components, and a fusion of them that is well: the rules of learning are tried on changes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consilience.declare import (
    Balancer,
    Bool,
    Field,
    Float,
    Fusion,
    Input,
    Int,
    Loss,
    Metric,
    Module,
    Ports,
    Source,
    Text,
    Tuner,
    Use,
)
from consilience.errors import Diagnostic


class Rows(Source):
    """Says which splits it has."""

    has: list[str] | None = None

    def splits(self) -> frozenset[str] | None:
        """Says what it was told."""
        return None if self.has is None else frozenset(self.has)


class Unsure(Source):
    """Fails to say which splits it has."""

    def splits(self) -> frozenset[str] | None:
        """Fails."""
        raise ZeroDivisionError("nobody knows")


class Words(Input):
    """Gives numbers for words."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(ids=Int["batch seq"])


class Encoder(Module):
    """Encodes numbers."""

    inputs = Ports(ids=Int["batch seq"])
    outputs = Ports(vector=Float["batch hidden"])

    def dims(self, known: Any) -> Mapping[str, int]:
        """States a width."""
        return {"hidden": 4}


class Head(Module):
    """Scores classes."""

    tie: Use[Module] | None = None
    inputs = Ports(vector=Float["batch hidden"])
    outputs = Ports(logits=Float["batch classes"])


class Same(Module):
    """Has no parameters."""

    has_parameters = False
    inputs = Ports(vector=Float["batch hidden"])
    outputs = Ports(vector=Float["batch hidden"])


class Entropy(Loss):
    """Compares scores with a class."""

    smoothing: float = Field(0.0, ge=0)
    inputs = Ports(logits=Float["batch classes"])
    target = Int["batch"].below("classes")


class Several(Loss):
    """Compares scores with several classes."""

    inputs = Ports(logits=Float["batch classes"])
    target = Bool["batch classes"]


class Small(Loss):
    """Measures a module."""

    of: Use[Module]
    keep: float = 0.5
    value = Float[""]
    has_parameters = True


class Right(Metric):
    """Compares scores with a class."""

    inputs = Ports(logits=Float["batch classes"])
    target = Int["batch"].below("classes")


class Adapter(Tuner):
    """Trains something."""


class Between(Balancer):
    """Compares gradients."""

    needs_shared_parameters = True


KINDS: tuple[Any, ...] = (Rows, Unsure, Words, Encoder, Head, Same, Entropy, Several, Small, Right, Adapter, Between)
HEAD: dict[str, Any] = {
    "encoder": {"use": "toy.encoder", "in": "words"},
    "head": {"use": "toy.head", "in": "encoder"},
}
LOSS: dict[str, Any] = {"loss": {"use": "toy.entropy", "in": "head", "target": "mood"}}
ALL: dict[str, Any] = {"use": "toy.rows", "has": ["all"], "map": {"text": "text", "mood": "mood"}}
TEXTS = {"use": "toy.rows", "has": ["all"], "map": {"text": "text"}}
METRIC = {"right": {"use": "toy.right", "in": "head", "target": "mood"}}


def declared(**changed: Any) -> Fusion:
    sections: dict[str, Any] = {
        "fields": {"text": "text", "mood": {"category": ["dull", "fine"]}},
        "sources": {"rows": ALL},
        "inputs": {"words": {"use": "toy.words", "in": "text"}},
        "modules": HEAD,
        "losses": LOSS,
        **changed,
    }
    return Fusion(name="small", **sections)


def codes(found: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(fault.code, fault.where) for fault in found]
