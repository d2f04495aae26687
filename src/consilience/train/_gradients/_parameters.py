"""A step by gradients: each objective's own, weighed against each other over the whole window, and then joined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from consilience.declare import GradientBalancer, Sees
from consilience.fuse import FusedModel
from consilience.plan import objectives_of
from consilience.train._gradients._conflicts import Conflicts
from consilience.train._gradients._gramian import combine, flattened, gramian_of, unflattened
from consilience.train._gradients._meter import Meter, joined
from consilience.train._gradients._shared import Reach, leaves_behind, trained_parameters
from consilience.train._gradients._weighing import Weighing
from consilience.train._objective._objective import Objective, Terms, Window
from consilience.train._ranks import Ranks

__all__ = ["GradientStep", "OverParameters", "Setting"]

Batch = Mapping[str, Tensor]


@dataclass
class Setting:
    """What a step by gradients works with beside the model."""

    ranks: Ranks = field(default_factory=Ranks)
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    """Gives the context of mixed precision that modules run in."""
    note: Callable[[Terms], None] = lambda terms: None
    """Takes the losses of every micro-batch, and at the window's end what they were weighed to."""
    meter: Meter | None = None
    """What wants to know, in some steps, how gradients meet in the parameters."""


class GradientStep(ABC):
    """Leaves in `.grad` what a window's objectives join to, as a backward pass would.

    Called with each micro-batch of a window in turn. No process waits for the others before the last: gradients are
    exchanged once, here, and not by a wrapper of the model.
    """

    def __init__(self, model: FusedModel, objective: Objective, setting: Setting) -> None:
        balancer = model.plan.balancer
        assert isinstance(balancer, GradientBalancer)
        self.model, self.objective, self.setting = model, objective, setting
        self.objectives = objectives_of(model.plan, balancer.per)
        self.weighing = Weighing(model)
        self.conflicts = Conflicts(model.plan, self.objectives)
        self.weights: dict[str, float] = {}
        """What each objective of the last step was weighed by."""
        self.reach: Reach | None = None
        self._seen = 0
        self._losses: dict[str, Tensor] = {}
        self._active: list[str] = []
        self._on: tuple[str, ...] = ()

    def __call__(self, batch: Batch, window: Window) -> Tensor:
        """Takes a micro-batch; gives its part of the losses' weighted sum, detached."""
        if self._seen == 0:
            self._begin(window)
        total = self._add(batch, window)
        self._seen += 1
        if self._seen == window.batches:
            self._seen = 0
            self._finish(window)
        return total

    @abstractmethod
    def _add(self, batch: Batch, window: Window) -> Tensor: ...

    @abstractmethod
    def _join(self, names: list[str], values: Tensor, step: int) -> list[float]:
        """Writes the joined gradient into `.grad`; gives the weight of each objective."""

    def _begin(self, window: Window) -> None:
        self._losses = {}
        counts = window.counts
        counted = dict(zip(counts, torch.stack(list(counts.values())).tolist(), strict=True)) if counts else {}
        on = tuple(self.objective.weights(window.step, window.steps))
        self._active = [
            name
            for name, losses in self.objectives.items()
            if any(loss in on and counted.get(loss, 1.0) > 0 for loss in losses)
        ]
        parameters = trained_parameters(self.model)
        if on != self._on or (self.reach is not None and not self.reach.fits(parameters)):
            self.reach = None
        self._on = on

    def _finish(self, window: Window) -> None:
        names = self._active
        given = torch.stack(list(self._losses.values()))
        sums = dict(zip(self._losses, self.setting.ranks.sum(given) / self.setting.ranks.count, strict=True))
        on = {name: [loss for loss in self.objectives[name] if loss in sums] for name in names}
        plain = {name: self.objective.unscheduled(name, one, window.step, window.steps) for name, one in sums.items()}
        values = [torch.stack([plain[loss] for loss in losses]).sum() for losses in on.values()]
        weights = self._join(names, torch.stack(values).double().cpu(), window.step) if names else []
        assert self.reach is not None
        self.reach.fill()
        self.weights = dict(zip(names, weights, strict=True))
        weighted = {loss: self._losses[loss] * self.weights[name] for name, losses in on.items() for loss in losses}
        self.setting.note(Terms(given.sum(), {}, weighted, {}))

    def figures(self) -> dict[str, float]:
        """Gives, for the log, how the objectives' gradients met in the last step."""
        balancer = self.model.plan.balancer
        assert isinstance(balancer, GradientBalancer)
        return self.conflicts.figures("" if balancer.over == "parameters" else f"{balancer.over}_")

    @property
    def balanced(self) -> Mapping[str, float] | None:
        """What each objective of the last step was weighed by; None where gradients are joined number by number."""
        balancer = self.model.plan.balancer
        assert isinstance(balancer, GradientBalancer)
        return self.weights if balancer.sees is Sees.GRAMIAN else None

    def _values(self, terms: Terms) -> dict[str, Tensor]:
        """Gives every objective's part of a micro-batch, with its graph, and notes its losses."""
        for loss, value in terms.given.items():
            detached = value.detach()
            self._losses[loss] = self._losses[loss] + detached if loss in self._losses else detached
        self.setting.note(Terms(terms.total.detach(), terms.losses, {}, {}))
        return joined(terms, self.objectives)

    def _speaking(self, values: Mapping[str, Tensor], batch: Batch) -> list[str]:
        """Lists the objectives that a micro-batch has a gradient of: of the others a pass would give zeros."""
        return [
            name
            for name in self._active
            if values[name].requires_grad and any(self._has_rows(loss, batch) for loss in self._on_in(name))
        ]

    def _on_in(self, name: str) -> list[str]:
        return [loss for loss in self.objectives[name] if loss in self._on]

    def _has_rows(self, loss: str, batch: Batch) -> bool:
        if not self.model.plan.present_keys(loss) or not batch:
            return True
        return bool(self.model.present(loss, batch).any())


