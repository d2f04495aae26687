"""The step of the optimizer that a fusion asks for: by the sum of its losses, or by what each says by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from accelerate import DistributedType
from torch import Tensor
from transformers import TrainerCallback

from consilience.declare import GradientBalancer, Tuner
from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, in_balancer
from consilience.plan import Plan
from consilience.train._gradients._parameters import GradientStep, OverParameters, Setting
from consilience.train._gradients._representation import OverRepresentation
from consilience.train._objective._objective import Objective, Terms, Window
from consilience.train._ranks import Ranks

__all__ = ["EpochEnded", "Teller", "check_whole", "gradient_step"]

_SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
_WHOLE = "processes that each hold the model, such as DDP's"
_OVER: dict[str, type[GradientStep]] = {"parameters": OverParameters, "representation": OverRepresentation}


def gradient_step(model: FusedModel, objective: Objective, setting: Setting) -> GradientStep | None:
    """Gives the step of a fusion that balances by gradients; None where its losses are summed by their values."""
    balancer = model.plan.balancer
    return _OVER[balancer.over](model, objective, setting) if isinstance(balancer, GradientBalancer) else None


def check_whole(plan: Plan, kind: DistributedType) -> None:
    """Raises `RunError` where something needs the whole of parameters of which every process holds a part."""
    if kind not in _SHARDED:
        return
    faults = [*_of_gradients(plan, kind.value), *_of_tuners(plan, kind.value)]
    if faults:
        raise RunError(plan.fusion.locate(faults))


def _of_gradients(plan: Plan, kind: str) -> Iterator[Diagnostic]:
    """Tells where gradients are to be taken one by one."""
    objective = plan.fusion.objective
    by_gradients = isinstance(plan.balancer, GradientBalancer)
    if by_gradients or objective.gradients_every:
        asks = objective.balance["use"] if by_gradients else "gradients_every"
        path = ("objective", "balance" if by_gradients else "gradients_every")
        found = f"{asks}, in a training that {kind} shards"
        fix = "balance: fixed" if by_gradients else "# remove the key gradients_every"
        yield Diagnostic("CN761", path, found, _WHOLE, fix)


def _of_tuners(plan: Plan, kind: str) -> Iterator[Diagnostic]:
    """Tells of tuners that act in the steps, on parameters and gradients."""
    for node in plan.of("modules"):
        if node.tuner is None or node.share or not node.is_trained:
            continue
        own = type(node.tuner)
        if own.before_step is not Tuner.before_step or own.after_step is not Tuner.after_step:
            name = plan.fusion.modules[node.name].tune["use"]
            found = f"{name}, which acts in the steps, in a training that {kind} shards"
            yield Diagnostic("CN741", ("modules", node.name, "tune"), found, _WHOLE, "tune: lora")


class Teller:
    """Tells a balancer by values what each window's losses were, where it wants to know.

    Its `window_ended` is given the exact mean of every weighted loss that something counted for, over all micro-batches
    and processes; a schedule's factor is left out, since what it changes is not learnt.
    """

    def __init__(self, model: FusedModel, objective: Objective, ranks: Ranks) -> None:
        self._plan, self._objective, self._ranks = model.plan, objective, ranks
        is_by_values = not isinstance(model.plan.balancer, GradientBalancer)
        self._tell: Callable[[dict[str, Tensor]], None] | None = (
            getattr(model.balancer, "window_ended", None) if is_by_values else None
        )
        self._sums: dict[str, Tensor] = {}
        self._seen = 0

    def take(self, terms: Terms, window: Window) -> None:
        """Takes a micro-batch; tells the balancer at the last of its window."""
        if self._tell is None:
            return
        for name, value in terms.given.items():
            self._sums[name] = self._sums[name] + value.detach() if name in self._sums else value.detach()
        self._seen += 1
        if self._seen == window.batches:
            told = {name: self._mean(name, window) for name in self._sums if _counts(name, window)}
            with in_balancer(self._plan, "window_ended"):
                self._tell(told)
            self._sums, self._seen = {}, 0

    def _mean(self, name: str, window: Window) -> Tensor:
        mean = self._ranks.sum(self._sums[name]) / self._ranks.count
        return self._objective.unscheduled(name, mean, window.step, window.steps)


class EpochEnded(TrainerCallback):
    """Tells a balancer that has `epoch_ended` so, when the next epoch begins: also in a run that resumes just there."""

    def __init__(self, model: FusedModel) -> None:
        self._plan = model.plan
        self._end = getattr(model.balancer, "epoch_ended", None)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Tells it, unless the epoch that begins had begun before."""
        if self._end is not None and state.global_step > 0 and float(state.epoch).is_integer():
            with in_balancer(self._plan, "epoch_ended"):
                self._end()


def _counts(name: str, window: Window) -> bool:
    return name not in window.counts or bool(window.counts[name] > 0)
