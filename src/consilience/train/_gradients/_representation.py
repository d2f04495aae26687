"""A step by gradients over the representation: the shared modules run backward once, on the weighted sum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from consilience.fuse import FusedModel, FusedOutput, Step
from consilience.plan import trunk_of
from consilience.train._gradients._gramian import combine, gramian_of
from consilience.train._gradients._meter import Rows
from consilience.train._gradients._parameters import Batch, GradientStep, Setting, backward_into, write
from consilience.train._gradients._shared import Reach, leaves_behind, trained_parameters
from consilience.train._objective._objective import Objective, Terms, Window

__all__ = ["OverRepresentation"]


@dataclass(frozen=True)
class _Held:
    """A micro-batch whose trunk has still to run backward: what it gave, and every objective's gradient of that."""

    tensors: list[Tensor]
    rows: dict[str, list[Tensor | None]]


class OverRepresentation(GradientStep):
    """Weighs gradients in the tensors by which the trunk is left.

    The graph of each micro-batch is held until the window's last one, since only then the weights are known: memory
    grows with accumulation. What an objective reaches past the representation (a tied head, a module's size) it moves
    by its own gradient, times its weight. One that reaches nothing else, such as the size alone, has the weight 1.
    """

    def __init__(self, model: FusedModel, objective: Objective, setting: Setting) -> None:
        super().__init__(model, objective, setting)
        self._trunk_names = trunk_of(model.plan, self.objectives)
        self._trunk: list[Step] = []
        self._heads: list[Step] = []
        self._cut: list[str] = []
        self._owners = {name: model.plan.nodes[losses[0]].discipline for name, losses in self.objectives.items()}
        self._is_measured = False
        self._held: list[_Held] = []
        self._past: dict[str, list[Tensor | None]] = {}
        self._measured: Rows | None = None
        self._gramian = torch.zeros(0)

    def _lay(self, batch: Batch) -> None:
        """Parts the steps of the losses that are on into the trunk, the heads, and the tensors between them.

        What the batch has of a frozen module already is not run.
        """
        steps = self.model.steps(self._on, self.model.given_by(batch))
        self._trunk = [step for step in steps if step.name in self._trunk_names]
        self._heads = [step for step in steps if step.name not in self._trunk_names]
        given = {name for step in self._trunk for name in step.gives}
        self._cut = sorted({name for step in self._heads for name in step.reads if name in given})

    def _begin(self, window: Window) -> None:
        super()._begin(window)
        self._held, self._past = [], {}
        self._gramian = torch.zeros(len(self._active), len(self._active), dtype=torch.float64)
        meter = self.setting.meter
        self._is_measured = meter is not None and meter.measures(window)
        self._measured = None

    def _add(self, batch: Batch, window: Window) -> Tensor:
        self._lay(batch)
        values: dict[str, Tensor] = dict(batch)
        with self.setting.autocast():
            running = {step.name for step in self.model.steps(self.objective.losses, self.model.given_by(batch))}
            self._run([step for step in self._trunk if step.name in running], values)
            tensors = {name: values[name] for name in self._cut if values[name].requires_grad}
            leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
            values |= leaves
            self._run(self._heads, values)
        losses = {name: values[name] for name in self._on}
        losses = {name: value.float() if value.dtype.itemsize < 4 else value for name, value in losses.items()}
        terms = self.objective(FusedOutput(tensors={}, losses=losses), batch, window)
        objectives = self._values(terms)
        if self.reach is None:
            self._find(objectives, terms, tensors, leaves)
        self._backward(objectives, batch, list(tensors.values()), list(leaves.values()))
        return terms.total.detach()

    def _run(self, steps: list[Step], values: dict[str, Tensor]) -> None:
        for step in steps:
            values.update(self.model.run_step(step, values))

    def _find(
        self, objectives: dict[str, Tensor], terms: Terms, tensors: dict[str, Tensor], leaves: dict[str, Tensor]
    ) -> None:
        behind = {id(leaf): leaves_behind([tensors[name]]) for name, leaf in leaves.items()}

        def reached(roots: Iterable[Tensor]) -> set[int]:
            found = leaves_behind(roots)
            return found.union(*(more for leaf, more in behind.items() if leaf in found))

        each = {name: reached([value]) for name, value in objectives.items()}
        ranks, idle = self.setting.ranks, reached(terms.given.values())
        self.reach = Reach(trained_parameters(self.model), each, ranks, idle)

    def _backward(
        self, objectives: dict[str, Tensor], batch: Batch, tensors: list[Tensor], leaves: list[Tensor]
    ) -> None:
        assert self.reach is not None
        shared = self.reach.shared
        rows: dict[str, list[Tensor | None]] = {}
        speaking = self._speaking(objectives, batch)
        for name in speaking:
            past = self._past.get(name, [None] * len(shared))
            self._past[name] = backward_into(past, shared, objectives[name], keep=name != speaking[-1])
            rows[name] = [leaf.grad for leaf in leaves]
            for leaf in leaves:
                leaf.grad = None
        self._held.append(_Held(tensors, rows))
        if self._is_measured:
            self._measure(rows, tensors)
        empty: list[Tensor | None] = [None] * len(leaves)
        self._gramian += gramian_of([rows.get(name, empty) for name in self._active])

    def _measure(self, rows: dict[str, list[Tensor | None]], tensors: list[Tensor]) -> None:
        """Follows every objective's gradient up the trunk, to where a step over the representation never sees it."""
        assert self.reach is not None
        shared = self.reach.shared
        self._measured = self._measured or Rows(shared)
        for name, row in rows.items():
            pairs = [(tensor, part) for tensor, part in zip(tensors, row, strict=True) if part is not None]
            if pairs and shared:
                outputs, parts = zip(*pairs, strict=True)
                found = torch.autograd.grad(outputs, shared, parts, retain_graph=True, allow_unused=True)
                self._measured.add(self._owners[name], found)

    def _tell_measured(self) -> None:
        if self._measured is None or self.setting.meter is None:
            return
        for name, past in self._past.items():
            self._measured.add(self._owners[name], past)
        owners = sorted(set(self._owners.values()))
        self.setting.meter.put(self._measured.figures(self.setting.ranks, owners))

    def _join(self, names: list[str], values: Tensor, step: int) -> list[float]:
        ranks = self.setting.ranks
        # Gradients are averaged over the processes, so a row's part in one process counts one of so many.
        gramian = ranks.first(ranks.sum(self._gramian) / ranks.count**2)
        self.conflicts.saw(gramian, names)
        self._tell_measured()
        there = [place for place, square in enumerate(gramian.diagonal().tolist()) if square != 0]
        weights = dict.fromkeys(names, 1.0)
        if there:
            chosen = [names[place] for place in there]
            given = self.weighing.weights(gramian[there][:, there], values[there], chosen, step)
            weights |= zip(chosen, given, strict=True)
        self._write(weights)
        return [weights[name] for name in names]

    def _write(self, weights: dict[str, float]) -> None:
        assert self.reach is not None
        shared, parameters = self.reach.shared, self.reach.parameters
        past = combine([weights[name] for name in self._past], list(self._past.values()))
        if self._past:
            write(shared, past)
        for held in self._held:
            sums = combine([weights[name] for name in held.rows], list(held.rows.values()))
            pairs = [(tensor, total) for tensor, total in zip(held.tensors, sums, strict=False) if total is not None]
            if pairs:
                torch.autograd.backward([tensor for tensor, _ in pairs], [total for _, total in pairs])
        self._held, self._past = [], {}
        write(parameters, self.setting.ranks.mean_all([one.grad for one in parameters], parameters))
