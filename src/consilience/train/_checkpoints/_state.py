"""What a training goes on from: everything of a trainer that its next step depends on, written down and put back."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from transformers.trainer_callback import ExportableState

from consilience.errors import Diagnostic, RunError
from consilience.fuse import restore_states, states_of
from consilience.train._checkpoints._finite_weights import refuse_not_finite
from consilience.train._checkpoints._packing import pack, unpack
from consilience.train._checkpoints._since_logged import collect_sums, restore_sums
from consilience.train._checkpoints._staging import Staged

if TYPE_CHECKING:
    from consilience.train._checkpoints._resumable import ResumableTrainer

__all__ = ["collect", "load_callbacks", "load_optimizer", "load_rest", "load_rng", "load_sums", "load_weights", "write"]

WEIGHTS, OPTIMIZER, REST, STATE, PLUGINS = "model", "optimizer", "rest", "trainer_state.json", "plugins.json"
_FULL = StateDictOptions(full_state_dict=True, cpu_offload=True)


def collect(trainer: ResumableTrainer) -> dict[str, Any]:
    """Gives the state of all processes; each of them calls this, and one of them writes it.

    Raises `RunError` where a part is neither tensors nor what JSON can write.
    """
    weights, optimizer = _learnt(trainer)
    trained = [name for name, value in trainer.fused.named_parameters() if value.requires_grad and name in weights]
    step = trainer.state.global_step
    refuse_not_finite({name: weights[name] for name in trained}, step, "the checkpoint before stands")
    scheduler: Any = trainer.lr_scheduler
    scaler = getattr(trainer.accelerator, "scaler", None)
    rest = {
        "scheduler": scheduler.state_dict(),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "callbacks": _callbacks(trainer),
        "is_over": trainer.control.should_training_stop,
        "generators": gather_object([_generators(trainer.args.device)]),
        "logging": collect_sums(trainer),
    }
    # The history of the log lies in log.jsonl, and callbacks lie above.
    state = dataclasses.asdict(trainer.state) | {"log_history": [], "stateful_callbacks": {}}
    packed = {name: _pack(name, value) for name, value in ((OPTIMIZER, optimizer), (REST, rest))}
    return {
        WEIGHTS: _untied(weights),
        **packed,
        STATE: state,
        PLUGINS: states_of(trainer.fused) if trainer.args.should_save else {},
    }


def write(collected: Mapping[str, Any], staged: Staged) -> None:
    """Writes what `collect` gave."""
    weights, tied = collected[WEIGHTS]
    staged.tensors(f"{WEIGHTS}.safetensors", weights)
    staged.json(f"{WEIGHTS}.json", {"tied": tied})
    for name in (OPTIMIZER, REST):
        written, tensors = collected[name]
        staged.json(f"{name}.json", written)
        staged.tensors(f"{name}.safetensors", tensors)
    staged.json(STATE, collected[STATE])
    if collected[PLUGINS]:
        staged.json(PLUGINS, collected[PLUGINS])


def load_weights(trainer: ResumableTrainer, folder: Path, model: torch.nn.Module) -> None:
    """Puts the weights back, and what the plugins keep; raises `RunError` where they do not fit."""
    weights: dict[str, Any] = load_file(folder / f"{WEIGHTS}.safetensors")
    tied = json.loads((folder / f"{WEIGHTS}.json").read_text(encoding="utf-8"))["tied"]
    weights |= {name: weights[first] for name, first in tied.items()}
    try:
        if trainer.is_fsdp_enabled:
            set_model_state_dict(model, weights, options=_FULL)
        else:
            model.load_state_dict(weights)
    except RuntimeError as error:  # the first line of torch's names the class alone
        raise RunError(_misfit(folder, str(error).splitlines()[-1].strip())) from None
    restore_states(trainer.fused, folder)


def load_optimizer(trainer: ResumableTrainer, folder: Path) -> None:
    """Puts the optimizer back; raises `RunError` where it is of other parameters."""
    state = _unpack(folder, OPTIMIZER)
    optimizer: Any = trainer.optimizer
    try:
        if trainer.is_fsdp_enabled:
            set_optimizer_state_dict(trainer.model_wrapped, optimizer.optimizer, state, options=_FULL)
        else:
            optimizer.load_state_dict(state)
    except (ValueError, KeyError, RuntimeError) as error:
        raise RunError(_misfit(folder, f"the optimizer: {error}")) from None


def load_rest(trainer: ResumableTrainer, folder: Path) -> None:
    """Puts the schedule and the scaler of the gradients back."""
    rest = _unpack(folder, REST)
    scheduler: Any = trainer.lr_scheduler
    scheduler.load_state_dict(rest["scheduler"])
    scaler = getattr(trainer.accelerator, "scaler", None)
    if scaler is not None and rest["scaler"] is not None:
        scaler.load_state_dict(rest["scaler"])


def load_callbacks(trainer: ResumableTrainer, folder: Path) -> bool:
    """Puts back what callbacks keep, and tells whether the training was over."""
    rest = _unpack(folder, REST)
    waiting = {name: list(states) for name, states in rest["callbacks"].items()}
    for callback in _keeping(trainer):
        if states := waiting.get(type(callback).__name__):
            for name, value in states.pop(0).get("attributes", {}).items():
                setattr(callback, name, value)
    return bool(rest["is_over"])


def load_sums(trainer: ResumableTrainer, folder: Path) -> None:
    """Puts back what was summed since the last line of log; a checkpoint of an earlier version has none."""
    if kept := _unpack(folder, REST).get("logging"):
        restore_sums(trainer, kept)


def load_rng(trainer: ResumableTrainer, folder: Path) -> None:
    """Puts this process's generators back; a process that was not there before keeps its own."""
    states = _unpack(folder, REST)["generators"]
    if trainer.args.process_index >= len(states):
        return
    state = states[trainer.args.process_index]
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and trainer.args.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], trainer.args.device)


