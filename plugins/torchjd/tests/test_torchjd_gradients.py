"""The step of a fusion under each balancer against torchjd by hand: the same gradient, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchjd.aggregation as by_hand
from torch import nn
from torchjd.autojac import jac_to_grad, mtl_backward

from consilience.declare import Float, Fusion, Input, Module, Ports, hookimpl
from consilience.fuse import fuse, node_seed
from consilience.host import Registry
from consilience.plan import Plan, check, survey
from consilience.train import Objective, Setting, Window, gradient_step

ROWS = 12
LOSSES = ("a_loss", "b_loss", "c_loss")


class Layer(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.linear = nn.Linear(given, made)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        made = torch.tanh(self.linear(features.reshape(len(features), -1)))
        return made.squeeze(-1)


class Trunk(Module):
    """Maps a number to five."""

    inputs = Ports(features=Float["batch"])
    outputs = Ports(features=Float["batch hidden"])

    def dims(self, known):
        return {"hidden": 5}

    def build(self, dims):
        return Layer(1, 5)


class Head(Module):
    """Maps features to a number."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(value=Float["batch"])

    def build(self, dims):
        return Layer(dims["hidden"], 1)


class Same:
    def __call__(self, number):
        return number


class Number(Input):
    """Passes a number on."""

    inputs = Ports(number=Float["batch"])
    outputs = Ports(number=Float["batch"])

    def build(self, dims):
        return Same()


class Lab:
    @hookimpl
    def consilience_components(self):
        return [Trunk, Head, Number]


def make_fusion(folder: Path, balance: Any, names: str = "abc") -> tuple[Fusion, Registry]:
    registry = Registry()
    registry.register(Lab(), "lab")
    (folder / "rows.csv").write_text("x,a,b,c\n1,2,3,4\n")
    fields = dict.fromkeys(("x", *names), "number")
    return Fusion(
        base=folder,
        name="by-hand",
        fields=fields,
        sources={"rows": {"use": "table", "path": "rows.csv", "map": {name: name for name in fields}}},
        inputs={"number": {"use": "lab.number", "in": "x"}},
        modules={
            "trunk": {"use": "lab.trunk", "in": "number"},
            **{f"{name}_head": {"use": "lab.head", "in": "trunk"} for name in names},
        },
        losses={f"{name}_loss": {"use": "mse", "in": f"{name}_head", "target": name} for name in names},
        objective={"balance": balance},
    ), registry


def make_plan(folder: Path, balance: Any) -> Plan:
    fusion, registry = make_fusion(folder, balance)
    return check(fusion, registry)


def make_batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    batch: dict[str, torch.Tensor] = {}
    for name in ("number.number", "a", "b", "c"):
        batch[name] = 3 * torch.randn(ROWS, generator=generator, dtype=torch.float64)
    for name in ("x", "a", "b", "c"):
        batch[f"{name}.present"] = torch.ones(ROWS, dtype=torch.bool)
    return batch


def ours(plan: Plan, batch: dict[str, torch.Tensor], steps: int) -> list[torch.Tensor]:
    model = fuse(plan).double().train()
    objective = Objective(model)
    step = gradient_step(model, objective, Setting())
    assert step is not None
    found = []
    for number in range(steps):
        model.zero_grad()
        scaled = batch | {"number.number": batch["number.number"] * (number + 1)}
        step(scaled, Window(objective.counts([scaled]), 1, step=number))
        found.append(torch.cat([one.grad.flatten() for one in model.parameters()]))
    return found


def theirs(plan: Plan, batch: dict[str, torch.Tensor], steps: int, aggregator: Any) -> list[torch.Tensor]:
    model = fuse(plan).double().train()
    names = [node.name for node in plan.of("losses")]
    trunk = [*model.nodes["trunk"].parameters()]
    heads = [[*model.nodes[f"{name[0]}_head"].parameters()] for name in names]
    found = []
    for number in range(steps):
        model.zero_grad()
        scaled = batch | {"number.number": batch["number.number"] * (number + 1)}
        output = model(scaled, outputs=names)
        losses = [output.losses[name].mean() for name in names]
        mtl_backward(losses, features=output.tensors["trunk.features"], tasks_params=heads, shared_params=trunk)
        torch.manual_seed(node_seed(0, f"balancer in step {number}"))
        jac_to_grad(trunk, aggregator)
        found.append(torch.cat([one.grad.flatten() for one in model.parameters()]))
    return found


def exact() -> Any:
    from torchjd.linalg import QuadprogProjector

    return QuadprogProjector(norm_eps=0.0)


PAIRS = {
    "upgrad": by_hand.UPGrad,
    "dualproj": by_hand.DualProj,
    "mgda": by_hand.MGDA,
    "pcgrad": by_hand.PCGrad,
    "cagrad": lambda: by_hand.CAGrad(0.5),
    "aligned_mtl": by_hand.AlignedMTL,
    "imtl_g": by_hand.IMTLG,
    "nash_mtl": lambda: by_hand.NashMTL(3),
    "fairgrad": lambda: by_hand.FairGrad(1.0),
    "config": by_hand.ConFIG,
    "gradvac": by_hand.GradVac,
    "graddrop": by_hand.GradDrop,
    "trimmed_mean": lambda: by_hand.TrimmedMean(1),
    "krum": lambda: by_hand.Krum(0),
    "mean": by_hand.Mean,
    "sum": by_hand.Sum,
    "random": by_hand.Random,
    "cr_mogm": lambda: by_hand.GramianWeightedAggregator(by_hand.CRMOGMWeighting(by_hand.MGDAWeighting())),
}
"""Each component, and what one writes by hand in its place."""
LOOSE = {"cagrad": 1e-5, "nash_mtl": 1e-6}
"""Solvers that stop at their own tolerance, on numbers that differ in the last bits."""


