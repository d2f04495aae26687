"""Tuners, balancers, sources and resources that break their word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from consilience.declare import Balancer, Fault, GradientBalancer, Location, Resource, Source, Tuner
from defects.defect import Defect


class GoodTuner(Tuner):
    """Trains the biases."""

    def apply(self, module: Any) -> None:
        """Trains what is a bias."""
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name.endswith("bias"))


class TrainsNothing(Tuner):
    """Says that it trains, and freezes."""

    def apply(self, module: Any) -> None:
        """Freezes."""
        module.requires_grad_(False)


class Wraps(Tuner):
    """Gives another module."""

    def apply(self, module: Any) -> None:
        """Wraps it."""
        return nn.Sequential(module)  # type: ignore[return-value]


class Replaces(Tuner):
    """Trains copies of the parameters, in their place."""

    def apply(self, module: Any) -> None:
        """Copies them."""
        for part in module.modules():
            for name, parameter in list(part.named_parameters(recurse=False)):
                setattr(part, name, nn.Parameter(parameter.detach().clone()))


class Reinitialises(Tuner):
    """Starts the biases anew."""

    def apply(self, module: Any) -> None:
        """Draws them."""
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(parameter)


class _Equal(nn.Module):
    def __init__(self, losses: tuple[str, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(len(losses)))

    def forward(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        given = torch.stack([*values.values()]).detach()
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * given
        return {name: 1 / (1 + self.mean[place]) for place, name in enumerate(values)}, {}


class GoodBalancer(Balancer):
    """Weighs by a running mean."""

    def build(self, losses: tuple[str, ...]) -> Any:
        """Builds it."""
        return _Equal(losses)


class Explodes(Balancer):
    """Divides by how far the losses are apart, cubed."""

    def build(self, losses: tuple[str, ...]) -> Any:
        """Builds it."""

        class Exploding(nn.Module):
            def forward(self, values: Mapping[str, Tensor]) -> Any:
                return {name: (value.detach() * 1e3).exp() for name, value in values.items()}, {}

        return Exploding()


class Notebook(Balancer):
    """Keeps its running mean in a dict."""

    def build(self, losses: tuple[str, ...]) -> Any:
        """Builds it."""

        class Noted(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.means: dict[str, Tensor] = {}

            def forward(self, values: Mapping[str, Tensor]) -> Any:
                for name, value in values.items():
                    self.means[name] = 0.5 * self.means.get(name, torch.ones(())) + value.detach()
                return {name: 1 / (1 + self.means[name]) for name in values}, {}

        return Noted()


class GoodGradientBalancer(GradientBalancer):
    """Weighs by running lengths of the gradients."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds it."""
        return _Lengths(objectives)


class _Lengths(nn.Module):
    lengths: Tensor

    def __init__(self, objectives: tuple[str, ...]) -> None:
        super().__init__()
        self.index = {name: place for place, name in enumerate(objectives)}
        self.register_buffer("lengths", torch.ones(len(objectives), dtype=torch.float64))

    def forward(self, gramian: Tensor, values: Tensor, names: tuple[str, ...]) -> Tensor:
        places = torch.tensor([self.index[name] for name in names])
        self.lengths[places] = 0.5 * self.lengths[places] + 0.5 * gramian.diagonal().sqrt()
        return 1 / self.lengths[places]


class Alone(GradientBalancer):
    """Divides by how many others there are."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds it."""

        class Shared(nn.Module):
            def forward(self, gramian: Tensor, values: Tensor, names: tuple[str, ...]) -> Tensor:
                return torch.ones_like(values) / (len(values) - torch.ones_like(values))

        return Shared()


class Joins(GradientBalancer):
    """Joins the gradients itself, which it says it never sees."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds it."""

        class Joined(nn.Module):
            def forward(self, rows: Tensor, values: Tensor, names: tuple[str, ...]) -> Tensor:
                return rows.sum()

        return Joined()


class Forgets(GradientBalancer):
    """Keeps its running lengths in an attribute."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds it."""

        class Forgetting(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.steps = 0

            def forward(self, gramian: Tensor, values: Tensor, names: tuple[str, ...]) -> Tensor:
                self.steps += 1
                return values / self.steps

        return Forgetting()


class _Rows(Source):
    def open(self) -> Mapping[str, Any]:
        """Gives two rows."""
        return {"train": [{"text": "a"}, {"text": "b"}]}


class GoodRows(_Rows):
    """Gives two rows."""

    def splits(self) -> frozenset[str]:
        """Tells of them."""
        return frozenset({"train"})


class GoodFlow(GoodRows):
    """Gives the same two rows as they come."""

    def stream(self) -> Mapping[str, Any]:
        """Gives them."""
        return {"train": iter([{"text": "a"}, {"text": "b"}])}


class TurnedFlow(GoodFlow):
    """Gives the rows of its stream in another order."""

    def stream(self) -> Mapping[str, Any]:
        """Gives the last first."""
        return {"train": iter([{"text": "b"}, {"text": "a"}])}


class Promises(_Rows):
    """Tells of a split that it does not give."""

    def splits(self) -> frozenset[str]:
        """Tells of two."""
        return frozenset({"train", "test"})


class Lost(_Rows):
    """Lists a file that is not there."""

    def files(self) -> Iterable[Path]:
        """Lists it."""
        return [Path("no such file")]


class _File(Resource):
    path: Location = Location(__file__)
    """The file."""

    def faults(self) -> Iterable[Fault]:
        """Tells that it is missing."""
        fault = self.path.fault(form="file")
        return [fault] if fault else []

    def files(self) -> Iterable[Path]:
        """Lists it."""
        return [self.path.path]


class GoodFile(_File):
    """A file that a model takes along."""

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies it."""
        (folder / "copy").write_bytes(self.path.path.read_bytes())
        return {"path": "copy"}


class LeavesBehind(_File):
    """Says that it copied a file, and did not."""

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies nothing."""
        return {"path": "left"}


class Elsewhere(_File):
    """Lists a file that is not there."""

    def files(self) -> Iterable[Path]:
        """Lists it."""
        return [Path("no such file")]


GOOD = (GoodTuner, GoodBalancer, GoodGradientBalancer, GoodRows, GoodFlow, GoodFile)
DEFECTS = (
    Defect("a tuner that says it trains, and freezes", TrainsNothing, "tunes_in_place"),
    Defect("a tuner that gives a wrapper", Wraps, "tunes_in_place"),
    Defect("a tuner that replaces parameters by copies", Replaces, "tunes_in_place"),
    Defect("a tuner that starts weights anew", Reinitialises, "tuning_keeps_outputs"),
    Defect("a balancer whose factors overflow", Explodes, "factors_finite"),
    Defect("a balancer that keeps its means in a dict", Notebook, "balance_resumes"),
    Defect("a balancer by gradients that divides by the number of others", Alone, "factors_finite"),
    Defect("a balancer by gradients that gives one number for all", Joins, "factors_finite", ("balance_resumes",)),
    Defect("a balancer by gradients that counts its steps in an attribute", Forgets, "balance_resumes"),
    Defect("a source that tells of a split it does not give", Promises, "splits_told"),
    Defect("a source that lists a file which is not there", Lost, "splits_told"),
    Defect("a source whose stream has another order", TurnedFlow, "streams_as_it_opens"),
    Defect("a resource that lists a file which is not there", Elsewhere, "files_exist"),
    Defect("a resource that saves less than it needs", LeavesBehind, "saves_what_it_needs"),
)
