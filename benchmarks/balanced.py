"""Measures a step under each balancer against fixed weights, and against torchjd and LibMTL used by hand."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from handwritten import WEIGHTS, HandWritten
from measuring import Row, in_turns, median, ratio
from sides import Batch, fused_total, make_hand, optimizer_of, renamed
from torch import Tensor

from consilience.declare import Fusion
from consilience.fuse import FusedModel, fuse
from consilience.plan import Plan, Purpose, check
from consilience.train import Objective, Setting, Window, gradient_step

__all__ = ["BALANCERS", "assert_same_as_by_hand", "measure_balancers"]

BALANCERS: dict[str, Any] = {
    "fixed": "fixed",
    "uncertainty": "uncertainty",
    "dwa": "dwa",
    "random": "random",
    "gradnorm-representation": "gradnorm",
    "gradnorm-parameters": {"use": "gradnorm", "over": "parameters"},
    "upgrad-representation": {"use": "torchjd.upgrad", "over": "representation"},
    "upgrad-parameters": "torchjd.upgrad",
    "pcgrad-parameters": "torchjd.pcgrad",
    "mgda-parameters": "torchjd.mgda",
    "cagrad-parameters": "torchjd.cagrad",
    "aligned_mtl-parameters": "torchjd.aligned_mtl",
    "imtl_g-parameters": "torchjd.imtl_g",
    "nash_mtl-parameters": "torchjd.nash_mtl",
}
"""What each row is called, and what the fusion says under `objective.balance`."""
TOLERANCE = 1e-5
HAND = "torchjd-hand"

Step = Callable[[int], None]


def measure_balancers(
    plan: Plan, batches: Sequence[Batch], rounds: int, peak: Callable[[Step], float]
) -> Iterator[Row]:
    """Measures every side in turns, in one process, on one and the same encoder."""
    models = make_models(plan)
    hand = make_hand(plan, models["fixed"])
    yield Row("upgrad parity", assert_same_as_by_hand(models, hand, batches[0]), "relative difference", HAND)
    sides = {name: balanced_step(model, batches) for name, model in models.items()}
    sides[HAND] = torchjd_step(hand, batches)
    sides |= {f"{name}-libmtl-hand": step for name, step in libmtl_steps(hand, batches).items()}
    times = in_turns(sides, rounds)
    yield from ratio("upgrad-parameters/torchjd-hand", times["upgrad-parameters"], times[HAND], "torchjd used by hand")
    for method in ("pcgrad", "mgda"):
        if f"{method}-libmtl-hand" in times:
            other = times[f"{method}-libmtl-hand"]
            yield from ratio(f"{method}-parameters/libmtl-hand", times[f"{method}-parameters"], other, "LibMTL by hand")
    for name in sides:
        if name != "fixed":
            yield from ratio(f"{name}/fixed", times[name], times["fixed"], "fixed weights, the same work")
    yield median("fixed step", times["fixed"])
    for name, step in sides.items():
        yield Row(f"{name}, peak memory", peak(step), "MB above the start")


def make_models(plan: Plan) -> dict[str, FusedModel]:
    """Makes a model a balancer, all of the same modules."""
    models: dict[str, FusedModel] = {}
    for name, balance in BALANCERS.items():
        written = plan.fusion.to_dict() | {"objective": {"balance": balance}}
        models[name] = fuse(check(Fusion(**written), plan.registry, Purpose.USE)).train()
        models[name].nodes = models["fixed"].nodes
    return models


def balanced_step(model: FusedModel, batches: Sequence[Batch]) -> Step:
    """Gives the training step of a fused model under its balancer."""
    objective, optimizer = Objective(model), optimizer_of(model)
    by_gradients = gradient_step(model, objective, Setting())
    told = getattr(model.balancer, "window_ended", None)

    def step(number: int) -> None:
        batch = batches[number % len(batches)]
        if by_gradients is None:
            total, losses = fused_total(model, objective, batch)
            total.backward()
            if told is not None:
                told(losses)
        else:
            by_gradients(batch, Window(objective.counts([batch]), 1, step=number))
        optimizer.step()
        optimizer.zero_grad()

    return step


def torchjd_gradient(hand: HandWritten, batch: Batch, aggregator: Any) -> None:
    """Leaves the gradient in `.grad` as one writes it by hand with torchjd.

    The head over the vocabulary is tied to the embeddings, which torchjd's split of shared and own parameters does not
    know: it reads a copy here, whose gradient is added to its task's row.
    """
    from torchjd.autojac import jac_to_grad, mtl_backward

    shared = [*hand.encoder.parameters()]
    embedding = hand.encoder.get_input_embeddings().weight
    copy = embedding.detach().requires_grad_()
    losses, hidden = hand_losses(hand, batch, copy)
    own = [[*hand.opinion.parameters()], [*hand.rating.parameters()]]
    own.append([*hand.dense.parameters(), *hand.norm.parameters(), hand.bias, copy])
    # Two of the heads share the pooling behind the states, which torchjd would free after the first.
    mtl_backward(list(losses.values()), hidden, tasks_params=own, shared_params=shared, retain_graph=True)
    embedding.jac[list(losses).index("words")] += copy.grad
    jac_to_grad(shared, aggregator)


def hand_losses(hand: HandWritten, batch: Batch, embedding: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Gives the weighted losses of the hand-written model, and the states that they all read."""
    kept: list[Tensor] = []
    handle = hand.encoder.register_forward_hook(lambda module, given, made: kept.append(made.last_hidden_state))
    embeddings, own = hand.encoder.get_input_embeddings, types.SimpleNamespace(weight=embedding)
    hand.encoder.get_input_embeddings = lambda: own
    try:
        losses = hand(batch)
    finally:
        handle.remove()
        hand.encoder.get_input_embeddings = embeddings
    return {name: WEIGHTS[name] * value for name, value in losses.items()}, kept[0]


