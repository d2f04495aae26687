"""A fusion whose losses meet in every way: one trunk, read twice, a head tied to it, and a loss of its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from consilience.data import prepare
from consilience.declare import Float, Fusion, GradientBalancer, Input, Loss, Module, Ports, Sees, Use, hookimpl
from consilience.fuse import FusedModel, build_collator, fuse
from consilience.host import Registry
from consilience.plan import Plan, check
from consilience.train import Objective, Window
from consilience.train._gradients._parameters import GradientStep, Setting
from consilience.train._gradients._steps import gradient_step

ROWS = 24
Batch = dict[str, torch.Tensor]


class Trunk(Module):
    """Maps a number to four."""

    inputs = Ports(number=Float["batch"])
    outputs = Ports(features=Float["batch hidden"])

    def dims(self, known):
        return {"hidden": 4}

    def build(self, dims):
        return Trunks()


class Trunks(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 4)

    def forward(self, number):
        return torch.tanh(self.layer(number[:, None].to(self.layer.weight.dtype)))


class Line(Module):
    """Scores classes."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch classes"])

    def build(self, dims):
        return Lines(dims["classes"])


class Lines(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(4, classes)

    def forward(self, features):
        return self.layer(features)


class Tied(Module):
    """Reads a number by the trunk's own weights, and one of its own."""

    tie: Use[Module]

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(value=Float["batch"])

    def build(self, dims):
        return Tieds(dims.built(self.tie))


class Tieds(nn.Module):
    def __init__(self, trunk):
        super().__init__()
        self.trunk = (trunk,)
        self.bias = nn.Parameter(torch.tensor(0.3))

    def forward(self, features):
        return features @ self.trunk[0].layer.weight.squeeze(-1) + self.bias


class Size(Loss):
    """Sums the squares of a module's parameters."""

    of: Use[Module]

    value = Float[""]

    def build(self, dims):
        return Sizes(dims.built(self.of))


class Sizes(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = (module,)

    def forward(self):
        return torch.stack([one.square().sum() for one in self.module[0].parameters()]).sum()


class Even(GradientBalancer):
    """Makes all gradients equally long, as long as they are together."""

    def build(self, objectives):
        return Evened()


class Evened(nn.Module):
    def forward(self, gramian, values, names):
        lengths = gramian.diagonal().sqrt()
        return lengths.mean() / lengths + 0.1 * gramian.sum() * values / values.sum()


class Same(GradientBalancer):
    """Adds gradients."""

    def build(self, objectives):
        return Sames()


class Sames(nn.Module):
    def forward(self, gramian, values, names):
        return torch.ones_like(values)


class Agreed(GradientBalancer):
    """Keeps the numbers on whose sign all gradients agree."""

    sees = Sees.JACOBIAN

    def build(self, objectives):
        return Agreeds()


class Agreeds(nn.Module):
    def forward(self, jacobian, values, names):
        signs = jacobian.sign()
        return jacobian.sum(dim=0) * (signs == signs[0]).all(dim=0)


class Broken(GradientBalancer):
    """Divides by nothing, but for gradients at right angles."""

    def build(self, objectives):
        return Brokens()


class Brokens(nn.Module):
    def forward(self, gramian, values, names):
        is_eye = torch.equal(gramian, torch.eye(len(names), dtype=gramian.dtype))
        return torch.ones_like(values) if is_eye else values / 0


class Drawn(GradientBalancer):
    """Draws weights, and counts how often."""

    def build(self, objectives):
        return Drawns()


class Drawns(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("drawn", torch.zeros((), dtype=torch.float64))

    def forward(self, gramian, values, names):
        self.drawn += 1
        return torch.rand(len(names), dtype=torch.float64) * self.drawn


class Passed:
    def __call__(self, number):
        return number


class Number(Input):
    """Passes a number on."""

    inputs = Ports(number=Float["batch"])
    outputs = Ports(number=Float["batch"])

    def build(self, dims):
        return Passed()


def make_plugin() -> object:
    class Plugin:
        @hookimpl
        def consilience_components(self):
            return [Trunk, Line, Tied, Size, Number, Even, Same, Agreed, Broken, Drawn]

    return Plugin()


def make_plan(folder: Path, balance: Any, **changes: Any) -> Plan:
    """Checks the fusion under a balancer."""
    lines = ["x,z,kind,y"]
    for row in range(ROWS):
        kind = ["low", "high"][row % 2] if row % 3 == 0 else ""
        lines.append(f"{row / 7 - 1},{row % 5 / 3},{kind},{row / 5 if row % 4 else ''}")
    (folder / "rows.csv").write_text("\n".join(lines))
    registry = Registry()
    registry.register(make_plugin(), "lab")
    columns = {"x": "x", "z": "z", "kind": "kind", "y": "y"}
    written: dict[str, Any] = {
        "name": "weighed",
        "fields": {"x": "number", "z": "number", "kind": {"category": ["low", "high"]}, "y": "number"},
        "sources": {"rows": {"use": "table", "path": "rows.csv", "map": columns}},
        "inputs": {"first": {"use": "lab.number", "in": "x"}, "second": {"use": "lab.number", "in": "z"}},
        "modules": {
            "trunk": {"use": "lab.trunk", "in": "first"},
            "again": {"share": "trunk", "in": "second"},
            "line": {"use": "lab.line", "in": "trunk"},
            "value": {"use": "lab.tied", "in": "trunk", "tie": "trunk"},
            "other": {"use": "lab.tied", "in": "again", "tie": "trunk"},
        },
        "losses": {
            "kind_loss": {"use": "cross_entropy", "in": "line", "target": "kind", "weight": 0.5},
            "y_loss": {"use": "mse", "in": "value", "target": "y", "weight": 2.0},
            "z_loss": {"use": "mse", "in": "other", "target": "y", "weight": 0.3, "discipline": "elsewhere"},
            "size": {"use": "lab.size", "of": "trunk", "weight": 0.1},
            "idle": {"use": "mse", "in": "value", "target": "x", "weight": 0.0},
        },
        "objective": {"balance": balance},
    }
    return check(Fusion(base=folder, **(written | changes)), registry)


def batches_of(plan: Plan, sizes: list[int]) -> list[Batch]:
    """Cuts the rows into micro-batches of float64."""
    rows = prepare(plan).train
    collate = build_collator(plan, [node.name for node in plan.of("losses")])
    found, start = [], 0
    for size in sizes:
        batch = collate([rows[index] for index in range(start, start + size)])
        found.append({name: item.double() if item.is_floating_point() else item for name, item in batch.items()})
        start += size
    assert start == ROWS
    return found


def make_step(plan: Plan, setting: Setting | None = None) -> GradientStep:
    """Builds the model in float64, and its step."""
    model = fuse(plan).double()
    step = gradient_step(model, Objective(model), setting or Setting())
    assert step is not None
    return step


def take(step: GradientStep, batches: list[Batch], number: int = 0) -> torch.Tensor:
    """Takes one step over a window; gives the whole gradient."""
    step.model.zero_grad()
    window = Window(step.objective.counts(batches), len(batches), step=number)
    for batch in batches:
        step(batch, window)
    return gradient_of(step.model)


def gradient_of(model: FusedModel) -> torch.Tensor:
    """Lays the gradients of all parameters end to end, zeros for none."""
    parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in model.parameters()]
    return torch.cat([part.flatten() for part in parts])


def rows_of(step: GradientStep, batch: Batch) -> dict[str, torch.Tensor]:
    """Takes, by hand, every objective's gradient over one big batch."""
    model = step.model
    window = Window(step.objective.counts([batch]), 1)
    found = {}
    for name, losses in step.objectives.items():
        model.zero_grad()
        given = step.objective(model(batch, outputs=step.objective.losses), batch, window).given
        torch.stack([given[loss] for loss in losses]).sum().backward()
        found[name] = gradient_of(model)
    return found
