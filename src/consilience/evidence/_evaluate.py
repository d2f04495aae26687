"""Evaluates a run on a split, in one pass over its rows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from consilience.data import prepare
from consilience.errors import ConsilienceError, Diagnostic, RunError, nearest
from consilience.evidence._answers import answers_of
from consilience.evidence._changed import ChangedData, changes_noted
from consilience.evidence._collect import Collected
from consilience.evidence._device import best_device
from consilience.evidence._report import AnswerReport, Report
from consilience.fuse import FusedModel
from consilience.plan import Plan
from consilience.train import Run, describe_device, evaluation_loader, measure, to_device

__all__ = ["evaluate"]

_SPLITS = ("test", "validation", "train")
_FEW = 8
"""The rows of the batch that plugins measure the model on: some run it many times."""


def evaluate(
    run: Run | str | os.PathLike[str],
    split: str = "test",
    announce: Callable[[str], None] | None = None,
    progress: bool = True,
    device: torch.device | None = None,
    changed_data: ChangedData = "refuse",
) -> Report:
    """Measures the trained model of a run on a split, and keeps the report as `report-<split>.json` in the run.

    Raises `RunError` when the run, the split or its rows are missing, and when a file of the run's sources or resources
    changed since the training (`changed_data="note"` measures nevertheless, and says so in the report's notes);
    `DataError` when the changed data are at fault.
    """
    say = announce or (lambda text: None)
    run = run if isinstance(run, Run) else Run.open(run)
    plan = run.plan
    _check(plan, split)
    changes = changes_noted(run, changed_data)
    say(f"reading {', '.join(plan.sources)}")
    prepared = prepare(plan)
    loader = evaluation_loader(plan, prepared, split)
    rows = len(loader.dataset)  # type: ignore[arg-type]
    model = run.model()
    torch.nn.Module.to(model, device or best_device())
    say(f"evaluating {rows:,} rows of {split} on {describe_device(model.device)}")
    started = time.monotonic()
    metrics, answers = _measured(plan, model, _shown(loader, split, progress))
    seconds = time.monotonic() - started
    say("measuring what the plugins report")
    sections, notes = _sections(plan, model, next(iter(evaluation_loader(plan, prepared, split, _FEW))))
    report = Report(
        name=plan.fusion.name,
        run=str(run.path),
        split=split,
        rows=rows,
        seed=plan.fusion.train.seed,
        metrics=metrics,
        answers=answers,
        sections=sections,
        notes=(*changes, *notes),
        seconds=round(seconds, 3),
        device=describe_device(model.device),
    )
    run.write_json(f"report-{split}.json", report.to_dict())
    return report


def _measured(
    plan: Plan, model: FusedModel, batches: Iterable[Mapping[str, Tensor]]
) -> tuple[dict[str, Any], dict[str, AnswerReport]]:
    """Gives the metrics, and what was measured of each answer, in one pass over the batches."""
    answers = {name: Collected.of(plan, answer) for name, answer in answers_of(plan).items()}

    def collect(values: Mapping[str, Tensor]) -> None:
        for collected in answers.values():
            collected.add(values)

    metrics = measure(model, plan, batches, list(answers), collect)
    named = {name: _labelled(plan, name, value) for name, value in metrics.items()}
    return named, {name: collected.report() for name, collected in answers.items()}


def _check(plan: Plan, split: str) -> None:
    if split not in _SPLITS:
        fix = f"--split {nearest(split, _SPLITS) or 'test'}"
        raise RunError(
            Diagnostic("CN707", ("split",), f"the unknown split {split}", f"one of {', '.join(_SPLITS)}", fix)
        )
    if not plan.of("metrics") and not plan.answers():
        fix = "metrics: {accuracy: {use: accuracy, in: module, target: field}}"
        found = "no metric, and no module that a loss compares with what a field holds"
        raise RunError(Diagnostic("CN708", ("metrics",), found, "something to measure", fix))


def _shown(batches: Any, split: str, progress: bool) -> Iterable[Mapping[str, Tensor]]:
    from tqdm import tqdm

    shown: Iterable[Mapping[str, Tensor]] = tqdm(batches, desc=split, unit="batch", disable=not progress, leave=False)
    return shown


def _labelled(plan: Plan, metric: str, value: Any) -> Any:
    """Puts names to a value for each class, and to a table of classes against classes."""
    if not isinstance(value, list):
        return value
    for space in plan.solved[metric].spaces.values():
        if len(value) == len(space):
            if all(isinstance(row, list) and len(row) == len(space) for row in value):
                return {"labels": list(space.labels), "matrix": value}
            if not any(isinstance(row, list) for row in value):
                return dict(zip(space.labels, value, strict=True))
    return value


def _sections(
    plan: Plan, model: FusedModel, batch: Mapping[str, Tensor]
) -> tuple[dict[str, Mapping[str, object]], tuple[str, ...]]:
    """Asks the plugins for their sections, each by itself: what one of them raises is a note in the report."""
    sections: dict[str, Mapping[str, object]] = {}
    notes = []
    on_device = to_device(batch, model.device)
    for namespace in plan.namespaces:
        try:
            sections |= plan.registry.call("consilience_report_section", [namespace], model=model, batch=on_device)
        except Exception as error:
            text = error.diagnostics[0].found if isinstance(error, ConsilienceError) else " ".join(str(error).split())
            notes.append(f"the section of {namespace} failed: {type(error).__name__}: {text}")
    return sections, tuple(notes)