@pytest.mark.parametrize("name", PAIRS)
def test_the_gradient_is_that_of_torchjd_by_hand(tmp_path: Path, name: str) -> None:
    plan, batch = make_plan(tmp_path, f"torchjd.{name}"), make_batch()
    for found, expected in zip(ours(plan, batch, 3), theirs(plan, batch, 3, PAIRS[name]()), strict=True):
        assert (found - expected).norm() <= LOOSE.get(name, 1e-9) * expected.norm()


def test_pcd_follows_the_primary_wherever_it_stands(tmp_path: Path) -> None:
    batch = make_batch()
    plan = make_plan(tmp_path, {"use": "torchjd.pcd", "primary": "b_loss", "tau": 0.3})
    order = [node.name for node in plan.of("losses")]
    first = [order.index("b_loss"), *(place for place, name in enumerate(order) if name != "b_loss")]

    class Reordered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pcd = by_hand.PCD(0.3)

        def forward(self, matrix: torch.Tensor) -> torch.Tensor:
            return self.pcd(matrix[first])

    for found, expected in zip(ours(plan, batch, 3), theirs(plan, batch, 3, Reordered()), strict=True):
        assert (found - expected).norm() <= 1e-9 * expected.norm()


@pytest.mark.parametrize("name", ["gradvac", "nash_mtl", "cr_mogm", {"use": "torchjd.pcd", "primary": "a_loss"}])
def test_what_is_remembered_is_saved_with_the_model(tmp_path: Path, name: Any) -> None:
    plan = make_plan(tmp_path, name if isinstance(name, dict) else f"torchjd.{name}")
    model = fuse(plan)
    assert [key for key in model.state_dict() if key.startswith("balancer.")]
    gramian = torch.tensor([[4.0, -1.0, 0.5], [-1.0, 2.0, 0.1], [0.5, 0.1, 1.0]], dtype=torch.float64)
    values = torch.ones(3, dtype=torch.float64)

    def ask(module: nn.Module, names: tuple[str, ...] = LOSSES) -> torch.Tensor:
        torch.manual_seed(0)
        return module(gramian[: len(names), : len(names)], values[: len(names)], names).clone()

    ask(model.balancer), ask(model.balancer, LOSSES[:2])  # the third has no gradient in the second step
    again = fuse(plan)
    again.load_state_dict(model.state_dict())
    fresh = ask(fuse(plan).balancer)
    expected = ask(model.balancer)
    assert torch.equal(ask(again.balancer), expected)
    assert name == "nash_mtl" or not torch.equal(expected, fresh)


def test_short_gradients_are_weighed_like_long_ones() -> None:
    from consilience_torchjd import _conflicts as declared

    gramian = torch.tensor([[4.0, -1.9], [-1.9, 1.0]], dtype=torch.float64)
    values = torch.ones(2, dtype=torch.float64)
    for component in (declared.UPGrad, declared.DualProj, declared.CAGrad):
        module = component().build(("a", "b"))
        expected = module(gramian, values, ("a", "b"))
        assert torch.allclose(module(1e-8 * gramian, values, ("a", "b")), expected, atol=1e-6), component
        assert not torch.allclose(expected, torch.tensor([0.5, 0.5], dtype=torch.float64))


def told(folder: Path, balance: Any, names: str) -> str:
    fusion, registry = make_fusion(folder, balance, names)
    [fault] = survey(fusion, registry).diagnostics
    return str(fault.at(None))


def test_too_few_objectives_are_told(tmp_path: Path) -> None:
    assert told(tmp_path, "torchjd.krum", "ab") == (
        "error CN490 at objective.balance\n"
        "  found     krum of 2 objectives\n"
        "  expected  at least 3 objectives\n"
        "  fix       use: torchjd.mean"
    )
    assert told(tmp_path, {"use": "torchjd.trimmed_mean", "trim_number": 2}, "abc") == (
        "error CN490 at objective.balance.trim_number\n"
        "  found     2 to leave out at each end of 3 gradients\n"
        "  expected  at least 5 objectives\n"
        "  fix       trim_number: 1"
    )
    assert "n_byzantine: 0" in told(tmp_path, {"use": "torchjd.krum", "n_byzantine": 1}, "abc")
    assert "n_selected: 3" in told(tmp_path, {"use": "torchjd.krum", "n_selected": 4}, "abc")


def test_a_primary_that_is_no_objective_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, {"use": "torchjd.pcd", "primary": "a_los"}, "ab") == (
        "error CN491 at objective.balance.primary\n"
        "  found     a_los, which is not weighed\n"
        "  expected  one of a_loss, b_loss\n"
        "  fix       primary: a_loss"
    )


def test_what_reads_every_number_reads_no_representation(tmp_path: Path) -> None:
    assert told(tmp_path, {"use": "torchjd.graddrop", "over": "representation"}, "ab") == (
        "error CN461 at objective.balance.over\n"
        "  found     representation, and torchjd.graddrop reads every number of the gradients\n"
        "  expected  parameters\n"
        "  fix       over: parameters"
    )
