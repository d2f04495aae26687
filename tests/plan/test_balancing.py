"""What the check tells of a balancer by gradients, and of measuring gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.train.weighed import make_plan

from consilience import DeclarationError
from consilience.plan import Plan, objectives_of, trunk_of


def told(folder: Path, balance: Any, **changes: Any) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        make_plan(folder, balance, **changes)
    return [str(fault.at(None)) for fault in caught.value.diagnostics if fault.severity.value == "error"]


def losses_of(plan: Plan, *names: str) -> dict[str, Any]:
    written = plan.fusion.to_dict()["losses"]
    return {name: written[name] for name in names}


def modules_of(plan: Plan, *names: str) -> dict[str, Any]:
    written = plan.fusion.to_dict()["modules"]
    return {name: written[name] for name in names}


def test_the_trunk_is_what_several_objectives_read_and_all_uses_of_it(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.even")
    assert trunk_of(plan, objectives_of(plan, "loss")) == {"trunk", "again"}


def test_two_uses_of_one_module_are_a_trunk_though_each_serves_one_objective(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.even")
    less = make_plan(
        tmp_path,
        {"use": "lab.even", "over": "representation"},
        losses=losses_of(plan, "kind_loss", "z_loss"),
        modules=modules_of(plan, "trunk", "again", "line", "other"),
    )
    assert trunk_of(less, objectives_of(less, "loss")) == {"trunk", "again"}


def test_no_tensor_for_two_objectives_is_told(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.even")
    changes = {
        "losses": losses_of(plan, "kind_loss", "size"),
        "modules": modules_of(plan, "trunk", "line"),
    }
    assert told(tmp_path, {"use": "lab.even", "over": "representation"}, **changes) == [
        "error CN461 at objective.balance.over\n"
        "  found     representation, and no trained module's tensor reaches two objectives\n"
        "  expected  a tensor that several objectives read\n"
        "  fix       over: parameters"
    ]


def test_one_discipline_is_told(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "lab.even")
    changes = {
        "losses": losses_of(plan, "kind_loss", "y_loss"),
        "modules": modules_of(plan, "trunk", "line", "value"),
    }
    assert told(tmp_path, {"use": "lab.even", "per": "discipline"}, **changes) == [
        "error CN460 at objective.balance.per\n"
        "  found     discipline, and all losses are of the discipline task\n"
        "  expected  losses of several disciplines\n"
        "  fix       per: loss"
    ]


def test_settings_of_one_backward_pass_are_told(tmp_path: Path) -> None:
    assert told(tmp_path, "lab.even", train={"fp16": True}) == [
        "error CN462 at train.fp16\n"
        "  found     true, for scaled losses, beside lab.even, which takes gradients one by one\n"
        "  expected  false, beside lab.even\n"
        "  fix       bf16: true"
    ]
    measured = {"objective": {"gradients_every": 5}, "train": {"torch_compile": True}}
    assert told(tmp_path, "fixed", **measured) == [
        "error CN462 at train.torch_compile\n"
        "  found     true, for a compiled model, beside gradients_every, which takes gradients one by one\n"
        "  expected  false, beside gradients_every\n"
        "  fix       torch_compile: false"
    ]
    make_plan(tmp_path, "lab.even", train={"bf16": True})
    make_plan(tmp_path, "fixed", train={"fp16": True})
