"""Gives transformers the arguments that a plan trains with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from consilience.errors import DeclarationError, Diagnostic
from consilience.plan import Plan, rests

__all__ = ["arguments_of"]

_OURS = frozenset(
    {
        "gradient_checkpointing",
        "report_to",
        "run_name",
        "metric_for_best_model",
        "greater_is_better",
        "load_best_model_at_end",
        "early_stopping_patience",
        "early_stopping_threshold",
    }
)
"""The keys that are done here: transformers would do them to the whole model, or outside of the run's directory."""


def arguments_of(plan: Plan, folder: Path, progress: bool = True) -> TrainingArguments:
    """Gives the transformers arguments of a plan; raises `DeclarationError` when transformers refuses one."""
    settings = plan.fusion.train
    given: dict[str, Any] = {
        "logging_steps": 10,
        "accelerator_config": {"dispatch_batches": False},  # batches of a stream are of several lengths
        "dataloader_pin_memory": torch.cuda.is_available(),
        "eval_strategy": "epoch",
        "save_strategy": "steps" if settings.arguments.get("save_steps") else "epoch",
        "save_total_limit": 2,
        **{key: value for key, value in settings.arguments.items() if value is not None and key not in _OURS},
    }
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.accelerator.is_available():
        given["use_cpu"] = True  # accelerate would not see the other processes, and each would train a run of its own
    try:
        arguments = TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            seed=settings.seed,
            remove_unused_columns=False,
            report_to="none",
            logging_nan_inf_filter=False,  # it would wait for the device at every micro-batch
            disable_tqdm=not progress,
            # Every module that is trained reaches a loss; what only losses reach that may be off waits for no gradient.
            ddp_find_unused_parameters=any(rests(plan, node.name) for node in plan.of("losses")),
            **given,
        )
    except (ValueError, TypeError, ImportError) as error:
        raise DeclarationError(plan.fusion.locate([_refused(settings.arguments, error)])) from None
    # Without a launcher, transformers would replicate the model on every GPU it sees by nn.DataParallel, which keeps
    # neither tied weights nor hooks. `accelerate launch` runs one process a GPU.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _refused(arguments: Mapping[str, Any], error: Exception) -> Diagnostic:
    """Tells what transformers said, at the key that its text names: one that is asked for before others."""
    text = " ".join(str(error).split())
    named = sorted((key for key in arguments if key in text), key=lambda key: arguments[key] is not True)
    path = ("train", *named[:1])
    fix = f"{named[0]}: false" if named and arguments[named[0]] is True else f"# mend {'.'.join(path)}"
    return Diagnostic("CN130", path, text, "values that transformers' TrainingArguments takes", fix)