def _learnt(trainer: ResumableTrainer) -> tuple[dict[str, Any], Any]:
    optimizer: Any = trainer.optimizer
    if trainer.is_fsdp_enabled:  # gathered from all processes
        wrapped = trainer.model_wrapped
        gathered = get_optimizer_state_dict(wrapped, optimizer.optimizer, options=_FULL)
        return get_model_state_dict(wrapped, options=_FULL), gathered
    return trainer.fused.state_dict(), optimizer.state_dict()


def _untied(weights: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Keeps each tensor once, and the further names of one."""
    kept: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    first: dict[Any, str] = {}
    for name, tensor in weights.items():
        if not isinstance(tensor, Tensor):
            raise RunError(_not_kept(name, f"a value of type {type(tensor).__name__}"))
        same = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype) if tensor.numel() else name
        if same in first:
            tied[name] = first[same]
        else:
            first[same] = name
            kept[name] = tensor
    return kept, tied


def _callbacks(trainer: ResumableTrainer) -> dict[str, list[Any]]:
    states: dict[str, list[Any]] = {}
    for callback in _keeping(trainer):
        states.setdefault(type(callback).__name__, []).append(callback.state())
    return states


def _keeping(trainer: ResumableTrainer) -> list[Any]:
    return [callback for callback in trainer.callback_handler.callbacks if isinstance(callback, ExportableState)]


def _generators(device: torch.device) -> dict[str, Any]:
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _pack(name: str, state: Any) -> Any:
    try:
        return pack(state)
    except TypeError as error:
        raise RunError(_not_kept(name, str(error))) from None


def _unpack(folder: Path, name: str) -> Any:
    written = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    try:
        return unpack(written, load_file(folder / f"{name}.safetensors"))
    except SafetensorError as error:  # whole, by its hash, and yet unreadable: another version wrote it
        raise RunError(_misfit(folder, f"{name}.safetensors: {error}")) from None


def _not_kept(name: str, found: str) -> Diagnostic:
    fix = "# register_buffer what the next step needs, or keep it by consilience_state"
    return Diagnostic("CN738", (), f"{name}: {found}", "tensors, numbers, texts, lists and mappings", fix)


def _misfit(folder: Path, found: str) -> Diagnostic:
    fix = f"consilience train --resume {folder.parents[1]}  # with the fusion and the plugins that it began with"
    return Diagnostic("CN735", (), f"{folder}: {found}", "the state of the model and optimizer of this fusion", fix)
