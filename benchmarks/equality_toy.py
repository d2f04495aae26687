"""A small fusion with every kind of loss, in float64, and its gradient written out by hand for some rows at once."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilience.declare import Dims, Float, Fusion, Input, Int, Loss, Module, Ports, hookimpl
from consilience.fuse import FusedModel
from consilience.host import Registry
from consilience.plan import Plan, check

__all__ = ["PATTERNS", "ROWS", "by_hand", "make_plan", "read_rows", "write_rows"]

ROWS = 23
WORDS, TAGS = 3, 4
IGNORED = -100
CLASS_WEIGHTS = [0.5, 2.0, 1.25]
WEIGHTS = {"kind_loss": 0.5, "y_loss": 2.0, "tag_loss": 1.5, "size_loss": 0.1, "calm_loss": 0.3, "silent_loss": 0.0}
LAMBDA = 3.0
SCHEDULES = {"kind_loss": {"rise": 0.5}, "tag_loss": {"stop": 0.5}}

PATTERNS = {
    "every target": (lambda row: True, lambda row: True),
    "one target a row": (lambda row: row % 2 == 0, lambda row: row % 2 == 1),
    "sparse": (lambda row: row % 7 == 3, lambda row: row % 5 == 1),
    "halves": (lambda row: row < ROWS // 2, lambda row: row >= ROWS // 2),
    "the last row alone": (lambda row: row == ROWS - 1, lambda row: row == ROWS - 1),
}
"""For each pattern, which rows have a target of the first loss, and of the second."""


class Tags:
    def __call__(self, number: Tensor) -> Tensor:
        return tags_of(number)


def tags_of(number: Tensor) -> Tensor:
    """Gives each row none to three labels: how many, and which, depends on its number."""
    place = torch.arange(WORDS)
    code = (number[:, None] * 7).long()
    return torch.where(place < code % (WORDS + 1), (code + place) % TAGS, IGNORED)


class Trunk(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 5)

    def forward(self, number: Tensor) -> Tensor:
        return torch.tanh(self.layer(number[:, None].to(self.layer.weight.dtype)))


class Head(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape
        self.layer = nn.Linear(5, int(torch.tensor(shape).prod()))

    def forward(self, features: Tensor) -> Tensor:
        return self.layer(features).reshape(len(features), *self.shape)


class Size(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, -1.0]))

    def forward(self) -> Tensor:
        return self.weight.square().sum()


class Calm(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.square().mean()


def make_plugin() -> Any:
    class Number(Input):
        """Passes a number on."""

        inputs = Ports(number=Float["batch"])
        outputs = Ports(number=Float["batch"])

        def build(self, dims: Dims) -> Any:
            return lambda number: number

    class Tagged(Input):
        """Makes labels of words out of a number."""

        inputs = Ports(number=Float["batch"])
        outputs = Ports(labels=Int[f"batch words={WORDS}"])

        def build(self, dims: Dims) -> Any:
            return Tags()

    class Body(Module):
        """Maps a number to a vector."""

        inputs = Ports(number=Float["batch"])
        outputs = Ports(features=Float["batch hidden=5"])

        def build(self, dims: Dims) -> nn.Module:
            return Trunk()

    class Scores(Module):
        """Scores classes."""

        inputs = Ports(features=Float["batch hidden"])
        outputs = Ports(logits=Float["batch classes"].logits())

        def build(self, dims: Dims) -> nn.Module:
            return Head(dims["classes"])

    class Value(Module):
        """Gives a number."""

        inputs = Ports(features=Float["batch hidden"])
        outputs = Ports(value=Float["batch"])

        def build(self, dims: Dims) -> nn.Module:
            return Head()

    class Tagger(Module):
        """Scores a label for each word."""

        inputs = Ports(features=Float["batch hidden"])
        outputs = Ports(logits=Float[f"batch words={WORDS} tags={TAGS}"])

        def build(self, dims: Dims) -> nn.Module:
            return Head(WORDS, TAGS)

    class TagLoss(Loss):
        """Sums the cross-entropy of the labels of a row's words, and counts them."""

        inputs = Ports(logits=Float["batch words tags"])
        target = Int["batch words"]

        def build(self, dims: Dims) -> nn.Module:
            from consilience.standard.built.losses import CrossEntropy

            return CrossEntropy()

    class SizeLoss(Loss):
        """Measures parameters alone."""

        value = Float[""]
        has_parameters = True

        def build(self, dims: Dims) -> nn.Module:
            return Size()

    class CalmLoss(Loss):
        """Gives one number for the rows of a batch."""

        value = Float[""]
        inputs = Ports(features=Float["batch hidden"])

        def build(self, dims: Dims) -> nn.Module:
            return Calm()

    class Plugin:
        @hookimpl
        def consilience_components(self) -> list[type]:
            return [Number, Tagged, Body, Scores, Value, Tagger, TagLoss, SizeLoss, CalmLoss]

    return Plugin()


