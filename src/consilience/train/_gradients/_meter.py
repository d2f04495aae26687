"""Measures, now and then, how the disciplines' gradients meet in the parameters that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from consilience.fuse import FusedModel
from consilience.plan import objectives_of
from consilience.train._gradients._conflicts import figures
from consilience.train._gradients._gramian import gramian_of
from consilience.train._gradients._shared import Reach, leaves_behind, trained_parameters
from consilience.train._objective._objective import Terms, Window
from consilience.train._ranks import Ranks

__all__ = ["Meter", "Rows", "joined"]


def joined(terms: Terms, objectives: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """Gives every objective's part of a micro-batch, with its graph: the sum of those of its losses that are on."""
    on = {name: [terms.given[loss] for loss in losses if loss in terms.given] for name, losses in objectives.items()}
    return {name: torch.stack(values).sum() for name, values in on.items() if values}


class Rows:
    """Gradients of objectives in some parameters, summed over the micro-batches of a window."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        self._rows: dict[str, list[Tensor | None]] = {}

    def add(self, name: str, gradients: Sequence[Tensor | None]) -> None:
        """Adds a part of an objective's gradient, None for zeros; keeps none of the tensors that it is given twice."""
        row = self._rows.setdefault(name, [None] * len(self._parameters))
        for place, gradient in enumerate(gradients):
            if gradient is not None:
                before = row[place]
                row[place] = gradient if before is None else before + gradient

    def figures(self, ranks: Ranks, names: Sequence[str]) -> dict[str, float]:
        """Gives the norm of each gradient over all processes, and the cosine of each two."""
        empty: list[Tensor | None] = [None] * len(self._parameters)
        rows = [ranks.mean_all(self._rows.get(name, empty), self._parameters) for name in names]
        return figures(gramian_of(rows), names)


class Meter:
    """Takes every discipline's gradient by itself in each so many-th step: one backward pass a discipline more.

    Reads the same graph as the step: dropout hides the same numbers from all.
    """

    def __init__(self, model: FusedModel, ranks: Ranks) -> None:
        self._every = model.plan.fusion.objective.gradients_every
        self._model, self._ranks = model, ranks
        self._disciplines = objectives_of(model.plan, "discipline")
        self._shared: list[nn.Parameter] = []
        self._rows: Rows | None = None
        self._seen = 0
        self._figures: dict[str, float] = {}

    def measures(self, window: Window) -> bool:
        """Tells whether the window's step is one of those that are measured."""
        return self._every is not None and (window.step + 1) % self._every == 0

    def take(self, terms: Terms, window: Window) -> None:
        """Takes a micro-batch before its backward pass."""
        if not self.measures(window):
            return
        values = joined(terms, self._disciplines)
        if self._rows is None:
            self._shared, self._seen = self._find(terms), 0
            self._rows = Rows(self._shared)
        for name, value in values.items():
            if value.requires_grad and self._shared:
                self._rows.add(name, torch.autograd.grad(value, self._shared, retain_graph=True, allow_unused=True))
        self._seen += 1
        if self._seen == window.batches:
            if self._shared:  # one loss alone shares nothing, and a norm of 0 would be told of it
                self.put(self._rows.figures(self._ranks, sorted(values)))
            self._rows = None

    def put(self, measured: Mapping[str, float]) -> None:
        """Keeps what was measured for the log."""
        self._figures = dict(measured)

    def pull(self) -> dict[str, float]:
        """Gives what was measured since it was asked last."""
        measured, self._figures = self._figures, {}
        return measured

    def _find(self, terms: Terms) -> list[nn.Parameter]:
        weighed = [loss for losses in self._disciplines.values() for loss in losses]
        leaves = {loss: leaves_behind([terms.given[loss]]) for loss in weighed if loss in terms.given}
        reach = Reach(trained_parameters(self._model), leaves, self._ranks)
        return reach.shared
