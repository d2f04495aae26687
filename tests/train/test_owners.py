"""What a loss, a balancer, a tuner or a plugin does wrong while a fusion is trained is told as its own fault."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.train.weighed import Line, Number, Size, Tied, Trunk
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils.data import DataLoader

from consilience import ConsilienceError, DeclarationError, RunError
from consilience.data import prepare
from consilience.declare import Balancer, Float, Fusion, GradientBalancer, Loss, Ports, Tuner, hookimpl
from consilience.fuse import FusedModel, build_collator, fuse, states_of
from consilience.host import Registry
from consilience.plan import Plan, check
from consilience.train import Objective, Window, train
from consilience.train._best import BestModel
from consilience.train._checkpoints._finite_weights import refuse_not_finite
from consilience.train._checkpoints._staging import Staged
from consilience.train._checkpoints._store import Checkpoints
from consilience.train._gradients._steps import EpochEnded, Teller
from consilience.train._gradients._weights_told import weights_told
from consilience.train._ranks import Ranks
from consilience.train._tuned_steps import TunedSteps
from consilience.train._validation import measurer

ROWS = 24


class Counted(Loss):
    """Squares, counted in a way of its own."""

    counts: str
    length: int = 0

    inputs = Ports(value=Float["batch"])
    target = Float["batch"]

    def build(self, dims: object) -> nn.Module:
        return Counting(self.counts, self.length)


class Counting(nn.Module):
    def __init__(self, counts: str, length: int) -> None:
        super().__init__()
        self.counts, self.length = counts, length

    def forward(self, value: Tensor, target: Tensor) -> Tensor:
        distance = (value - target).square()
        return distance.detach() if self.counts == "detached" else distance

    def count(self, target: Tensor) -> Any:
        if self.counts == "constant":
            return torch.ones(self.length)
        if isinstance(target, FakeTensor):
            return torch.ones_like(target)
        odd = torch.where(target > 2, float(self.counts) if self.counts in ("nan", "-1", "inf") else 1.0, 1.0)
        return {"short": odd[1:], "scalar": odd.sum(), "list": odd.tolist()}.get(self.counts, odd)


class Middle(Loss):
    """Takes the mean distance by itself."""

    value = Float[""]
    inputs = Ports(value=Float["batch"])
    target = Float["batch"]

    def build(self, dims: object) -> nn.Module:
        class Distance(nn.Module):
            def forward(self, value: Tensor, target: Tensor) -> Tensor:
                return (value - target).abs().mean()

        return Distance()


class Odd(Balancer):
    """Weighs as nobody should."""

    way: str

    def build(self, losses: tuple[str, ...]) -> nn.Module:
        return Oddly(self.way)


class Oddly(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def forward(self, values: dict[str, Tensor]) -> Any:
        factors, penalties = {name: torch.ones(()) for name in values}, {"y_loss": torch.zeros(())}
        if isinstance(next(iter(values.values())), FakeTensor) and self.way != "reads":
            return factors, penalties
        if self.way == "raises":
            raise ValueError("no idea")
        changed: dict[str, Any] = {
            "lacks": ({"y_loss": torch.ones(())}, {}),
            "names": (factors | {"x_loss": torch.ones(())}, {}),
            "shapes": (factors | {"y_loss": torch.ones(8)}, {}),
            "words": (factors, {"y_loss": "little"}),
            "none": None,
            "nan": (factors | {"y_loss": torch.tensor(torch.nan)}, penalties),
            "inf": (factors, {"y_loss": torch.tensor(torch.inf)}),
            "reads": ({name: float(one > 0) for name, one in values.items()}, {}),
            "root": (factors | {"y_loss": (values["y_loss"] * 0).sqrt() + 1}, {}),
        }
        return changed.get(self.way, (factors, penalties))

    def window_ended(self, values: object) -> None:
        if self.way == "window_ended":
            raise ValueError("no idea")

    def epoch_ended(self) -> None:
        if self.way == "epoch_ended":
            raise ValueError("no idea")


class Short(GradientBalancer):
    """Gives a weight too few, but for gradients at right angles."""

    def build(self, objectives: tuple[str, ...]) -> nn.Module:
        class Shorten(nn.Module):
            def forward(self, gramian: Tensor, values: Tensor, names: tuple[str, ...]) -> Tensor:
                is_eye = torch.equal(gramian, torch.eye(len(names), dtype=gramian.dtype))
                return torch.ones(len(names) if is_eye else len(names) - 1)

        return Shorten()


class Clumsy(Tuner):
    """Trains all, and stumbles after each step."""

    def apply(self, module: nn.Module) -> None:
        pass

    def after_step(self, module: nn.Module, step: int, steps: int) -> None:
        raise ValueError("no idea")


class Lab:
    """A plugin that keeps what it is told to, from some step on."""

    def __init__(self, state: object = None, step: int = 0) -> None:
        self.state, self.step, self.seen = state, step, 0

    @hookimpl
    def consilience_components(self) -> list[Any]:
        return [Trunk, Line, Tied, Size, Number, Counted, Middle, Odd, Short, Clumsy]

    @hookimpl
    def consilience_step_ended(self, model: object, step: int) -> None:
        self.seen = step

    @hookimpl
    def consilience_state(self, model: object) -> Any:
        return {"seen": self.seen} if self.state is None or self.seen < self.step else self.state

    @hookimpl
    def consilience_state_restored(self, model: object, state: dict[str, int]) -> None:
        self.seen = state["seen"]


def make_plan(folder: Path, lab: Lab | None = None, **changes: Any) -> Plan:
    """Checks a fusion of two heads on one trunk; `changes` go into its sections."""
    lines = ["x,kind,y,trust"]
    for row in range(ROWS):
        kind = ["low", "high"][row % 2] if row % 3 == 0 else ""
        trust = "" if row % 5 == 0 else str(row % 4 / 2)
        lines.append(f"{row / 7 - 1},{kind},{row / 5 if row % 4 else ''},{trust}")
    (folder / "rows.csv").write_text("\n".join(lines))
    registry = Registry()
    registry.register(lab or Lab(), "lab")
    columns = {name: name for name in ("x", "kind", "y", "trust")}
    written: dict[str, Any] = {
        "name": "owners",
        "fields": {"x": "number", "kind": {"category": ["low", "high"]}, "y": "number", "trust": "number"},
        "sources": {"rows": {"use": "table", "path": "rows.csv", "map": columns}},
        "inputs": {"first": {"use": "lab.number", "in": "x"}},
        "modules": {
            "trunk": {"use": "lab.trunk", "in": "first"},
            "line": {"use": "lab.line", "in": "trunk"},
            "value": {"use": "lab.tied", "in": "trunk", "tie": "trunk"},
        },
        "losses": {
            "kind_loss": {"use": "cross_entropy", "in": "line", "target": "kind", "weight": 0.5},
            "y_loss": {"use": "mse", "in": "value", "target": "y", "weight": 2.0},
        },
        "train": {"max_steps": 3, "batch_size": 8, "use_cpu": True, "train_sampling_strategy": "sequential"},
    }
    for section, change in changes.items():
        written[section] = {**written.get(section, {}), **change}
    return check(Fusion(base=folder, **written), registry)


def batches_of(plan: Plan, sizes: list[int]) -> list[dict[str, Tensor]]:
    rows, collate = prepare(plan).train, build_collator(plan, [node.name for node in plan.of("losses")])
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return [collate([rows[at] for at in range(start, start + size)]) for start, size in zip(starts, sizes, strict=True)]


def told(error: ConsilienceError) -> str:
    [fault] = error.diagnostics
    return str(replace(fault, place=None))


def stopped(plan: Plan, folder: Path) -> str:
    with pytest.raises(RunError) as caught:
        train(plan, folder / "runs", progress=False)
    return told(caught.value)


@pytest.mark.parametrize("balance", ["fixed", "gradnorm"])
def test_a_loss_that_no_gradient_can_follow_is_told(tmp_path: Path, balance: str) -> None:
    y_loss = {"use": "lab.counted", "in": "value", "target": "y", "counts": "detached"}
    plan = make_plan(tmp_path, losses={"y_loss": y_loss}, objective={"balance": balance})
    assert stopped(plan, tmp_path) == (
        "error CN765 at losses.y_loss\n"
        "  found     y_loss (lab.counted) teaches nothing in step 1: no gradient can follow its value\n"
        "  expected  a value that depends on what is trained\n"
        "  fix       # mend the forward of lab.counted: no detach(), item() or argmax() on the way to its value"
    )


def test_a_balancer_may_read_the_values(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, objective={"balance": {"use": "lab.odd", "way": "reads"}})
    assert train(plan, tmp_path / "runs", progress=False).record["training"]["steps"] == 3


def test_one_loss_alone_has_no_norm_in_what_is_shared(tmp_path: Path) -> None:
    """Of the first step nothing is measured: a loss that is on by itself shares nothing."""
    y_loss = {"use": "mse", "in": "value", "target": "y", "schedule": {"start": 2}}
    train_keys = {"logging_steps": 1}
    plan = make_plan(tmp_path, losses={"y_loss": y_loss}, objective={"gradients_every": 1}, train=train_keys)
    run = train(plan, tmp_path / "runs", progress=False)
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert ["gradient_norm/task" in line for line in lines[:3]] == [False, False, True]
    assert lines[2]["gradient_norm/task"] > 0


@pytest.mark.parametrize("length", [2, 3, 5, 7, 11])
def test_a_count_of_one_length_is_right_for_no_two_batches(tmp_path: Path, length: int) -> None:
    y_loss = {"use": "lab.counted", "in": "value", "target": "y", "counts": "constant", "length": length}
    plan = make_plan(tmp_path, losses={"y_loss": y_loss})
    with pytest.raises(DeclarationError) as caught:
        fuse(plan)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.path) == ("CN312", ("losses", "y_loss"))
    assert fault.found == f"Float[{length}] from the count of lab.counted"


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ("short", "the shape (7,), for 8 examples,"),
        ("scalar", "the shape (), for 8 examples,"),
        ("list", "list, for 8 examples,"),
        ("nan", "nan"),
        ("-1", "-1"),
    ],
)
def test_a_count_that_is_none_is_told_of_its_loss(tmp_path: Path, counts: str, found: str) -> None:
    y_loss = {"use": "lab.counted", "in": "value", "target": "y", "counts": counts}
    text = stopped(make_plan(tmp_path, losses={"y_loss": y_loss}), tmp_path)
    where = " in step 2, in rows 12, 14, 15 and 1 more of rows" if counts in ("nan", "-1") else ""
    assert text == (
        "error CN762 at losses.y_loss\n"
        f"  found     {found} from the count of y_loss (lab.counted, discipline lab){where}\n"
        '  expected  Float["batch"], finite and at least 0\n'
        "  fix       # mend count of lab.counted: one number an example, finite and at least 0"
    )


def test_a_count_that_is_none_is_told_of_validation_rows(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, losses={"y_loss": {"use": "lab.counted", "in": "value", "target": "y", "counts": "inf"}})
    with pytest.raises(RunError) as caught:
        measurer(plan, fuse(plan), batches_of(plan, [ROWS]))()  # type: ignore[arg-type]
    assert told(caught.value).splitlines()[1] == (
        "  found     a number below 0 or not finite from the count of y_loss (lab.counted, discipline lab) in the "
        "validation rows"
    )


@pytest.mark.parametrize(
    ("way", "found"),
    [
        ("lacks", "no factor for kind_loss"),
        ("names", "a factor for x_loss, which is none of its losses,"),
        ("shapes", "a tensor of the shape (8,) as the factor for y_loss"),
        ("words", "str as the penalty for y_loss"),
        ("none", "NoneType"),
    ],
)
def test_what_a_balancer_gives_in_the_wrong_form_is_its_own_fault(tmp_path: Path, way: str, found: str) -> None:
    plan = make_plan(tmp_path, objective={"balance": {"use": "lab.odd", "way": way}})
    model, [batch] = fuse(plan), batches_of(plan, [ROWS])
    objective = Objective(model)
    with pytest.raises(RunError) as caught:
        objective(model(batch, outputs=objective.losses), batch, Window(objective.counts([batch]), step=4))
    assert told(caught.value) == (
        "error CN763 at objective.balance\n"
        f"  found     {found} from lab.odd in step 5\n"
        "  expected  ({loss: factor}, {loss: penalty}): a single number for every loss that it is given\n"
        "  fix       balance: fixed  # or mend the forward of lab.odd"
    )


@pytest.mark.parametrize(
    ("way", "found"),
    [
        ("nan", "the factor nan"),
        ("inf", "the penalty inf"),
        ("root", "a gradient that is not finite"),
    ],
)
def test_what_a_balancer_gives_that_is_not_finite_is_its_own_fault(tmp_path: Path, way: str, found: str) -> None:
    plan = make_plan(tmp_path, objective={"balance": {"use": "lab.odd", "way": way}})
    assert stopped(plan, tmp_path) == (
        "error CN760 at objective.balance\n"
        f"  found     lab.odd gives {found} for y_loss, whose value is finite, in step 1\n"
        "  expected  finite factors and penalties; no parameter was moved in this step\n"
        "  fix       balance: fixed  # or mend lab.odd"
    )


def test_weights_of_gradients_in_the_wrong_form_are_the_balancers_fault(tmp_path: Path) -> None:
    assert stopped(make_plan(tmp_path, objective={"balance": "lab.short"}), tmp_path) == (
        "error CN763 at objective.balance\n"
        "  found     a tensor of the shape (1,) from lab.short for kind_loss, y_loss in step 1\n"
        "  expected  a tensor of the shape (2,)\n"
        "  fix       balance: fixed  # or mend the forward of lab.short"
    )


@pytest.mark.parametrize("way", ["raises", "window_ended", "epoch_ended"])
def test_what_a_balancer_raises_is_noted_as_its_own(tmp_path: Path, way: str) -> None:
    plan = make_plan(tmp_path, objective={"balance": {"use": "lab.odd", "way": way}})
    model, [batch] = fuse(plan), batches_of(plan, [ROWS])
    objective = Objective(model)
    window = Window(objective.counts([batch]))

    def step() -> None:
        terms = objective(model(batch, outputs=objective.losses), batch, window)
        Teller(model, objective, Ranks()).take(terms, window)
        EpochEnded(model).on_epoch_begin(None, SimpleNamespace(global_step=3, epoch=1.0), None)

    with pytest.raises(ValueError, match="no idea") as caught:
        step()
    doing = "forward in step 1" if way == "raises" else way
    [note] = caught.value.__notes__
    assert note.startswith(f"in the {doing} of the balancer lab.odd (from the plugin registered as lab, at ")


def test_what_a_tuner_raises_at_a_step_is_noted_as_its_own(tmp_path: Path) -> None:
    trunk = {"use": "lab.trunk", "in": "first", "tune": "lab.clumsy"}
    model = fuse(make_plan(tmp_path, modules={"trunk": trunk}))
    steps = TunedSteps(SimpleNamespace(fused=model))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no idea") as caught:
        steps.on_optimizer_step(None, SimpleNamespace(global_step=0, max_steps=1), None)
    [note] = caught.value.__notes__
    owner = "in the after_step of the tuner of node trunk (lab.clumsy, from the plugin registered as lab, at "
    assert note.startswith(owner)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({1: 2}, "the key 1, of type int, and no text"),
        ({"by": [{"step": {None: 2}}]}, "the key None in by.0.step, of type NoneType, and no text"),
        ({"word": "\ud800"}, "'utf-8' codec can't encode character '\\ud800' in position 10: surrogates not allowed"),
    ],
)
def test_a_state_that_would_not_come_back_is_told_of_its_plugin(tmp_path: Path, state: object, found: str) -> None:
    model = fuse(make_plan(tmp_path, Lab(state)))
    with pytest.raises(RunError) as caught:
        states_of(model)
    assert told(caught.value) == (
        "error CN712 at the file\n"
        f"  found     the state of the plugin lab: {found}\n"
        "  expected  a mapping that JSON can write\n"
        "  fix       # mend consilience_state in the plugin lab: numbers, texts, lists and mappings alone"
    )


def test_a_state_is_seen_after_the_first_step(tmp_path: Path) -> None:
    assert stopped(make_plan(tmp_path, Lab({1: 2}, step=1)), tmp_path).startswith("error CN712")
    assert list((tmp_path / "runs").iterdir()) == []  # before anything was logged or kept


def test_a_state_that_turns_bad_costs_no_checkpoint(tmp_path: Path) -> None:
    keys = {"save_steps": 1, "max_steps": 4}
    assert stopped(make_plan(tmp_path, Lab({1: 2}, step=3), train=keys), tmp_path).startswith("error CN712")
    [run] = (tmp_path / "runs").iterdir()
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-00000001", "step-00000002"]
    mended = train(make_plan(tmp_path, train=keys), resume=run, progress=False)
    assert mended.record["training"]["steps"] == 4


def test_a_full_disk_under_the_best_model_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fuse(make_plan(tmp_path))
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints", "run", ("plan",))
    with checkpoints.write(2) as staged:
        staged.json("rest.json", {})
    trainer: Any = SimpleNamespace(
        whole_weights=lambda: None,
        is_world_process_zero=lambda: True,
        fused=model,
        state=SimpleNamespace(global_step=4),
        checkpoints=checkpoints,
    )

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Staged, "tensors", full)
    with pytest.raises(RunError) as caught:
        BestModel(tmp_path / "run").keep(trainer)
    assert told(caught.value).replace(str(tmp_path), "HERE") == (
        "error CN736 at the file\n"
        "  found     HERE/run/best/step-4: No space left on device; the checkpoint of step 2 stands\n"
        "  expected  room on the disk for the best model\n"
        "  fix       consilience train --resume HERE/run  # when there is room"
    )
    assert list((tmp_path / "run" / "best").iterdir()) == []


def test_weights_that_are_not_finite_are_refused() -> None:
    refuse_not_finite({"a": torch.ones(2)}, 3, "nothing was saved")
    with pytest.raises(RunError) as caught:
        refuse_not_finite({"a": torch.ones(2), "b": torch.tensor([1, torch.inf])}, 3, "nothing was saved")
    assert told(caught.value) == (
        "error CN703 at the file\n"
        "  found     1 weights that are not finite after step 3: b\n"
        "  expected  finite weights; nothing was saved\n"
        "  fix       train: {learning_rate: 1.0e-5}"
    )


@pytest.mark.parametrize("epochs", [2, 1.5, None])
def test_a_balancer_that_begins_too_late_is_told(tmp_path: Path, epochs: float | None) -> None:
    written = make_plan(tmp_path, objective={"balance": "dwa"}).fusion.to_dict()
    written["train"] = {"batch_size": 8} | ({} if epochs is None else {"epochs": epochs})
    warnings = check(Fusion(base=tmp_path, **written), make_plan(tmp_path).registry).warnings
    assert [told_one.code for told_one in warnings] == ([] if epochs is None else ["CN433"])
    for warning in warnings:
        assert str(replace(warning, place=None)) == (
            "warning CN433 at train.epochs\n"
            f"  found     {epochs:g}, and dwa weighs nothing before the end of epoch 2\n"
            "  expected  more than 2 epochs\n"
            "  fix       epochs: 3"
        )


def test_a_balancer_that_waits_for_epochs_of_a_stream_is_told(tmp_path: Path) -> None:
    sources = make_plan(tmp_path).fusion.to_dict()["sources"]
    sources["rows"]["streaming"] = True
    [warning] = make_plan(tmp_path, objective={"balance": "dwa"}, sources=sources).warnings
    assert str(replace(warning, place=None)) == (
        "warning CN433 at objective.balance\n"
        "  found     dwa weighs nothing before the end of epoch 2, and rows is streamed: no epoch ends\n"
        "  expected  a balancer that weighs from step to step\n"
        "  fix       balance: fixed"
    )
    assert not make_plan(tmp_path, objective={"balance": "uncertainty"}, sources=sources).warnings


def test_the_validation_losses_are_those_of_the_objective(tmp_path: Path) -> None:
    weighed = {"example_weight": "trust"}
    losses: dict[str, Any] = {
        "kind_loss": {"use": "cross_entropy", "in": "line", "target": "kind", **weighed},
        "y_loss": {"use": "mse", "in": "value", "target": "y", "weight": 2.0, **weighed},
        "middle": {"use": "lab.middle", "in": "value", "target": "y"},
        "size": {"use": "lab.size", "of": "trunk", "weight": 0.1},
    }
    plan = make_plan(tmp_path, losses=losses)
    model: FusedModel = fuse(plan).double()
    batches = [
        {name: item.double() if item.is_floating_point() else item for name, item in batch.items()}
        for batch in batches_of(plan, [5, 7, 12])
    ]
    objective = Objective(model)
    window = Window(objective.counts(batches), len(batches))
    expected = dict.fromkeys(["loss", *(f"loss/{name}" for name in losses)], 0.0)
    with torch.no_grad():
        for batch in batches:
            terms = objective(model(batch, outputs=objective.losses), batch, window)
            expected["loss"] += terms.total.item()
            for name, value in terms.losses.items():
                expected[f"loss/{name}"] += value.item()
    found = measurer(plan, model, DataLoader(batches, batch_size=None))()  # type: ignore[arg-type]
    assert found == pytest.approx(expected, abs=1e-10)


def test_a_weight_in_the_log_is_all_that_multiplied_a_loss() -> None:
    weights = {"opinion": 0.5, "rating": 2.0, "size": 0.1}
    each = {name: (name,) for name in weights}
    assert weights_told(weights, ["opinion", "late"], None, each) == {"weight/opinion": 0.5, "weight/late": 0.0}
    told_all = weights_told(weights, ["opinion"], {"opinion": 3.0, "rating": 0.5}, each)
    assert told_all == {"weight/opinion": 1.5, "weight/rating": 1.0, "balance/opinion": 3.0, "balance/rating": 0.5}
    by_discipline = {"task": ("opinion", "rating"), "lab": ("size",)}
    assert weights_told(weights, [], {"task": 3.0, "lab": 1.0}, by_discipline) == {
        "weight/opinion": 1.5,
        "weight/rating": 6.0,
        "weight/size": 0.1,
        "balance/task": 3.0,
        "balance/lab": 1.0,
    }
