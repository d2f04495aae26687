"""The trainer: transformers' own, with the objective in the place of the model's loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler
from transformers import Trainer

from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel
from consilience.plan import PlanNode
from consilience.train._objective import Objective, Terms, Window

__all__ = ["FusionTrainer"]


class FusionTrainer(Trainer):
    """Trains a `FusedModel` on the objective; logs every loss and every discipline's share without a sync each step."""

    def __init__(
        self, *, sampler: Sampler[int] | None, measure: Callable[[], dict[str, float]] | None, **options: Any
    ) -> None:
        super().__init__(**options)
        assert isinstance(self.model, FusedModel)
        self._objective = Objective(self.model)
        self._plan = self.model.plan
        self._sampler = sampler
        self._measure = measure
        self._sums: dict[str, Tensor] = {}
        self._steps_summed = 0
        self._first_bad: dict[str, Tensor] = {}
        self.numbers: dict[str, Any] = {}
        """What the plugins tell of the last step, for the log."""
        # The objective divides by the whole window's counts: the loss must not be divided once more.
        self.model_accepts_loss_kwargs = True

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """Collects the micro-batches of a step, and counts what each loss averages over in all of them."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        counts = self._objective.counts(batches)
        if counts:
            names = sorted(counts)
            summed = torch.stack([counts[name] for name in names]).to(device)
            summed = self.accelerator.reduce(summed, reduction="sum")
            counts = dict(zip(names, summed.unbind(), strict=True))
        self._steps_summed += 1
        return batches, Window(counts, len(batches), self.accelerator.num_processes, self.state.global_step)

    def _prepare_inputs(self, inputs: Any) -> Any:
        """Lets a batch be empty: a loss of parameters alone reads no row."""
        return super()._prepare_inputs(inputs) if inputs else inputs

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Gives one micro-batch's part of the objective."""
        output = model(inputs, outputs=self._objective.losses)
        terms = self._objective(output, inputs, num_items_in_batch)
        self._note(terms)
        return (terms.total, output) if return_outputs else terms.total

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Measures the metrics on the validation split."""
        measured = {f"eval_{name}": value for name, value in self._measure().items()} if self._measure else {}
        self.log(dict(measured))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, measured)
        return measured

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the mean of every loss, and each discipline's share of the weighted sum, since the last time."""
        if "loss" in logs and self._sums:
            logs |= self._summary()
            logs |= {name: float(value) for name, value in self.numbers.items()}
        super().log(logs, start_time)

    def check_finite(self) -> None:
        """Raises `RunError` when a loss, or a weight that the steps left, is not finite."""
        if self._sums:
            self._summary()
        model = self.accelerator.unwrap_model(self.model)
        weights = {name: value for name, value in model.named_parameters() if value.requires_grad}
        bad = [name for name, value in weights.items() if not torch.isfinite(value).all()]
        if bad:
            raise RunError(_not_finite_weights(bad, self.state.global_step))

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Leaves the balancer's parameters out of weight decay: it would pull the weights of the losses about."""
        return [name for name in super().get_decay_parameter_names(model) if not name.startswith("balancer.")]

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self._sampler if self._sampler is not None else super()._get_train_sampler(train_dataset)

    def _note(self, terms: Terms) -> None:
        for kind, values in (("loss", terms.losses), ("weighted", terms.weighted)):
            for name, value in values.items():
                key = f"{kind}/{name}"
                self._sums[key] = self._sums[key] + value if key in self._sums else value.clone()
        for name, value in terms.losses.items():
            step = torch.where(torch.isfinite(value), torch.inf, float(self.state.global_step + 1))
            self._first_bad[name] = torch.minimum(self._first_bad[name], step) if name in self._first_bad else step

    def _summary(self) -> dict[str, float]:
        names = list(self._sums)
        summed = self.accelerator.reduce(torch.stack([self._sums[name].float() for name in names]), reduction="mean")
        means = dict(zip(names, (summed / max(self._steps_summed, 1)).tolist(), strict=True))
        self._sums, self._steps_summed = {}, 0
        losses = {name: value for name, value in means.items() if name.startswith("loss/")}
        first = torch.stack(list(self._first_bad.values())).tolist()
        if min(first) < math.inf:
            bad = [name for name, step in zip(self._first_bad, first, strict=True) if step == min(first)]
            fault = _not_finite(bad, int(min(first)), self._plan.nodes)
            raise RunError(self._plan.fusion.locate([fault]))
        return losses | self._shares(
            {name.removeprefix("weighted/"): value for name, value in means.items() if name.startswith("weighted/")}
        )

    def _shares(self, weighted: Mapping[str, float]) -> dict[str, float]:
        """Gives each discipline's share of the weighted sum, by size: a loss may be negative."""
        whole = sum(abs(value) for value in weighted.values()) or 1.0
        shares = dict.fromkeys(self._plan.disciplines, 0.0)
        for name, value in weighted.items():
            shares[self._plan.nodes[name].discipline] += abs(value) / whole
        return {f"share/{name}": share for name, share in shares.items()}


def _not_finite(losses: list[str], step: int, nodes: Mapping[str, PlanNode]) -> Diagnostic:
    named = ", ".join(f"{name} ({nodes[name].component}, discipline {nodes[name].discipline})" for name in losses)
    found = f"not finite from step {step} on: {named}"
    if step == 1:
        found += "; nothing was learnt yet, so a target or what is read is not finite, or too large"
        fix = f"# look for such values in what {losses[0]} reads; otherwise mend the component"
        return Diagnostic("CN703", ("losses", losses[0]), found, "finite losses", fix)
    if len(losses) > 1:
        found += "; all at once, so a gradient before that step was not finite"
    fix = "train: {learning_rate: 1.0e-5}  # if it grew too large; otherwise mend the component"
    return Diagnostic("CN703", ("losses", losses[0]), found, "finite losses", fix)


def _not_finite_weights(names: list[str], step: int) -> Diagnostic:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    found = f"{len(names)} weights that are not finite after step {step}: {shown}"
    fix = "train: {learning_rate: 1.0e-5}" if step > 1 else "# mend the component whose gradient is not finite"
    return Diagnostic("CN703", (), found, "finite weights; nothing was saved", fix)
