"""A plugin that is light, and a fusion of it: what examines data without torch is tried with them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import datasets

from consilience.declare import (
    Bool,
    Fault,
    Float,
    Input,
    Int,
    Loss,
    Metric,
    Module,
    Ports,
    Resource,
    Source,
    Text,
    hookimpl,
)
from consilience.host import Registry


class Shelf(Resource):
    """Knows what is wrong inside."""

    def examine(self) -> Iterable[Fault]:
        """Tells of a hole."""
        yield Fault("TOY1", "path", "a hole", "no hole", "path: whole")


class Broken(Resource):
    """Cannot be looked into."""

    def examine(self) -> Iterable[Fault]:
        """Fails."""
        raise ZeroDivisionError("nobody knows")


class Given(Source):
    """Gives few rows."""

    def open(self) -> Mapping[str, Any]:
        """Gives them."""
        return {"all": datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 1]})}


class Shut(Source):
    """Ends the program when it is opened."""

    def open(self) -> Mapping[str, Any]:
        """Ends it."""
        sys.exit("no network here")


class Sealed(Given):
    """Cannot be looked into."""

    def examine(self) -> Iterable[Fault]:
        """Fails."""
        raise ZeroDivisionError("nobody knows")


class Odd(Given):
    """Explains its columns, and fails where it is asked for `riddle`."""

    def explain_columns(self, wanted: Sequence[str], held: Sequence[str]) -> Iterable[Fault]:
        """Tells what it was asked for, and what there is."""
        if "riddle" in wanted:
            raise ZeroDivisionError("nobody knows")
        yield Fault("TOY2", "", f"no {' and '.join(wanted)}", " and ".join(held), "# ask for others")


class Words(Input):
    """Gives numbers for words."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(ids=Int["batch seq"], mask=Bool["batch seq"])

    def build(self, dims: Any) -> Any:
        """Is never built."""


class Encoder(Module):
    """Encodes numbers."""

    inputs = Ports(ids=Int["batch seq"])
    outputs = Ports(vector=Float["batch hidden"])

    def dims(self, known: Any) -> Mapping[str, int]:
        """States a width."""
        return {"hidden": 4}

    def build(self, dims: Any) -> Any:
        """Is never built."""


class Head(Module):
    """Scores classes."""

    inputs = Ports(vector=Float["batch hidden"])
    outputs = Ports(logits=Float["batch classes"])

    def build(self, dims: Any) -> Any:
        """Is never built."""


class Entropy(Loss):
    """Compares scores with a class."""

    inputs = Ports(logits=Float["batch classes"])
    target = Int["batch"].below("classes")

    def build(self, dims: Any) -> Any:
        """Is never built."""


class Right(Metric):
    """Compares scores with a class."""

    inputs = Ports(logits=Float["batch classes"])
    target = Int["batch"].below("classes")

    def build(self, dims: Any) -> Any:
        """Is never built."""


class Toy:
    @hookimpl
    def consilience_components(self) -> list[Any]:
        return [Shelf, Broken, Given, Shut, Sealed, Odd, Words, Encoder, Head, Entropy, Right]


SHAPE = """
consilience: 1
name: small
fields: {text: text, mood: {category: [bad, good]}}
inputs: {words: {use: toy.words, in: text}}
modules: {encoder: {use: toy.encoder, in: words}, head: {use: toy.head, in: encoder}}
losses: {loss: {use: toy.entropy, in: head, target: mood}}
"""
TABLE = "use: table, map: {text: text, mood: label}"


def registry() -> Registry:
    found = Registry()
    found.register(Toy(), "toy")
    return found
