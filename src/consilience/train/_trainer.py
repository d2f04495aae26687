"""The trainer: transformers' own, with the objective in the place of the model's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.utils.data import Sampler
from transformers import IntervalStrategy

from consilience.fuse import FusedModel
from consilience.train._best import BestModel
from consilience.train._checkpoints._finite_weights import refuse_not_finite
from consilience.train._checkpoints._resumable import ResumableTrainer
from consilience.train._checkpoints._sharded import gathered, reshard
from consilience.train._gradients._meter import Meter
from consilience.train._gradients._parameters import Setting
from consilience.train._gradients._steps import EpochEnded, Teller, check_whole, gradient_step
from consilience.train._gradients._weights_told import weights_told
from consilience.train._objective._finite import FiniteWatch
from consilience.train._objective._objective import Objective, Terms, Window
from consilience.train._objective._unused import with_balancer
from consilience.train._optimizer import own_rates, parameter_groups
from consilience.train._ranks import Ranks

__all__ = ["FusionTrainer"]


class FusionTrainer(ResumableTrainer):
    """Trains a `FusedModel` on the objective; logs every loss and every discipline's share without a sync each step."""

    def __init__(
        self,
        *,
        sampler: Sampler[Any] | None,
        measure: Callable[[], dict[str, float]] | None,
        best: BestModel | None = None,
        **options: Any,
    ) -> None:
        if measure is None:
            options["args"].eval_strategy = IntervalStrategy.NO
        super().__init__(**{"eval_dataset": options["train_dataset"], **options})  # which it asks for, and never reads
        self._best = best
        assert isinstance(self.model, FusedModel)
        self._objective = Objective(self.model)
        if self.args.ddp_find_unused_parameters:
            self.model.register_forward_hook(with_balancer)
        self._plan = self.model.plan
        self._sampler = sampler
        self._measure = measure
        self.sums = {}  # `steps/NAME`: in how many steps since the last log some row counted for a loss
        self._factors: Mapping[str, Tensor] = {}
        """What the balancer gave for the last micro-batch."""
        self._finite = FiniteWatch(self.model, self._objective, self.accelerator, self.train_dataset)
        self.numbers: dict[str, Any] = {}
        """What the plugins tell of the last step, for the log."""
        check_whole(self._plan, self.accelerator.distributed_type)
        ranks = Ranks(self.args.device)
        self._teller = Teller(self.model, self._objective, ranks)
        self.add_callback(EpochEnded(self.model))
        self._meter = Meter(self.model, ranks)
        setting = Setting(ranks, self.accelerator.autocast, self._note, self._meter)
        self._by_gradients = gradient_step(self.model, self._objective, setting)
        # The objective divides by the whole window's counts: the loss must not be divided once more.
        self.model_accepts_loss_kwargs = True

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """Collects the micro-batches of a step, and counts what each loss averages over in all of them."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
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
            self._add(f"steps/{name}", counted)
        window = Window(counts, len(batches), self.accelerator.num_processes, step, steps)
        self._finite.begin(batches, window)
        return batches, window

    def _prepare_inputs(self, inputs: Any) -> Any:
        """Lets a batch be empty: a loss of parameters alone reads no row."""
        return super()._prepare_inputs(inputs) if inputs else inputs

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Leaves a micro-batch's gradient; where gradients are weighed, past the wrapper that would exchange them."""
        if self._meter.measures(num_items_in_batch):
            self.control.should_log = True
        if self._by_gradients is None:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        return self._by_gradients(self._prepare_inputs(inputs), num_items_in_batch)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Gives one micro-batch's part of the objective."""
        window: Window = num_items_in_batch
        output = model(inputs, outputs=tuple(self._objective.weights(window.step, window.steps)))
        terms = self._objective(output, inputs, window)
        self._note(terms)
        self._factors = terms.factors
        self._finite.take(terms)
        self._teller.take(terms, window)
        self._meter.take(terms, window)
        return (terms.total, output) if return_outputs else terms.total

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Stops before the optimizer moves anything by what is not finite."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        norm = gathered(norm) if isinstance(norm, Tensor) else norm
        self._finite.check(self._tr_loss, norm)
        return norm

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Measures the metrics on the validation split."""
        measured = {f"eval_{name}": value for name, value in self._measure().items()} if self._measure else {}
        reshard(self.fused)
        if self.accelerator.num_processes > 1:  # all go by what the first one measured
            [measured] = broadcast_object_list([measured])
        self.log(dict(measured))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, measured)
        return measured

    def whole_weights(self) -> dict[str, Tensor] | None:
        """Gathers the weights of a model that is sharded over the processes, which all call it; None of any other."""
        if not self.is_fsdp_enabled:
            return None
        gathered: dict[str, Tensor] = self.accelerator.get_state_dict(self.model)
        return gathered

    def rows_of(self, steps: int) -> int:
        """Counts the rows of some steps, as if every batch was full."""
        arguments = self.args
        each = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
        return int(steps * each)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Keeps the weights when they measured better than any before; a value that is no number never does."""
        if self.args.metric_for_best_model not in metrics:
            return False
        if self._best is not None:
            self._best.forget_lost(self)
        is_best: bool = super()._determine_best_metric(metrics, trial)
        if is_best:
            self.state.best_global_step = self.state.global_step
            if self._best is not None:
                self._best.keep(self)
        return is_best

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the mean of every loss, and each discipline's share of the weighted sum, since the last time.

        A loss is averaged over the steps in which some row counted for it; a weight that changes is the last step's.
        """
        if "train_loss" in logs:
            logs["train_loss"] = self._whole_loss() / max(self.state.global_step, 1)
        if "loss" in logs and any(name.startswith("loss/") for name in self.sums):
            logs |= self._summary()
            logs |= self._weights()
            logs |= {name: float(value) for name, value in self.numbers.items()}
            logs |= self._by_gradients.figures() if self._by_gradients is not None else {}
            logs |= self._meter.pull()
            if self.optimizer is not None and "learning_rate" in logs:
                rates = own_rates(self.optimizer.param_groups, logs["learning_rate"])
                logs |= {f"learning_rate/{name}": rate for name, rate in rates}
        super().log(logs, start_time)

    def _whole_loss(self) -> float:
        """Sums the loss over the steps of the whole run: the loop ends by adding what this process alone summed."""
        rest = self._tr_loss.detach()
        return float(self._total_loss_scalar - rest.item() + self.accelerator.gather(rest).mean().item())

    def check_finite(self) -> None:
        """Raises `RunError` when a weight that the last step left is not finite."""
        weights = {name: value for name, value in self.fused.named_parameters() if value.requires_grad}
        refuse_not_finite(weights, self.state.global_step, "nothing was saved")

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Leaves the balancer's parameters out of weight decay: it would pull the weights of the losses about."""
        return [name for name in super().get_decay_parameter_names(model) if not name.startswith("balancer.")]

    def create_optimizer(self, model: Any = None) -> Any:
        """Makes the optimizer, with a group of its own for each module to which the fusion gives a rate or a decay."""
        chosen: Any = self.model if model is None else model
        decayed = frozenset(self.get_decay_parameter_names(chosen))
        arguments = self.args
        groups = parameter_groups(
            self.fused, dict(chosen.named_parameters()), decayed, arguments.learning_rate, arguments.weight_decay
        )
        if groups is None or self.optimizer is not None:
            return super().create_optimizer(model)
        kind, options = self.get_optimizer_cls_and_kwargs(arguments, chosen)
        self.optimizer = kind(groups, **options)
        return self.optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self._sampler if self._sampler is not None else super()._get_train_sampler(train_dataset)

    def _note(self, terms: Terms) -> None:
        for kind, values in (("loss", terms.losses), ("weighted", terms.weighted)):
            for name, value in values.items():
                self._add(f"{kind}/{name}", value)

    def _add(self, key: str, value: Tensor) -> None:
        self.sums[key] = self.sums[key] + value if key in self.sums else value.clone()

    def _weights(self) -> dict[str, float]:
        weights = self._objective.weights(self.state.global_step - 1, self.state.max_steps)
        objectives: Mapping[str, Sequence[str]] = {name: (name,) for name in self._objective.losses}
        balanced: Mapping[str, float] | None = None
        if self._by_gradients is not None:
            balanced, objectives = self._by_gradients.balanced, self._by_gradients.objectives
        elif self._plan.balancer.varies and self._factors:
            given = torch.stack([value.float().cpu() for value in self._factors.values()]).tolist()
            balanced = dict(zip(self._factors, given, strict=True))
        return weights_told(weights, self._objective.scheduled, balanced, objectives)

    def _summary(self) -> dict[str, float]:
        summed = torch.stack([value.float() for value in self.sums.values()])
        means = self.accelerator.reduce(summed, reduction="mean").tolist()
        sums = dict(zip(self.sums, means, strict=True))
        self.sums.clear()
        steps = {key.removeprefix("steps/"): count for key, count in sums.items() if key.startswith("steps/")}
        losses = {key: sums[key] / count for name, count in steps.items() if count and (key := f"loss/{name}") in sums}
        # What no row counted for has no share: a step by gradients leaves it out.
        return losses | self._shares({name: sums.get(f"weighted/{name}", 0.0) for name in steps})

    def _shares(self, weighted: Mapping[str, float]) -> dict[str, float]:
        """Gives each discipline's share of the weighted sum, by size: a loss may be negative."""
        whole = sum(abs(value) for value in weighted.values()) or 1.0
        shares = dict.fromkeys(self._plan.disciplines, 0.0)
        for name, value in weighted.items():
            shares[self._plan.nodes[name].discipline] += abs(value) / whole
        return {f"share/{name}": share for name, share in shares.items()}
