"""The trainer: transformers' own, with the objective in the place of the model's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler
from transformers import Trainer

from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel
from consilience.train._finite import FiniteWatch
from consilience.train._objective import Objective, Terms, Window
from consilience.train._rows import idle
from consilience.train._shards import deal, is_idle, with_balancer

__all__ = ["FusionTrainer"]


class FusionTrainer(Trainer):
    """Trains a `FusedModel` on the objective; logs every loss and every discipline's share without a sync each step."""

    def __init__(
        self, *, sampler: Sampler[int] | None, measure: Callable[[], dict[str, float]] | None, **options: Any
    ) -> None:
        super().__init__(**options)
        assert isinstance(self.model, FusedModel)
        self._objective = Objective(self.model)
        if self.args.ddp_find_unused_parameters:
            self.model.register_forward_hook(with_balancer)
        self._plan = self.model.plan
        self._sampler = sampler
        self._measure = measure
        self._sums: dict[str, Tensor] = {}
        self._averaged: dict[str, Tensor] = {}
        """In how many steps since the last log some row counted for each loss."""
        self._finite = FiniteWatch(self.model, self._objective, self.accelerator, self.train_dataset)
        self.numbers: dict[str, Any] = {}
        """What the plugins tell of the last step, for the log."""
        # The objective divides by the whole window's counts: the loss must not be divided once more.
        self.model_accepts_loss_kwargs = True

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """Collects the micro-batches of a step, and counts what each loss averages over in all of them."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if is_idle(self.accelerator.gradient_state.active_dataloader):
            batches[-1] = idle(batches[-1])
        step, steps = self.state.global_step, self.state.max_steps
        weights = self._objective.weights(step, steps)
        counts = self._objective.counts(batches, weights)
        if counts:
            names = sorted(counts)
            summed = torch.stack([counts[name] for name in names]).to(device)
            summed = self.accelerator.reduce(summed, reduction="sum")
            counts = dict(zip(names, summed.unbind(), strict=True))
        for name in weights:
            counted = (counts[name] > 0).float() if name in counts else torch.ones((), device=device)
            self._averaged[name] = self._averaged[name] + counted if name in self._averaged else counted
        window = Window(counts, len(batches), self.accelerator.num_processes, step, steps)
        self._finite.begin(batches, window)
        return batches, window

    def get_train_dataloader(self) -> Any:
        """Gives the training batches: across processes every row once."""
        loader = super().get_train_dataloader()
        deal(loader)
        return loader

    def _prepare_inputs(self, inputs: Any) -> Any:
        """Lets a batch be empty: a loss of parameters alone reads no row."""
        return super()._prepare_inputs(inputs) if inputs else inputs

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Gives one micro-batch's part of the objective."""
        window = num_items_in_batch
        output = model(inputs, outputs=tuple(self._objective.weights(window.step, window.steps)))
        terms = self._objective(output, inputs, window)
        self._note(terms)
        return (terms.total, output) if return_outputs else terms.total

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Stops before the optimizer moves anything by what is not finite."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        self._finite.check(self._tr_loss, norm)
        return norm

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Measures the metrics on the validation split."""
        measured = {f"eval_{name}": value for name, value in self._measure().items()} if self._measure else {}
        self.log(dict(measured))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, measured)
        return measured

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the mean of every loss, and each discipline's share of the weighted sum, since the last time.

        A loss is averaged over the steps in which some row counted for it; a weight that changes is the last step's.
        """
        if "loss" in logs and self._sums:
            logs |= self._summary()
            weights = self._objective.weights(self.state.global_step - 1, self.state.max_steps)
            logs |= {f"weight/{name}": weights.get(name, 0.0) for name in self._objective.scheduled}
            logs |= {name: float(value) for name, value in self.numbers.items()}
        super().log(logs, start_time)

    def check_finite(self) -> None:
        """Raises `RunError` when a weight that the last step left is not finite."""
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

    def _summary(self) -> dict[str, float]:
        names = list(self._sums)
        averaged = [name.removeprefix("loss/") for name in names if name.startswith("loss/")]
        values = [*(self._sums[name] for name in names), *(self._averaged[name] for name in averaged)]
        summed = self.accelerator.reduce(torch.stack([value.float() for value in values]), reduction="mean").tolist()
        sums, steps = dict(zip(names, summed, strict=False)), dict(zip(averaged, summed[len(names) :], strict=True))
        self._sums, self._averaged = {}, {}
        losses = {f"loss/{name}": sums[f"loss/{name}"] / count for name, count in steps.items() if count}
        return losses | self._shares({name: sums[f"weighted/{name}"] for name in averaged})

    def _shares(self, weighted: Mapping[str, float]) -> dict[str, float]:
        """Gives each discipline's share of the weighted sum, by size: a loss may be negative."""
        whole = sum(abs(value) for value in weighted.values()) or 1.0
        shares = dict.fromkeys(self._plan.disciplines, 0.0)
        for name, value in weighted.items():
            shares[self._plan.nodes[name].discipline] += abs(value) / whole
        return {f"share/{name}": share for name, share in shares.items()}


def _not_finite_weights(names: list[str], step: int) -> Diagnostic:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    found = f"{len(names)} weights that are not finite after step {step}: {shown}"
    fix = "train: {learning_rate: 1.0e-5}" if step > 1 else "# mend the component whose gradient is not finite"
    return Diagnostic("CN703", (), found, "finite weights; nothing was saved", fix)
