"""The objective: exact means over what counts, whatever the batches, the accumulation and the missing targets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.weighed import ROWS, Number, batches_of
from torch import nn

from consilience.declare import Float, Fusion, Loss, Module, Ports, hookimpl
from consilience.fuse import FusedModel, fuse
from consilience.host import Registry
from consilience.plan import Plan, check
from consilience.train import Objective, Window


class Line(Module):
    """Maps a number to two scores."""

    inputs = Ports(features=Float["batch"])
    outputs = Ports(logits=Float["batch classes"])

    def build(self, dims):
        return Lines(dims["classes"])


class Size(Loss):
    """Sums the squares of a module's parameters."""

    value = Float[""]
    has_parameters = True

    def build(self, dims):
        return Constant()


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(3.0))

    def forward(self):
        return self.weight**2


class Lines(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(1, classes)

    def forward(self, features):
        return self.layer(features[:, None].to(self.layer.weight.dtype))


class Value(Module):
    """Maps a number to a number."""

    inputs = Ports(features=Float["batch"])
    outputs = Ports(value=Float["batch"])

    def build(self, dims):
        return Values()


class Values(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, features):
        return self.layer(features[:, None].to(self.layer.weight.dtype)).squeeze(-1)


def make_plugin():
    class Plugin:
        @hookimpl
        def consilience_components(self):
            return [Line, Value, Size, Number]

    return Plugin()


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    lines = ["x,kind,y"]
    for row in range(ROWS):
        kind = ["low", "high"][row % 2] if row % 3 == 0 else ""
        lines.append(f"{row / 7},{kind},{row / 5 if row % 4 else ''}")
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    registry = Registry()
    registry.register(make_plugin(), "lab")
    fusion = Fusion(
        base=tmp_path,
        name="lab",
        fields={"x": "number", "kind": {"category": ["low", "high"]}, "y": "number"},
        sources={"rows": {"use": "table", "path": "rows.csv", "map": {"x": "x", "kind": "kind", "y": "y"}}},
        inputs={"number": {"use": "lab.number", "in": "x"}},
        modules={"line": {"use": "lab.line", "in": "number"}, "value": {"use": "lab.value", "in": "number"}},
        losses={
            "kind_loss": {"use": "cross_entropy", "in": "line", "target": "kind", "weight": 0.5},
            "y_loss": {"use": "mse", "in": "value", "target": "y", "weight": 2.0},
            "size": {"use": "lab.size", "weight": 0.1},
        },
        objective={"weights": {"lab": 3.0}},
    )
    return check(fusion, registry)


def gradient(model: FusedModel, batches: list[dict[str, torch.Tensor]]) -> tuple[torch.Tensor, dict[str, float]]:
    model.zero_grad()
    objective = Objective(model)
    window = Window(objective.counts(batches), len(batches))
    losses = dict.fromkeys(objective.losses, 0.0)
    for batch in batches:
        terms = objective(model(batch, outputs=objective.losses), batch, window)
        terms.total.backward()
        for name, value in terms.losses.items():
            losses[name] += value.item()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()]), losses


@pytest.mark.parametrize("sizes", [[12, 12], [1] * ROWS, [5, 19], [23, 1], [2, 3, 4, 5, 6, 4]])
@pytest.mark.parametrize("balance", ["fixed", "uncertainty"])
def test_accumulation_leaves_the_gradient_of_one_big_batch(plan: Plan, sizes: list[int], balance: str) -> None:
    if balance == "uncertainty":
        written = plan.fusion.to_dict() | {"objective": {"balance": balance, "weights": {"lab": 3.0}}}
        plan = check(Fusion(base=plan.fusion.base, **written), plan.registry)
    model = fuse(plan).double()
    whole, losses = gradient(model, batches_of(plan, [ROWS]))
    parts, summed = gradient(model, batches_of(plan, sizes))
    assert torch.allclose(whole, parts, rtol=0, atol=1e-10)
    assert losses == pytest.approx(summed, abs=1e-10)


