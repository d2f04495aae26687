"""Asks a balancer for weights, once an optimizer step: the same in every process, and again after a resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from consilience.declare import GradientBalancer
from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, in_balancer, node_seed

__all__ = ["Weighing"]


class Weighing:
    """The balancer of a fused model, asked with numbers on the CPU and under a seed of the step's own."""

    def __init__(self, model: FusedModel) -> None:
        declared = model.plan.balancer
        assert isinstance(declared, GradientBalancer)
        self._module = model.balancer
        self._written = model.plan.fusion.objective.balance["use"]
        self._seed = model.plan.fusion.train.seed
        self._plan = model.plan

    def weights(self, gramian: Tensor, values: Tensor, names: Sequence[str], step: int) -> list[float]:
        """Gives the weight of each objective; raises `RunError` for weights that are not finite, or not one for each.

        Of gradients that are not finite there is nothing to weigh: they are summed as they are, for what watches over
        the training to find them as in any other.
        """
        if not torch.isfinite(gramian).all():
            return [1.0] * len(names)
        given = self._seen(self._ask(gramian, values, names, step), (len(names),), names, step)
        weights: list[float] = given.tolist()
        return weights

    def combined(self, jacobian: Tensor, values: Tensor, names: Sequence[str], step: int) -> Tensor:
        """Gives the gradient that the objectives' rows are joined to; raises `RunError` where that is none."""
        if not torch.isfinite(jacobian).all():
            return jacobian.sum(dim=0)
        return self._seen(self._ask(jacobian, values, names, step), tuple(jacobian.shape[1:]), names, step)

    def _ask(self, rows: Tensor, values: Tensor, names: Sequence[str], step: int) -> Any:
        self._module.to("cpu")  # what it keeps stands where it computes
        devices = [rows.device] if rows.is_cuda else []
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            seed = node_seed(self._seed, f"balancer in step {step}")
            # Not torch.manual_seed, which would set the generators of all devices, and dropout's with them.
            torch.default_generator.manual_seed(seed)
            if rows.is_cuda:
                torch.cuda.default_generators[rows.device.index].manual_seed(seed)
            with in_balancer(self._plan, f"forward in step {step + 1}"):
                given = self._module(rows, values, tuple(names))
        return given

    def _seen(self, given: Any, shape: tuple[int, ...], names: Sequence[str], step: int) -> Tensor:
        path, told, after = ("objective", "balance"), ", ".join(names), f"in step {step + 1}"
        if not isinstance(given, Tensor) or given.shape != shape:
            what = (
                "a tensor of the shape " + str(tuple(given.shape))
                if isinstance(given, Tensor)
                else type(given).__name__
            )
            found = f"{what} from {self._written} for {told} {after}"
            expected = f"a tensor of the shape {shape}"
            fix = f"balance: fixed  # or mend the forward of {self._written}"
            raise RunError(self._plan.fusion.locate([Diagnostic("CN763", path, found, expected, fix)]))
        if not torch.isfinite(given).all():
            found = f"{self._written} gives what is not finite for {told} {after}"
            fault = Diagnostic("CN760", path, found, "a finite weight for each", "balance: fixed")
            raise RunError(self._plan.fusion.locate([fault]))
        return given.detach()