class OverParameters(GradientStep):
    """Weighs gradients in the parameters that several objectives train."""

    def __init__(self, model: FusedModel, objective: Objective, setting: Setting) -> None:
        super().__init__(model, objective, setting)
        self._rows: dict[str, list[Tensor | None]] = {}

    def _add(self, batch: Batch, window: Window) -> Tensor:
        terms = self.objective(self.model(batch, outputs=self._on), batch, window)
        values = self._values(terms)
        if self.reach is None:
            leaves = {name: leaves_behind([value]) for name, value in values.items()}
            idle = leaves_behind(terms.given.values())
            self.reach = Reach(trained_parameters(self.model), leaves, self.setting.ranks, idle)
        shared = self.reach.shared
        speaking = self._speaking(values, batch)
        for name in speaking:
            row = self._rows.get(name, [None] * len(shared))
            self._rows[name] = backward_into(row, shared, values[name], keep=name != speaking[-1])
        return terms.total.detach()

    def _join(self, names: list[str], values: Tensor, step: int) -> list[float]:
        assert self.reach is not None
        shared, ranks = self.reach.shared, self.setting.ranks
        own = without(self.reach.parameters, shared)
        rows = [ranks.mean_all(self._rows.pop(name, [None] * len(shared)), shared) for name in names]
        write(own, ranks.mean_all([one.grad for one in own], own))
        gramian = ranks.first(gramian_of(rows))
        self.conflicts.saw(gramian, names)
        there = [place for place, square in enumerate(gramian.diagonal().tolist()) if square != 0]
        weights = dict.fromkeys(range(len(names)), 1.0)
        if there:
            weights |= zip(there, self._joined(gramian, rows, values, there, names, step), strict=True)
        return list(weights.values())

    def _joined(
        self,
        gramian: Tensor,
        rows: list[list[Tensor | None]],
        values: Tensor,
        there: list[int],
        names: list[str],
        step: int,
    ) -> list[float]:
        assert self.reach is not None
        shared, kept = self.reach.shared, [rows[place] for place in there]
        chosen = [names[place] for place in there]
        balancer = self.model.plan.balancer
        if isinstance(balancer, GradientBalancer) and balancer.sees is Sees.JACOBIAN:
            joined = self.weighing.combined(flattened(kept, shared), values[there], chosen, step)
            write(shared, unflattened(joined, shared))
            return [1.0] * len(there)
        weights = self.weighing.weights(gramian[there][:, there], values[there], chosen, step)
        write(shared, combine(weights, kept))
        return weights


def backward_into(
    row: list[Tensor | None], shared: list[nn.Parameter], value: Tensor, keep: bool
) -> list[Tensor | None]:
    """Adds an objective's gradient to its row; that of parameters that are not shared stays in their `.grad`."""
    write(shared, row)
    value.backward(retain_graph=keep)
    found: list[Tensor | None] = []
    for parameter in shared:
        found.append(parameter.grad)
        parameter.grad = None
    return found


def write(parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]) -> None:
    """Puts gradients where the optimizer looks for them."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient


def without(parameters: list[nn.Parameter], others: list[nn.Parameter]) -> list[nn.Parameter]:
    """Lists the parameters that are none of the others."""
    left_out = {id(one) for one in others}
    return [one for one in parameters if id(one) not in left_out]
