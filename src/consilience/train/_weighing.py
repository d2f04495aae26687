"""Asks a balancer for weights, once an optimizer step: the same in every process, and again after a resume."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from consilience.declare import GradientBalancer
from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, node_seed

__all__ = ["Weighing"]


class Weighing:
    """The balancer of a fused model, asked with numbers on the CPU and under a seed of the step's own."""

    def __init__(self, model: FusedModel) -> None:
        declared = model.plan.balancer
        assert isinstance(declared, GradientBalancer)
        self._module = model.balancer
        self._written = model.plan.fusion.objective.balance["use"]
        self._seed = model.plan.fusion.train.seed
        self._fusion = model.plan.fusion

    def weights(self, gramian: Tensor, values: Tensor, names: Sequence[str], step: int) -> list[float]:
        """Gives the weight of each objective; raises `RunError` for weights that are not finite.

        Of gradients that are not finite there is nothing to weigh: they are summed as they are, for what watches over
        the training to find them as in any other.
        """
        if not torch.isfinite(gramian).all():
            return [1.0] * len(names)
        given = self._ask(gramian, values, names, step)
        if given.shape != (len(names),) or not torch.isfinite(given).all():
            raise RunError(self._fusion.locate([self._unfit(given, names, step)]))
        weights: list[float] = given.tolist()
        return weights

    def combined(self, jacobian: Tensor, values: Tensor, names: Sequence[str], step: int) -> Tensor:
        """Gives the gradient that the objectives' rows are joined to; raises `RunError` where it is not finite."""
        if not torch.isfinite(jacobian).all():
            return jacobian.sum(dim=0)
        given = self._ask(jacobian, values, names, step)
        if given.shape != jacobian.shape[1:] or not torch.isfinite(given).all():
            raise RunError(self._fusion.locate([self._unfit(given, names, step)]))
        return given

    def _ask(self, rows: Tensor, values: Tensor, names: Sequence[str], step: int) -> Tensor:
        self._module.to("cpu")  # what it keeps stands where it computes
        devices = [rows.device] if rows.is_cuda else []
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            torch.manual_seed(node_seed(self._seed, f"balancer in step {step}"))
            try:
                given = self._module(rows, values, tuple(names))
            except Exception as error:
                error.add_note(f"in the forward of the balancer {self._written}, in step {step + 1}")
                raise
        return given.detach() if isinstance(given, Tensor) else torch.tensor(torch.nan)

    def _unfit(self, given: Tensor, names: Sequence[str], step: int) -> Diagnostic:
        found = f"{self._written} gives what is not finite for {', '.join(names)} in step {step + 1}"
        if given.dim() != 1:
            found = f"{self._written} gives no vector for {', '.join(names)} in step {step + 1}"
        return Diagnostic("CN760", ("objective", "balance"), found, "a finite weight for each", "balance: fixed")
