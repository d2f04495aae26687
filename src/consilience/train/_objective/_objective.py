"""The objective: the weighted sum of the losses, each the exact mean over what counts in a step's whole window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from consilience.declare import GradientBalancer
from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, FusedOutput, in_balancer, misweighed
from consilience.plan import Plan, schedules_of
from consilience.train._objective._means import Means

__all__ = ["Objective", "Terms", "Window"]


@dataclass(frozen=True)
class Window:
    """What one optimizer step averages over: all its micro-batches, in all processes.

    `counts` holds, for each loss that reads rows, the sum of what counts (`Float[""]`); `batches` the number of
    micro-batches in this process; `step` how many steps of the optimizer lie before this one, `steps` how many there
    are in all.
    """

    counts: Mapping[str, Tensor]
    batches: int = 1
    processes: int = 1
    step: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Terms:
    """One micro-batch's part of the objective: its total, and every loss before and after weighing, detached.

    `given` holds each loss as the balancer is given it, weighted, with its graph: what gradients are taken of one by
    one. Averaged over the processes, its gradients are those of the window, as those of `total` are. A loss that is off
    in the step stands in none of them. `factors` and `penalties` are what a balancer by values gave, detached.
    """

    total: Tensor
    losses: Mapping[str, Tensor]
    weighted: Mapping[str, Tensor]
    given: Mapping[str, Tensor]
    factors: Mapping[str, Tensor] = field(default_factory=dict)
    penalties: Mapping[str, Tensor] = field(default_factory=dict)


class Objective:
    """Computes sum_d lambda_d L_d for a fused model.

    Each loss is sum(values) / sum(counts) over the examples that have what the loss needs, across the micro-batches and
    the processes of one optimizer step, so that neither accumulation nor missing targets change the gradient.
    """

    def __init__(self, model: FusedModel) -> None:
        self._model = model
        self._plan = model.plan
        self._is_by_gradients = isinstance(self._plan.balancer, GradientBalancer)
        self._means = Means(model, model.plan)
        self.losses = tuple(node.name for node in self._plan.of("losses"))
        self._weights = {name: self._plan.weight(name) for name in self.losses}
        self._schedules = {name: schedules_of(self._plan.fusion, name) for name in self.losses}
        self.scheduled = tuple(name for name, schedules in self._schedules.items() if schedules)
        """The losses whose weight changes from step to step."""

    def weights(self, step: int, steps: int) -> dict[str, float]:
        """Gives the weight of each loss that is on in a step: its own, its discipline's, and their schedules'."""
        found = dict(self._weights)
        for name in self.scheduled:
            for schedule in self._schedules[name]:
                found[name] *= schedule.factor(step, steps)
        return {name: weight for name, weight in found.items() if weight}

    def unscheduled(self, name: str, value: Tensor, step: int, steps: int) -> Tensor:
        """Gives a loss's weighted value as it would be without its schedules: what shows how far it is learnt."""
        for schedule in self._schedules[name]:
            value = value / schedule.factor(step, steps)
        return value

    def counts(self, batches: Sequence[Mapping[str, Tensor]], losses: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Sums, for each loss that reads rows, what counts in this process's micro-batches."""
        found: dict[str, Tensor] = {}
        for name in self.losses if losses is None else losses:
            sums = [counted.sum() for batch in batches if (counted := self._means.counted(name, batch)) is not None]
            if sums:
                found[name] = torch.stack(sums).sum()
        return found

    def __call__(self, output: FusedOutput, batch: Mapping[str, Tensor], window: Window) -> Terms:
        """Gives one micro-batch's part of the objective over its window: of the losses that are on in its step."""
        assert output.losses is not None
        weights = self.weights(window.step, window.steps)
        means = {name: self._mean(name, output.losses[name], batch, window) for name in weights}
        self._see_gradients(means, batch, window)
        given = {name: weights[name] * mean for name, mean in means.items()}
        factors, penalties = self._weigh(given, window.step)
        weighted = {name: factors[name] * value for name, value in given.items()}
        # Across processes gradients are averaged: what was divided by a sum over all of them is multiplied back.
        total = torch.stack([self._back(name, value, window) for name, value in weighted.items()]).sum()
        for name, penalty in penalties.items():
            total = total + self._if_counted(name, penalty, window) / window.batches
        return Terms(
            total,
            {name: self._back(name, mean.detach(), window) for name, mean in means.items()},
            {name: self._back(name, value.detach(), window) for name, value in weighted.items()},
            {name: self._back(name, value, window) for name, value in given.items()},
            {} if self._is_by_gradients else {name: _plain(one) for name, one in factors.items()},
            {name: _plain(one) for name, one in penalties.items()},
        )

    def _see_gradients(self, means: Mapping[str, Tensor], batch: Mapping[str, Tensor], window: Window) -> None:
        """Raises `RunError` (CN765) for a loss that says something of these rows and that no gradient can follow."""
        for name in [name for name, mean in means.items() if not mean.requires_grad] if torch.is_grad_enabled() else ():
            counted = self._means.counted(name, batch)
            # Of no row a loss may give a constant, and what is not finite is told as that.
            if torch.isfinite(means[name]) and (counted is None or counted.sum() > 0):
                raise RunError(self._plan.fusion.locate([_without_gradient(self._plan, name, window.step + 1)]))

    def _weigh(
        self, given: Mapping[str, Tensor], step: int
    ) -> tuple[Mapping[str, Tensor | float], Mapping[str, Tensor | float]]:
        """Asks the balancer; raises `RunError` where it gives not one number for each loss."""
        if self._is_by_gradients:  # which weighs what these give
            return {name: torch.ones_like(value) for name, value in given.items()}, {}
        with in_balancer(self._plan, f"forward in step {step + 1}"):
            weighed = self._model.balancer(given)
        wrong = misweighed(weighed, given, self.losses)
        if wrong is not None:
            name = self._plan.fusion.objective.balance["use"]
            expected = "({loss: factor}, {loss: penalty}): a single number for every loss that it is given"
            fix = f"balance: fixed  # or mend the forward of {name}"
            found = f"{wrong} from {name} in step {step + 1}"
            fault = Diagnostic("CN763", ("objective", "balance"), found, expected, fix)
            raise RunError(self._plan.fusion.locate([fault]))
        factors, penalties = weighed
        return {name: factors[name] for name in given}, {name: one for name, one in penalties.items() if name in given}

    def _mean(self, name: str, value: Tensor, batch: Mapping[str, Tensor], window: Window) -> Tensor:
        if name not in window.counts:
            return value / window.batches
        value = value.to(torch.promote_types(value.dtype, torch.float32))
        part, whole = self._means.part(name, value, batch), window.counts[name]
        return part / torch.where(whole == 0, 1, whole).to(part.dtype)

    def _if_counted(self, name: str, penalty: Tensor | float, window: Window) -> Tensor | float:
        """Leaves the penalty out where no example of the window counts for the loss: it would be all that is learnt."""
        return penalty * (window.counts[name] > 0) if name in window.counts else penalty

    def _back(self, name: str, value: Tensor, window: Window) -> Tensor:
        return value * window.processes if name in window.counts else value


def _plain(value: Tensor | float) -> Tensor:
    return torch.as_tensor(value).detach()


def _without_gradient(plan: Plan, name: str, step: int) -> Diagnostic:
    component = plan.nodes[name].component
    found = f"{name} ({component}) teaches nothing in step {step}: no gradient can follow its value"
    fix = f"# mend the forward of {component}: no detach(), item() or argmax() on the way to its value"
    return Diagnostic("CN765", ("losses", name), found, "a value that depends on what is trained", fix)
