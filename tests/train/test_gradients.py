"""Balancing by gradients: a window's gradients, found, weighed and joined, whatever the batches and the processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.weighed import ROWS, batches_of, gradient_of, make_plan, make_step, rows_of, take

from consilience.errors import RunError
from consilience.fuse import fuse
from consilience.train import Objective, Window

SIZES = [[12, 12], [1] * ROWS, [5, 19], [2, 3, 4, 5, 6, 4]]
OVER = ["parameters", "representation"]


def shared_mask(step: Any) -> torch.Tensor:
    shared = {id(one) for one in step.reach.shared}
    return torch.cat([torch.full((one.numel(),), id(one) in shared) for one in step.model.parameters()])


def test_shared_is_what_several_objectives_reach_by_tie_share_and_size(tmp_path: Path) -> None:
    step = make_step(make_plan(tmp_path, "lab.even"))
    take(step, batches_of(step.model.plan, [ROWS]))
    names = {id(one): name for name, one in step.model.named_parameters()}
    assert [names[id(one)] for one in step.reach.shared] == ["nodes.trunk.layer.weight", "nodes.trunk.layer.bias"]
    assert set(step.weights) == {"kind_loss", "y_loss", "z_loss", "size"}  # a loss of weight 0 is weighed by nothing


def test_over_parameters_it_is_the_weighted_sum_of_whole_gradients(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.even")
    step, [batch] = make_step(plan), batches_of(plan, [ROWS])
    found = take(step, [batch])
    rows = rows_of(step, batch)
    shared = shared_mask(step)
    jacobian = torch.stack(list(rows.values()))
    gramian = jacobian[:, shared] @ jacobian[:, shared].T
    window = Window(step.objective.counts([batch]), 1)
    given = step.objective(step.model(batch, outputs=step.objective.losses), batch, window).given
    values = torch.stack([given[name] for name in rows]).detach()
    weights = step.model.balancer(gramian, values, tuple(rows))
    expected = torch.where(shared, weights @ jacobian, jacobian.sum(dim=0))
    assert torch.allclose(found, expected, rtol=0, atol=1e-10)
    assert list(step.weights.values()) == pytest.approx(weights.tolist(), abs=1e-10)
    assert not torch.allclose(found, jacobian.sum(dim=0), atol=1e-3)


def test_over_the_representation_the_trunk_gets_the_weighted_sum_of_whole_gradients(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, {"use": "lab.even", "over": "representation"})
    step, [batch] = make_step(plan), batches_of(plan, [ROWS])
    found = take(step, [batch])
    rows = rows_of(step, batch)
    jacobian, weights = torch.stack(list(rows.values())), torch.tensor(list(step.weights.values()), dtype=torch.float64)
    assert step.weights["size"] == 1  # the size reaches the trunk past what the trunk gives
    expected = torch.where(shared_mask(step), weights @ jacobian, jacobian.sum(dim=0))
    assert torch.allclose(found, expected, rtol=0, atol=1e-10)


def test_over_the_representation_the_weights_come_of_what_the_heads_read(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, {"use": "lab.even", "over": "representation"})
    step, [batch] = make_step(plan), batches_of(plan, [ROWS])
    take(step, [batch])
    model = step.model
    window = Window(step.objective.counts([batch]), 1)
    output = model(batch, outputs=step.objective.losses)
    given = step.objective(output, batch, window).given
    names = ("kind_loss", "y_loss", "z_loss")
    read = [output.tensors["trunk.features"], output.tensors["again.features"]]
    rows = []
    for name in names:
        parts = torch.autograd.grad(given[name], read, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    jacobian = torch.stack(rows)
    values = torch.stack([given[name] for name in names]).detach()
    expected = model.balancer(jacobian @ jacobian.T, values, names)
    assert [step.weights[name] for name in names] == pytest.approx(expected.tolist(), abs=1e-10)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("per", ["loss", "discipline"])
def test_accumulation_changes_nothing(tmp_path: Path, sizes: list[int], over: str, per: str) -> None:
    plan = make_plan(tmp_path, {"use": "lab.even", "over": over, "per": per})
    step = make_step(plan)
    whole, weights = take(step, batches_of(plan, [ROWS])), step.weights
    parts = take(step, batches_of(plan, sizes))
    assert torch.allclose(whole, parts, rtol=0, atol=1e-10)
    assert step.weights == pytest.approx(weights, abs=1e-10)
    assert set(weights) == (
        {"kind_loss", "y_loss", "z_loss", "size"} if per == "loss" else {"task", "elsewhere", "lab"}
    )


@pytest.mark.parametrize("over", OVER)
def test_weights_of_one_give_the_gradient_of_the_sum(tmp_path: Path, over: str) -> None:
    plan = make_plan(tmp_path, {"use": "lab.same", "over": over})
    found = take(make_step(plan), batches_of(plan, [9, 15]))
    model = fuse(make_plan(tmp_path, "fixed")).double()
    objective, [batch] = Objective(model), batches_of(plan, [ROWS])
    terms = objective(model(batch, outputs=objective.losses), batch, Window(objective.counts([batch])))
    terms.total.backward()
    assert torch.allclose(found, gradient_of(model), rtol=0, atol=1e-10)


@pytest.mark.parametrize("over", OVER)
def test_an_objective_that_nothing_counts_for_is_left_out(tmp_path: Path, over: str) -> None:
    plan = make_plan(tmp_path, {"use": "lab.even", "over": over})
    step, batches = make_step(plan), batches_of(plan, [10, 14])
    for batch in batches:
        batch["kind.present"] = torch.zeros_like(batch["kind.present"])
    found = take(step, batches)
    assert set(step.weights) == {"y_loss", "z_loss", "size"}
    assert torch.isfinite(found).all()
    assert not step.model.nodes["line"].layer.weight.grad.any()  # zeros, as by a sum of losses
    written = plan.fusion.to_dict()
    del written["losses"]["kind_loss"], written["modules"]["line"]
    less = make_plan(tmp_path, written["objective"]["balance"], losses=written["losses"], modules=written["modules"])
    other = make_step(less)
    take(other, batches)
    for name, parameter in other.model.named_parameters():
        assert torch.allclose(parameter.grad, step.model.get_parameter(name).grad, rtol=0, atol=1e-10), name


def test_a_balancer_may_read_every_number(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.agreed")
    step, [batch] = make_step(plan), batches_of(plan, [ROWS])
    found = take(step, batches_of(plan, [4, 20]))
    jacobian, shared = torch.stack(list(rows_of(step, batch).values())), shared_mask(step)
    agreed = (jacobian.sign() == jacobian.sign()[0]).all(dim=0)
    expected = jacobian.sum(dim=0) * (agreed | ~shared)
    assert 0 < agreed[shared].sum() < shared.sum()
    assert torch.allclose(found, expected, rtol=0, atol=1e-10)
    assert step.balanced is None


def test_weights_that_are_not_finite_are_told(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.broken")
    with pytest.raises(RunError) as caught:
        take(make_step(plan), batches_of(plan, [ROWS]), 6)
    [fault] = caught.value.diagnostics
    assert str(replace(fault, place=None)) == (
        "error CN760 at objective.balance\n"
        "  found     lab.broken gives what is not finite for kind_loss, size, y_loss, z_loss in step 7\n"
        "  expected  a finite weight for each\n"
        "  fix       balance: fixed"
    )


def test_gradients_that_are_not_finite_are_summed_as_they_are(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.broken")
    step, [batch] = make_step(plan), batches_of(plan, [ROWS])
    batch["y"] = torch.full_like(batch["y"], torch.nan)
    found = take(step, [batch])
    assert not torch.isfinite(found).all()
    assert set(step.weights.values()) == {1.0}


def test_what_is_drawn_follows_from_the_step_and_what_is_kept_from_the_state(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.drawn")
    batches = batches_of(plan, [ROWS])
    through = make_step(plan)
    torch.manual_seed(1)
    expected = [take(through, batches, number) for number in range(3)]
    assert not torch.allclose(expected[0], expected[1])
    before = make_step(plan)
    torch.manual_seed(2)
    for number in range(2):
        take(before, batches, number)
    resumed = make_step(plan)
    assert "balancer.drawn" in before.model.state_dict()
    resumed.model.load_state_dict(before.model.state_dict())
    assert torch.equal(take(resumed, batches, 2), expected[2])


def test_asking_leaves_the_random_numbers_of_the_training_alone(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.drawn")
    step, batches = make_step(plan), batches_of(plan, [ROWS])
    torch.manual_seed(3)
    take(step, batches)
    drawn = torch.rand(())
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(()))


def test_the_log_tells_weights_norms_and_cosines(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.even")
    step, [batch] = make_step(plan), batches_of(plan, [ROWS])
    take(step, [batch])
    rows, shared = rows_of(step, batch), shared_mask(step)
    parts = {
        "elsewhere": rows["z_loss"][shared],
        "lab": rows["size"][shared],
        "task": (rows["kind_loss"] + rows["y_loss"])[shared],
    }
    expected = {f"gradient_norm/{name}": part.norm().item() for name, part in parts.items()}
    for first, second in (("elsewhere", "lab"), ("elsewhere", "task"), ("lab", "task")):
        cosine = torch.nn.functional.cosine_similarity(parts[first], parts[second], dim=0)
        expected[f"cosine/{first}/{second}"] = cosine.item()
    assert step.balanced == step.weights
    assert step.figures() == pytest.approx(expected, abs=1e-9)
