"""What the check tells of schedules and of the weights of examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consilience import DataError, DeclarationError, Fusion, check
from consilience.data import prepare
from consilience.plan import reduced, rests, to_html
from consilience.train import train


def fusion(first: Any = None, second: Any = None, train: Any = None, **objective: Any) -> Fusion:
    """Declares two losses of the task, each with further keys."""
    node = {"use": "classifier", "in": "encoder.pooled"}
    return Fusion(
        base=FOLDER,
        name="weighed",
        fields={"text": "text", "mark": {"category": ["bad", "good"]}, "trust": "number", "kind": "number"},
        resources={"tiny": {"use": "checkpoint", "path": CHECKPOINT}},
        sources={
            "rows": {"use": "table", "path": "rows.csv", "map": {"text": "text", "mark": "mark", "trust": "trust"}}
        },
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        modules={"encoder": {"use": "text_encoder", "in": "tokens", "checkpoint": "tiny"}, "one": node, "two": node},
        losses={
            "first": {"use": "cross_entropy", "in": "one", "target": "mark", **(first or {})},
            "second": {"use": "cross_entropy", "in": "two", "target": "mark", "discipline": "other", **(second or {})},
        },
        train=train or {},
        objective=objective,
    )


CHECKPOINT = FOLDER = ""


@pytest.fixture(autouse=True)
def files(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_text("text,mark,trust\na,bad,1\nb,good,-2\nc,bad,\nd,good,-0.5\ne,good,-2\n")
    monkeypatch.setitem(globals(), "CHECKPOINT", str(tiny))
    monkeypatch.setitem(globals(), "FOLDER", str(tmp_path))


def told(fusion: Fusion) -> str:
    with pytest.raises(DeclarationError) as error:
        check(fusion)
    return "\n".join(str(fault.at(None)) for fault in error.value.diagnostics)


STARTS = {"schedule": {"start": 5}}


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (
            {"second": {"schedule": {"start": 8, "stop": 5}}},
            "error CN430 at losses.second.schedule.stop\n"
            "  found     stop 5, and start 8: the loss would never be on\n"
            "  expected  a stop after the start\n"
            "  fix       # remove the key stop",
        ),
        (
            {"second": {"schedule": {"start": 0.2, "stop": 0.5, "rise": 0.2, "fall": 0.3}}},
            "error CN430 at losses.second.schedule.fall\n"
            "  found     rise 0.2 and fall 0.3, and from start to stop there are fewer steps\n"
            "  expected  a rise and a fall that have room\n"
            "  fix       fall: 0.1",
        ),
        (
            {"second": {"schedule": {"rise": 8, "fall": 0.5}}, "train": {"max_steps": 10}},
            "error CN430 at losses.second.schedule.rise\n"
            "  found     rise 8 and fall 0.5, and from start to stop there are fewer steps\n"
            "  expected  a rise and a fall that have room\n"
            "  fix       rise: 5",
        ),
        (
            {"second": {"schedule": {"stop": 500}}, "train": {"max_steps": 100}},
            "error CN430 at losses.second.schedule.stop\n"
            "  found     500, and the training ends after 100 steps\n"
            "  expected  a step up to 100\n"
            "  fix       # remove the key stop",
        ),
        (
            {"schedules": {"other": {"start": 100}}, "train": {"max_steps": 100}},
            "error CN430 at objective.schedules.other.start\n"
            "  found     100, and the training ends after 100 steps\n"
            "  expected  a step up to 99\n"
            "  fix       start: 0",
        ),
        (
            {"first": STARTS, "second": STARTS},
            "error CN431 at losses.first.schedule.start\n"
            "  found     first and second, off in step 0\n"
            "  expected  a loss that is on in each step\n"
            "  fix       # remove the key start",
        ),
        (
            {"first": {"schedule": {"stop": 0.25}}, "schedules": {"other": {"start": 0.5}}},
            "error CN431 at losses.first.schedule.stop\n"
            "  found     first and second, off from 0.25 of all steps on\n"
            "  expected  a loss that is on in each step\n"
            "  fix       # remove the key stop",
        ),
        (
            {"first": {"schedule": {"stop": 50}}, "second": {"weight": 0.0}},
            "error CN431 at losses.first.schedule.stop\n"
            "  found     first, off in step 50, as every other loss is\n"
            "  expected  a loss that is on in each step\n"
            "  fix       # remove the key stop\n"
            "warning CN414 at losses.second.weight\n"
            "  found     0, so that nothing teaches two: what was drawn at random stays\n"
            "  expected  a weight above 0, or no module that only such losses reach\n"
            "  fix       weight: 1.0",
        ),
        (
            {"schedules": {"othr": {"start": 5}}},
            "error CN403 at objective.schedules.othr\n"
            "  found     othr, which brings no loss\n"
            "  expected  one of other, task\n"
            "  fix       other:",
        ),
        (
            {"second": {"example_weight": "trsut"}},
            "error CN212 at losses.second.example_weight\n"
            "  found     the field trsut, which is not declared\n"
            "  expected  one of trust, kind\n"
            "  fix       example_weight: trust",
        ),
        (
            {"second": {"example_weight": "mark"}},
            "error CN432 at losses.second.example_weight\n"
            "  found     mark, a field of category\n"
            "  expected  a field of number\n"
            "  fix       example_weight: trust",
        ),
        (
            {"second": {"example_weight": "kind"}},
            "error CN404 at losses.second.example_weight\n"
            "  found     kind, which no source fills\n"
            "  expected  a field that some source maps\n"
            "  fix       kind: kind  # under sources.rows.map",
        ),
    ],
)
def test_what_is_told(declared: dict[str, Any], text: str) -> None:
    assert told(fusion(**declared)) == text


def test_a_loss_of_parameters_alone_has_no_examples() -> None:
    pytest.importorskip("consilience_complexity", reason="the plugin is not installed")
    declared = {"use": "complexity.sparsity", "of": "encoder", "example_weight": "trust"}
    written = fusion().to_dict()
    written["losses"]["size"] = declared
    assert told(Fusion(base=FOLDER, **written)) == (
        "error CN432 at losses.size.example_weight\n"
        "  found     trust, and complexity.sparsity gives one number, not one for each example\n"
        "  expected  a loss with a value for each example\n"
        "  fix       # remove the key example_weight"
    )


@pytest.mark.parametrize(
    "declared",
    [
        {"first": {"schedule": {"stop": 50}}, "second": {"schedule": {"start": 50}}},
        {"first": {"schedule": {"stop": 0.5, "floor": 0.1}}},
        {"first": {"schedule": {"stop": 0.5}}, "second": {"schedule": {"start": 40}}},  # only the training knows
        {"first": {"schedule": {"start": 1, "rise": 0.3}}, "schedules": {"other": {"fall": 0.5}}},
        {"first": {"example_weight": "trust"}},
    ],
)
def test_what_goes_together(declared: dict[str, Any]) -> None:
    plan = check(fusion(**declared))
    assert check(Fusion(base=FOLDER, **plan.fusion.to_dict())).to_json() == plan.to_json()


def test_a_plan_says_what_weighs_a_loss() -> None:
    plan = check(fusion(first={"schedule": {"start": 1}, "example_weight": "trust"}, schedules={"other": {"rise": 9}}))
    assert [rests(plan, name) for name in ("first", "second")] == [True, False]
    nodes = {node["name"]: node for node in plan.to_dict()["nodes"]}
    assert nodes["first"]["example_weight"] == "trust"
    assert [item["start"] for item in nodes["first"]["schedules"]] == [1]
    assert [item["rise"] for item in nodes["second"]["schedules"]] == [9]
    assert "example weight: trust" in to_html(plan)
    assert "schedule: {rise: 9}" in to_html(plan)
    kept = reduced(plan, ["second"])
    assert kept.objective.schedules.keys() == {"other"}
    assert "trust" not in kept.fields
    assert "trust" in reduced(plan, ["first"]).fields


def test_weights_below_zero_are_told_with_their_rows() -> None:
    with pytest.raises(DataError) as error:
        prepare(check(fusion(second={"example_weight": "trust"})))
    [fault] = error.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN530 at sources.rows.map.trust\n"
        "  found     column trust: -2 in rows 2, 5, -0.5 in row 4\n"
        "  expected  a weight of 0 or more, by which an example counts for second\n"
        "  fix       # correct these cells, or empty them: an example without a weight counts as 1"
    )


def test_a_number_that_weighs_nothing_may_be_below_zero() -> None:
    assert len(prepare(check(fusion())).train) == 5


def test_what_only_the_training_knows_is_told_before_its_first_step(tmp_path: Path) -> None:
    plan = check(fusion(first={"schedule": {"stop": 0.5}}, second={"schedule": {"start": 40}}, train={"use_cpu": True}))
    with pytest.raises(DeclarationError) as error:
        train(plan, tmp_path / "runs", progress=False)
    [fault] = error.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN430 at losses.second.schedule.start\n"
        "  found     40, and the training ends after 3 steps\n"
        "  expected  a step up to 2\n"
        "  fix       start: 0"
    )
    assert not list((tmp_path / "runs").iterdir())
