"""Stops a training at the step in which a loss or a gradient is not finite, before any parameter is moved."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from consilience.errors import Diagnostic, Path, RunError
from consilience.fuse import FusedModel, miscounted
from consilience.plan import Plan
from consilience.train._objective._objective import Objective, Terms, Window
from consilience.train._objective._origin import At, Batch, Origin, find_origin

__all__ = ["FiniteWatch"]

_EXPECTED = "finite losses and gradients; no parameter was moved in this step"


class FiniteWatch:
    """Waits for the device once a step, and looks for the cause only when there is one to find."""

    def __init__(self, model: FusedModel, objective: Objective, accelerator: Accelerator, rows: Any) -> None:
        self._model, self._objective, self._accelerator, self._rows = model, objective, accelerator, rows
        self._batches: Sequence[Batch] = ()
        self._window = Window({})
        self._weighed: list[Terms] = []
        self._random = torch.get_rng_state()

    def begin(self, batches: Sequence[Batch], window: Window) -> None:
        """Keeps what a step computes from, until the next one begins."""
        self._batches, self._window, self._random = batches, window, torch.get_rng_state()
        self._weighed = []

    def take(self, terms: Terms) -> None:
        """Keeps what the losses of a micro-batch were and what the balancer gave for them, without their graph."""
        self._weighed.append(Terms(terms.total.detach(), terms.losses, {}, {}, terms.factors, terms.penalties))

    def check(self, loss: Tensor, norm: Tensor | float) -> None:
        """Raises `RunError` when the loss since the last log, or the norm of the gradients, is not finite.

        Every process stops when one of them has such a loss; the first tells, the others end with the exit code 1.
        """
        both = torch.stack([loss.detach().float().reshape(()), torch.as_tensor(norm, device=loss.device).float()])
        bad = self._accelerator.reduce((~torch.isfinite(both)).float(), reduction="sum")
        is_bad_loss, is_bad_norm = bad.tolist()
        if not is_bad_loss and not (is_bad_norm and self._is_at_fault()):
            return
        torch.set_rng_state(self._random)
        with self._accelerator.autocast():
            found = find_origin(self._model, self._objective, self._batches, self._window, self._weighed)
        # What each process found, with words for its rows: all of them read the same sources.
        found_by_all = gather_object([found])
        if not self._accelerator.is_main_process:
            time.sleep(3)  # a launcher ends all when one has ended: the first shall have told by then
            raise SystemExit(1)
        raise RunError(self._told(found_by_all))

    def _is_at_fault(self) -> bool:
        """Tells whether a gradient that overflowed is no matter of the scale, which float16 training finds by trial."""
        scaler = self._accelerator.scaler
        return scaler is None or scaler.get_scale() <= 1

    def _told(self, origins: Sequence[Origin]) -> Sequence[Diagnostic]:
        origin = min(origins, key=lambda one: (one.at, not one.losses))
        plan, step = self._model.plan, self._window.step + 1
        if origin.at is At.COUNT:
            where = f" in step {step}" + (f", in {self._places(origin.rows)}" if origin.rows else "")
            return plan.fusion.locate([miscounted(plan, origin.losses[0], origin.value, where)])
        if origin.at is At.WEIGHING:
            return plan.fusion.locate([_misweighing(plan, origin, step)])
        if not origin.losses:
            told = _listed(origin.parameters) or "every part of it is finite, and its norm overflows"
            found = f"the gradient of the whole objective is not finite in step {step}: {told}"
            fault = Diagnostic("CN703", (), found, _EXPECTED, _fix(plan, origin, step))
            return plan.fusion.locate([fault])
        losses = ", ".join(_named(plan, name) for name in origin.losses)
        verb = "is" if len(origin.losses) == 1 else "are"
        found = f"{losses} {verb} {origin.value} in step {step}, first in {_where(plan, origin)}"
        if origin.at is At.GRADIENT:
            found = f"the gradient of {losses} is {origin.value} in step {step}, first behind {_where(plan, origin)}"
        if origin.rows:
            found += f", in {self._places(origin.rows)}"
        if origin.parameters:
            what = "for" if origin.at is At.GRADIENT else "whose parameters are not finite:"
            found += f", {what} {_listed(origin.parameters)}"
        path: Path = ("losses", origin.losses[0])
        return plan.fusion.locate([Diagnostic("CN703", path, found, _EXPECTED, _fix(plan, origin, step))])

    def _places(self, rows: Iterable[int]) -> str:
        tell = getattr(self._rows, "places", None)
        return str(tell(rows)) if tell is not None else f"the rows numbered {_listed([str(row) for row in rows])}"


def _misweighing(plan: Plan, origin: Origin, step: int) -> Diagnostic:
    name = plan.fusion.objective.balance["use"]
    found = f"{name} gives {origin.value} for {origin.losses[0]}, whose value is finite, in step {step}"
    expected = "finite factors and penalties; no parameter was moved in this step"
    fix = f"balance: fixed  # or mend {name}"
    return Diagnostic("CN760", ("objective", "balance"), found, expected, fix)


def _named(plan: Plan, loss: str) -> str:
    node = plan.nodes[loss]
    return f"{loss} ({node.component}, discipline {node.discipline})"


def _where(plan: Plan, origin: Origin) -> str:
    node = plan.nodes[origin.node]
    inner = f" at {origin.inner}" if origin.inner else ""
    return f"{node.section}.{node.name}{inner}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _fix(plan: Plan, origin: Origin, step: int) -> str:
    """Offers a smaller rate where something was learnt, else a look at what is read."""
    node = plan.nodes.get(origin.node)
    if node is not None and node.section in ("fields", "inputs"):
        return f"# mend these rows, or what {node.name} makes of them"
    if step > 1:
        rate = plan.fusion.train.learning_rate / 10
        return f"train: {{learning_rate: {rate:.1e}}}  # if it grew too large; otherwise mend the component"
    owner = f"{node.component} in {node.section}.{node.name}" if node is not None else "the component"
    return f"# nothing was learnt yet: look at these rows, or mend {owner}"