def test_a_loss_is_the_mean_over_the_rows_that_have_its_target(plan: Plan) -> None:
    model = fuse(plan).double()
    [batch] = batches_of(plan, [ROWS])
    _, losses = gradient(model, [batch])
    rows = [row for row in range(ROWS) if row % 4]
    x = torch.tensor([row / 7 for row in rows], dtype=torch.float32).double()
    y = torch.tensor([row / 5 for row in rows], dtype=torch.float32).double()
    with torch.no_grad():
        expected = ((model.nodes["value"](features=x) - y) ** 2).mean().item()
    assert losses["y_loss"] == pytest.approx(expected, abs=1e-10)
    labelled = [row for row in range(ROWS) if row % 3 == 0]
    x = torch.tensor([row / 7 for row in labelled], dtype=torch.float32).double()
    with torch.no_grad():
        scores = model.nodes["line"](features=x)
    targets = torch.tensor([row % 2 for row in labelled])
    assert losses["kind_loss"] == pytest.approx(nn.functional.cross_entropy(scores, targets).item(), abs=1e-10)


def test_the_total_is_the_sum_over_disciplines_of_lambda_times_weighted_losses(plan: Plan) -> None:
    model = fuse(plan).double()
    [batch] = batches_of(plan, [ROWS])
    objective = Objective(model)
    window = Window(objective.counts([batch]), 1)
    terms = objective(model(batch, outputs=objective.losses), batch, window)
    expected = 0.5 * terms.losses["kind_loss"] + 2.0 * terms.losses["y_loss"] + 3.0 * 0.1 * 9.0
    assert terms.total.item() == pytest.approx(expected.item(), abs=1e-10)


def test_a_batch_without_any_target_of_a_loss_adds_nothing_and_stays_finite(plan: Plan) -> None:
    model = fuse(plan).double()
    [batch] = batches_of(plan, [ROWS])
    batch["kind.present"] = torch.zeros_like(batch["kind.present"])
    _, losses = gradient(model, [batch])
    assert losses["kind_loss"] == 0.0
    assert torch.count_nonzero(model.nodes["line"].layer.weight.grad) == 0


def test_a_loss_that_nothing_counts_for_leaves_its_learned_weight_alone(plan: Plan) -> None:
    written = plan.fusion.to_dict() | {"objective": {"balance": "uncertainty"}}
    model = fuse(check(Fusion(base=plan.fusion.base, **written), plan.registry)).double()
    [batch] = batches_of(plan, [ROWS])
    batch["kind.present"] = torch.zeros_like(batch["kind.present"])
    gradient(model, [batch])
    assert model.balancer.log_variances.grad[model.balancer.index["kind_loss"]] == 0
    assert model.balancer.log_variances.grad.count_nonzero() == 2


def test_several_processes_average_to_the_gradient_of_one_big_batch(plan: Plan) -> None:
    model = fuse(plan).double()
    whole, _ = gradient(model, batches_of(plan, [ROWS]))
    objective = Objective(model)
    ranks = batches_of(plan, [7, 17])
    counts = objective.counts(ranks)
    gradients = []
    for batch in ranks:
        model.zero_grad()
        terms = objective(model(batch, outputs=objective.losses), batch, Window(counts, 1, processes=2))
        terms.total.backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert torch.allclose(whole, sum(gradients) / 2, rtol=0, atol=1e-10)


def test_each_loss_is_given_weighted_and_with_its_graph(plan: Plan) -> None:
    """What takes gradients loss by loss gets the parts of the very total."""
    model = fuse(plan).double()
    [batch] = batches_of(plan, [ROWS])
    objective = Objective(model)
    window = Window(objective.counts([batch]), 1, processes=2)
    terms = objective(model(batch, outputs=objective.losses), batch, window)
    assert list(terms.given) == list(objective.losses)
    assert sum(terms.given.values()).item() == pytest.approx(terms.total.item(), abs=1e-10)
    [gradient] = torch.autograd.grad(terms.given["size"], [model.nodes["size"].weight])
    assert gradient.item() == pytest.approx(3.0 * 0.1 * 2 * 3.0)
