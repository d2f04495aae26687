"""Takes one step of training by the real way, with what is read from disk kept between trials."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import io
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from consilience.data import prepare, training_rows
from consilience.errors import RunError
from consilience.fuse import FusedModel, build_collator, fuse
from consilience.host import Registry
from consilience.plan import Plan
from consilience.plan._weighing import schedules_of

__all__ = ["Unsound", "keep_what_is_read", "registry_of_all", "train_one_step"]

_FOLDER = Path(tempfile.gettempdir()) / "consilience-tried"
"""Where a run would be kept: the trainer makes the folder, and writes nothing but the features of frozen modules."""


class Unsound(Exception):
    """A fusion that passed the check did not take its first step as it should."""


@functools.cache
def registry_of_all() -> Registry:
    """Gives a registry with every installed plugin loaded, once a process."""
    registry = Registry()
    for namespace in registry.namespaces():
        fault = registry.load(namespace)
        assert fault is None, fault
    return registry


def train_one_step(plan: Plan) -> None:
    """Does what `train` does up to the first optimizer step, and measures the metrics on one batch.

    Raises what is raised on the way, and `Unsound` for a step that was not taken, a loss or a gradient that is not
    finite, and a parameter that is trained and got no gradient.
    """
    from transformers import set_seed

    from consilience.fuse._files import check_savable
    from consilience.train._arguments import arguments_of
    from consilience.train._measure import build_metrics, measure
    from consilience.train._validation import evaluation_loader

    arguments = arguments_of(plan, _FOLDER, progress=False)
    prepared = prepare(plan)
    set_seed(plan.fusion.train.seed)
    model = fuse(plan)
    build_metrics(plan)
    check_savable(model)
    arguments.dataloader_num_workers = 0
    arguments.torch_compile = False
    for name in [name for name in os.environ if name.startswith("ACCELERATE_DYNAMO_")]:
        del os.environ[name]  # it would compile for half a minute, and whatever comes after too
    _step(plan, model, prepared, arguments)
    if plan.of("metrics") and len(prepared.validation):
        batch = next(iter(evaluation_loader(plan, prepared, "validation", 3)))
        measure(model, plan, [batch])


def _step(plan: Plan, model: FusedModel, prepared: Any, arguments: Any) -> None:
    from transformers import PrinterCallback, TrainerCallback

    from consilience.train._keeping import keep_features
    from consilience.train._objective._scheduled import SchedulesFit
    from consilience.train._step_ended import StepEnded
    from consilience.train._trainer import FusionTrainer
    from consilience.train._tuned_steps import TunedSteps

    class Watch(TrainerCallback):
        """Looks at the gradients before the optimizer uses them up."""

        faults: tuple[str, ...] = ()

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self.faults = tuple(_wrong_gradients(model, state.max_steps))

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            control.should_training_stop = True

    watch = Watch()
    seed = plan.fusion.train.seed if arguments.data_seed is None else arguments.data_seed
    losses = [node.name for node in plan.of("losses")]
    kept = keep_features(model, prepared, arguments, lambda told: None, progress=False)
    collator = kept.collator(plan, losses, seed, "train") if kept else build_collator(plan, losses, seed)
    rows, order = training_rows(plan, prepared, arguments.train_batch_size, seed)
    trainer = FusionTrainer(
        sampler=order,
        measure=None,
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collator,
        callbacks=[watch],
    )
    for callback in (SchedulesFit(plan), TunedSteps(trainer), StepEnded(trainer)):
        trainer.add_callback(callback)
    trainer.remove_callback(PrinterCallback)
    before = arguments.full_determinism
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            trainer.train()
        except RunError as error:
            raise Unsound(str(error)) from error
    if before:
        _forget_determinism()
    if trainer.state.global_step != 1:
        raise Unsound("no step was taken")
    if watch.faults:
        raise Unsound("; ".join(watch.faults[:4]))


def _wrong_gradients(model: FusedModel, steps: int) -> Iterator[str]:
    import torch

    plan = model.plan
    on = [loss.name for loss in plan.of("losses") if _counts(plan, loss.name, steps)]
    reached = {plan.nodes[name].share or name for name in plan.needed(on)}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None and (name.startswith("balancer.") or name.split(".")[1] in reached):
            yield f"no gradient for {name}, which is trained"
        elif parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            yield f"a gradient of {name} that is not finite"


def _counts(plan: Plan, loss: str, steps: int) -> bool:
    """Tells whether a loss weighs something in the first of so many steps: else it is not run."""
    factors = [schedule.factor(0, steps) for schedule in schedules_of(plan.fusion, loss)]
    return bool(plan.weight(loss)) and all(factors)


def _forget_determinism() -> None:
    import torch

    torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def keep_what_is_read() -> Iterator[None]:
    """Keeps tables, graphs and checkpoints between trials, and is quiet: the files do not change while we try."""
    import torch
    import transformers

    import consilience.train._trainer
    from consilience.standard import _sources
    from consilience.standard.built import pretrained

    assert consilience.train._trainer.FusionTrainer
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    features = _FOLDER / f"features-{os.getpid()}"
    os.environ["CONSILIENCE_CACHE"] = str(features)
    transformers.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    read, model, tokenizer = _sources.Table._read, pretrained.load_model, pretrained.load_tokenizer
    load = _sources.Hub._load
    _sources.Hub._load = _kept_by_text(load)  # type: ignore[method-assign]
    _sources.Table._read = _kept_by_text(read)  # type: ignore[method-assign]
    pretrained.load_model = _copied(functools.cache(model))
    pretrained.load_tokenizer = functools.cache(tokenizer)
    gc.collect()
    gc.freeze()  # the trainer collects garbage: what is imported by now is none
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        gc.unfreeze()
        _sources.Table._read, pretrained.load_model, pretrained.load_tokenizer = read, model, tokenizer  # type: ignore[method-assign]
        torch.set_num_threads(threads)
        _sources.Hub._load = load  # type: ignore[method-assign]
        del os.environ["CONSILIENCE_CACHE"]
        shutil.rmtree(features, ignore_errors=True)
        logging.disable(logging.NOTSET)


def _kept_by_text(read: Callable[..., Any]) -> Any:
    kept: dict[Any, Any] = {}

    def read_once(self: Any, *arguments: Any, **options: Any) -> Any:
        key = (str(self.path.path), self.model_dump_json(), str((arguments, options)))
        if key not in kept:
            kept[key] = read(self, *arguments, **options)
        return kept[key]

    return read_once


def _copied(load: Callable[..., Any]) -> Callable[..., Any]:
    def load_copy(*arguments: Any) -> Any:
        return copy.deepcopy(load(*arguments))

    return load_copy
