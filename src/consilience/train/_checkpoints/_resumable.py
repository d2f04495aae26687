"""transformers' trainer with checkpoints of ours: whole or absent, proved, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import Trainer
from transformers.trainer import TRAINER_STATE_NAME

from consilience.fuse import FusedModel
from consilience.train._checkpoints import _state
from consilience.train._checkpoints._schedule_again import take_effect
from consilience.train._checkpoints._sharded import shard
from consilience.train._checkpoints._store import Checkpoints

__all__ = ["ResumableTrainer"]

assert TRAINER_STATE_NAME == _state.STATE  # transformers reads this file of a checkpoint itself


class ResumableTrainer(Trainer):
    """Saves and loads all that the next step depends on, so that a resumed training takes the very same steps.

    `checkpoints` is where they lie; without it nothing is saved. `accepted` are the keys of `train:` that changed.
    """

    checkpoints: Checkpoints | None = None
    accepted: frozenset[str] = frozenset()
    _is_over = False
    _unread: Path | None = None
    """The checkpoint of which the sums of the log are not read yet: transformers begins them anew after all else."""
    sums: dict[str, Tensor]
    """What is summed for the next line of the log."""

    def create_accelerator_and_postprocess(self) -> None:
        """Makes the accelerator, and shards where that is wished."""
        super().create_accelerator_and_postprocess()
        self.is_fsdp_enabled = shard(self.accelerator, self.args)

    @property
    def fused(self) -> FusedModel:
        """The model itself, whatever wraps it."""
        model: FusedModel = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        return model

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.checkpoints is None:
            return
        self.store_flos()
        step = self.state.global_step
        collected = _state.collect(self)
        if self.args.should_save:
            with self.checkpoints.write(step) as staged:
                _state.write(collected, staged)
            self.checkpoints.keep(self.args.save_total_limit)
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        _state.load_weights(self, Path(resume_from_checkpoint), model if model is not None else self.fused)

    def _init_training_state(
        self,
        max_steps: int,
        num_update_steps_per_epoch: int,
        num_train_epochs: int,
        resume_from_checkpoint: str | None,
        trial: Any,
    ) -> tuple[int, int]:
        found: tuple[int, int] = super()._init_training_state(
            max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
        )
        if resume_from_checkpoint is not None:
            self._is_over = _state.load_callbacks(self, Path(resume_from_checkpoint))
            self._unread = Path(resume_from_checkpoint)
            self.state.compute_steps(self.args, max_steps)  # the file's are those of the arguments then
        return found

    def _load_callback_state(self) -> None:
        """Does nothing: transformers would make the callbacks anew."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        fresh = [{key: value for key, value in group.items() if key != "params"} for group in self._groups()]
        scheduler: Any = self.lr_scheduler
        bases = list(scheduler.base_lrs)
        _state.load_optimizer(self, Path(checkpoint))
        _state.load_rest(self, Path(checkpoint))
        if self.accepted:
            take_effect(self._groups(), fresh, scheduler, bases)

    def _load_scaler(self, checkpoint: str | None) -> None:
        """Does nothing: it is loaded with the optimizer."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            _state.load_rng(self, Path(checkpoint))

    def _run_epoch(self, *arguments: Any, **options: Any) -> None:
        _set_epoch(options["train_dataloader"], options["epoch"])
        self._read_sums()
        is_last = self.state.global_step >= self.state.max_steps
        if is_last or (self._is_over and not self.accepted):
            self.control.should_training_stop = True  # the checkpoint was of the last step
            return
        super()._run_epoch(*arguments, **options)  # type: ignore[no-untyped-call]

    def _finalize_training(self, *arguments: Any, **options: Any) -> Any:
        self._read_sums()  # no epoch is run after the checkpoint of the last one's end
        return super()._finalize_training(*arguments, **options)  # type: ignore[no-untyped-call]

    def _read_sums(self) -> None:
        if self._unread is not None:
            _state.load_sums(self, self._unread)
            self._unread = None

    def _groups(self) -> list[dict[str, Any]]:
        optimizer: Any = self.optimizer
        groups: list[dict[str, Any]] = optimizer.param_groups
        return groups


def _set_epoch(loader: Any, epoch: int) -> None:
    """Tells each sampler the epoch: accelerate and transformers miss those behind a part of several, and a skipping."""
    sampler: Any = loader
    while sampler is not None:
        if sampler is not loader and hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
        inner = getattr(sampler, "batch_sampler", None)  # compared with None: one without an end has no length
        sampler = inner if inner is not None else getattr(sampler, "sampler", None)