def write_rows(path: Path, pattern: str) -> None:
    """Writes a table of rows whose targets are missing by a pattern; every third row has a weight."""
    draw = random.Random(0)
    has_kind, has_y = PATTERNS[pattern]
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["x", "kind", "y", "trust"])
        for row in range(ROWS):
            kind, y = draw.choice(["low", "mid", "high"]), draw.uniform(-1, 1)
            trust = draw.choice([0.0, 0.25, 3.0]) if row % 3 == 0 and row < ROWS - 1 else ""
            table.writerow([row / 7, kind if has_kind(row) else "", y if has_y(row) else "", trust])


def make_plan(folder: Path, balance: str, train: dict[str, Any]) -> Plan:
    """Checks the fusion over the table in a folder."""
    registry = Registry()
    registry.register(make_plugin(), "lab")
    columns = {"x": "x", "kind": "kind", "y": "y", "trust": "trust"}
    losses: dict[str, dict[str, Any]] = {
        "kind_loss": {"use": "cross_entropy", "in": "scores", "target": "kind", "class_weights": CLASS_WEIGHTS},
        "y_loss": {"use": "mse", "in": "value", "target": "y", "example_weight": "trust"},
        "tag_loss": {"use": "lab.tag_loss", "in": "tagger", "target": "tagged.labels", "example_weight": "trust"},
        "size_loss": {"use": "lab.size_loss"},
        "calm_loss": {"use": "lab.calm_loss", "in": "body"},
        "silent_loss": {"use": "mse", "in": "unheard", "target": "y"},
    }
    fusion = Fusion(
        base=folder,
        name="equality",
        fields={"x": "number", "kind": {"category": ["low", "mid", "high"]}, "y": "number", "trust": "number"},
        sources={"rows": {"use": "table", "path": "rows.csv", "map": columns}},
        inputs={"number": {"use": "lab.number", "in": "x"}, "tagged": {"use": "lab.tagged", "in": "x"}},
        modules={
            "body": {"use": "lab.body", "in": "number"},
            "scores": {"use": "lab.scores", "in": "body"},
            "value": {"use": "lab.value", "in": "body"},
            "tagger": {"use": "lab.tagger", "in": "body"},
            "unheard": {"use": "lab.value", "in": "body"},
        },
        losses={
            name: node | {"weight": WEIGHTS[name]} | ({"schedule": SCHEDULES[name]} if name in SCHEDULES else {})
            for name, node in losses.items()
        },
        objective={"balance": balance, "weights": {"lab": LAMBDA}},
        train=train,
    )
    return check(fusion, registry)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Reads the table back."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def by_hand(
    model: FusedModel, rows: Sequence[dict[str, str]], balance: str, step: int, steps: int
) -> dict[str, Tensor]:
    """Gives the gradient of the objective over some rows in one batch, by name: torch alone, as one would write it."""
    model.zero_grad()
    half = math.ceil(steps / 2)
    scheduled = {"kind_loss": min(1.0, (step + 1) / (half + 1)), "tag_loss": float(step < half)}
    total = torch.zeros((), dtype=torch.float64)
    for name, loss in _losses_by_hand(model, rows).items():
        factor = scheduled.get(name, 1.0)
        if factor == 0:
            continue
        value = factor * WEIGHTS[name] * (1.0 if name in ("kind_loss", "y_loss") else LAMBDA) * loss
        if balance == "uncertainty":
            log_variance = model.balancer.log_variances[model.balancer.index[name]]
            value = torch.exp(-log_variance) * value + log_variance / 2
        total = total + value
    total.backward()
    return {name: _gradient(parameter) for name, parameter in model.named_parameters()}


def _losses_by_hand(model: FusedModel, rows: Sequence[dict[str, str]]) -> dict[str, Tensor]:
    """Gives the losses for which some row counts."""
    nodes = model.nodes
    numbers = _numbers([row["x"] for row in rows])
    features = nodes["body"](numbers)
    weights = _numbers([row["trust"] or "1" for row in rows])
    losses: dict[str, Tensor] = {}
    own = [at for at, row in enumerate(rows) if row["kind"]]
    if own:
        kinds = torch.tensor([["low", "mid", "high"].index(rows[at]["kind"]) for at in own])
        classes = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)
        losses["kind_loss"] = F.cross_entropy(nodes["scores"](features)[own], kinds, weight=classes)
    own = [at for at, row in enumerate(rows) if row["y"]]
    if weights[own].sum():
        errors = (nodes["value"](features)[own] - _numbers([rows[at]["y"] for at in own])).square()
        losses["y_loss"] = (weights[own] * errors).sum() / weights[own].sum()
    labels = tags_of(numbers.float())
    words = (labels != IGNORED) * weights[:, None]
    if words.sum():
        values = F.cross_entropy(nodes["tagger"](features).transpose(1, 2), labels, reduction="none")
        losses["tag_loss"] = (values * words).sum() / words.sum()
    losses["size_loss"] = nodes["size_loss"].weight.square().sum()
    losses["calm_loss"] = features.square().mean()
    return losses


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


def _numbers(cells: Sequence[str]) -> Tensor:
    # A batch holds fields in 32 bits.
    return torch.tensor([float(cell) for cell in cells], dtype=torch.float32).double()