def torchjd_step(hand: HandWritten, batches: Sequence[Batch]) -> Step:
    """Gives the training step that one writes by hand with torchjd and UPGrad."""
    from torchjd.aggregation import UPGrad

    aggregator, optimizer = UPGrad(), optimizer_of(hand)

    def step(number: int) -> None:
        torchjd_gradient(hand, batches[number % len(batches)], aggregator)
        optimizer.step()
        optimizer.zero_grad()

    return step


def assert_same_as_by_hand(models: Mapping[str, FusedModel], hand: HandWritten, batch: Batch) -> float:
    """Raises AssertionError unless UPGrad gives the gradient of torchjd by hand, with dropout; gives the difference.

    torchjd multiplies rows in float32, and of millions of numbers gets the squares wrong in the third digit: it is
    given their products in float64 here, as ours are summed.
    """
    model = models["upgrad-parameters"]
    objective = Objective(model)
    step = gradient_step(model, objective, Setting())
    assert step is not None
    torch.manual_seed(0)
    step(batch, Window(objective.counts([batch]), 1))
    torch.manual_seed(0)
    torchjd_gradient(hand, batch, exact_upgrad())
    expected = {name: one.grad for name, one in hand.named_parameters()}
    found = {renamed(name): one.grad for name, one in model.named_parameters()}
    assert found.keys() == expected.keys()
    whole = torch.stack([one.norm() for one in expected.values()]).norm()
    apart = torch.stack([(found[name] - expected[name]).norm() for name in expected]).norm()
    difference = float(apart / whole)
    assert difference <= TOLERANCE, f"the gradient differs by {difference:.1e}"
    model.zero_grad()
    hand.zero_grad()
    return difference


def exact_upgrad() -> Any:
    """Gives torchjd's UPGrad over a Gramian in float64."""
    from torchjd.aggregation import UPGradWeighting, WeightedAggregator, Weighting

    class Exact(Weighting[Any]):
        def __init__(self) -> None:
            super().__init__()
            self.inner = UPGradWeighting()

        def forward(self, matrix: Tensor) -> Tensor:
            wide = matrix.double()
            return self.inner(wide @ wide.T).to(matrix.dtype)

    return WeightedAggregator(Exact())


def libmtl_steps(hand: HandWritten, batches: Sequence[Batch]) -> dict[str, Step]:
    """Gives the training steps that one writes with LibMTL's methods, where it is installed."""
    spec = importlib.util.find_spec("LibMTL")
    if spec is None or spec.origin is None:
        return {}
    package = types.ModuleType("LibMTL")  # its own would import torchvision for its models
    package.__path__ = [str(Path(spec.origin).parent)]
    sys.modules["LibMTL"] = package
    found = {}
    for name, written in (("pcgrad", "PCGrad"), ("mgda", "MGDA")):
        module = importlib.import_module(f"LibMTL.weighting.{written}")
        found[name] = libmtl_step(getattr(module, written)(), hand, batches)
    return found


def libmtl_step(method: Any, hand: HandWritten, batches: Sequence[Batch]) -> Step:
    """Gives the training step of one of LibMTL's methods: it is told of the model as LibMTL's trainer tells it."""
    shared, optimizer = [*hand.encoder.parameters()], optimizer_of(hand)
    method.rep_grad, method.task_num, method.device = False, len(WEIGHTS), torch.device("cpu")
    method.get_share_params = lambda: shared

    def forget() -> None:
        for one in shared:  # it writes the joined gradient into what stands there
            one.grad.zero_()  # type: ignore[union-attr]

    method.zero_grad_share_params = forget

    def step(number: int) -> None:
        losses = hand(batches[number % len(batches)])
        weighted = [WEIGHTS[name] * value for name, value in losses.items()]
        method.backward(torch.stack(weighted), mgda_gn="none")
        optimizer.step()
        optimizer.zero_grad()

    return step
