"""Checks the keys under `train:`: that training takes them, that they go together, and that each does something."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from consilience.declare import TrainingKeys, diagnostics_of, paste
from consilience.errors import Diagnostic, Part, Severity
from consilience.plan._best import check_best, idle_beside_best
from consilience.plan._rate import check_schedule
from consilience.plan._resolved import Resolved

__all__ = ["check_training"]

_OWN_WORDS = {"num_train_epochs": "epochs", "per_device_train_batch_size": "batch_size"}
"""The transformers arguments that the file says in other words."""
_IDLE = "a key that does something"


def check_training(resolved: Resolved) -> None:
    """Notes keys that training does not take, that contradict each other, and that do nothing beside the others."""
    settings = resolved.fusion.train
    written = settings.arguments
    for key, own in _OWN_WORDS.items():
        if key in written:
            fix = f"{own}: {paste(written.pop(key))}"
            resolved.fault("CN120", ("train", key), f"the key {key}", f"the key {own}", fix, Part.KEY)
    try:
        keys = TrainingKeys.model_validate({**written, "learning_rate": settings.learning_rate})
    except ValidationError as error:
        told = diagnostics_of(error, TrainingKeys, ("train",))
        resolved.faults.extend(_without_repeats(told, settings.model_fields_set))
        return
    if keys.bf16 and keys.fp16:
        found = "both bf16 and fp16"
        resolved.fault("CN130", ("train", "fp16"), found, "one of bf16 and fp16", "# remove the key fp16", Part.KEY)
    check_schedule(resolved, keys)
    check_best(resolved, keys)
    for key, found, fix in (*_idle(keys), *idle_beside_best(keys)):
        resolved.fault("CN416", ("train", key), found, _IDLE, fix, severity=Severity.WARNING)


def _without_repeats(told: Iterable[Diagnostic], written: Collection[str]) -> Iterator[Diagnostic]:
    """Mends an unknown key by taking it away where the one that is meant is written too."""
    for fault in told:
        meant = fault.fix.partition(":")[0]
        if fault.code == "CN120" and meant in written:
            fault = replace(fault, fix=f"# remove the key {fault.path[-1]}, beside {meant}")
        yield fault


def _idle(keys: TrainingKeys) -> Iterator[tuple[str, str, str]]:
    """Gives the keys that do nothing beside the others, why, and what to write instead."""
    if keys.learning_rate == 0:
        yield "learning_rate", "0, by which nothing is learnt", "learning_rate: 5.0e-5"
    if keys.optim not in (None, "adamw_torch", "adamw_torch_fused"):
        for key in ("adam_beta1", "adam_beta2", "adam_epsilon"):
            if getattr(keys, key) is not None:
                yield key, f"{_number(getattr(keys, key))}, which {keys.optim} does not read", f"# remove the key {key}"
    steps, warmup = keys.max_steps, keys.warmup_steps or 0
    if warmup and keys.lr_scheduler_type == "constant":
        found = f"constant, which has no warm-up, beside warmup_steps: {_number(warmup)}"
        yield "lr_scheduler_type", found, "lr_scheduler_type: constant_with_warmup"
    elif steps is not None and warmup >= 1 and warmup >= steps:
        found = f"{_number(warmup)} of {steps} steps: the learning rate never gets where it should"
        yield "warmup_steps", found, "warmup_steps: 0.1"
    if keys.data_seed is not None and keys.train_sampling_strategy == "sequential":
        yield "data_seed", f"{keys.data_seed}, and the rows keep their order", "# remove the key data_seed"
    for key in ("torch_compile_backend", "torch_compile_mode"):
        if getattr(keys, key) is not None and not keys.torch_compile:
            yield key, f"{getattr(keys, key)}, and nothing is compiled", "torch_compile: true"
    if keys.run_name is not None and not keys.report_to:
        yield "run_name", "a name that no tracker is told", "# remove the key run_name"


def _number(value: Any) -> str:
    return f"{value:g}"
