"""Collects what a model answered over a split, and measures it with scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from consilience.evidence._answers import CHOSEN, Answer
from consilience.evidence._report import AnswerReport
from consilience.plan import Plan

__all__ = ["Collected"]

_IGNORED = -100
"""The label of a token that stands for no word."""


@dataclass
class Collected:
    """The predictions and targets of one answer, over the examples that have what its loss needs."""

    answer: Answer
    masks: tuple[str, ...]
    """The keys of the batch that tell which examples those are."""
    predicted: list[Tensor] = field(default_factory=list)
    true: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(cls, plan: Plan, answer: Answer) -> Collected:
        """Starts to collect an answer of a plan."""
        return cls(answer, plan.present_keys(answer.loss))

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Takes in one batch."""
        present = torch.stack([values[name] for name in self.masks]).all(dim=0)
        scores, true = values[str(self.answer.ref)][present].float(), values[str(self.answer.target)][present]
        kind = self.answer.kind.word
        if kind == "categories":
            scores = scores.sigmoid() >= CHOSEN
        elif kind in ("category", "token_labels"):
            counted = true != _IGNORED
            scores, true = scores.argmax(-1)[counted], true[counted]
        self.predicted.append(scores.cpu())
        self.true.append(true.cpu())

    def report(self) -> AnswerReport:
        """Measures what was collected: a classification report, or r, squared and absolute error."""
        true = torch.cat(self.true).numpy()
        predicted = torch.cat(self.predicted).numpy()
        name, kind = (self.answer.name, self.answer.field), self.answer.kind.word
        if not len(true):
            return AnswerReport(*name, kind, 0, {}, "no example has the target")
        if kind in ("number", "numbers"):
            measured = _regression(self.answer, true, predicted)
            return AnswerReport(*name, kind, len(true), measured, _lines(measured))
        return AnswerReport(*name, kind, len(true), **_classification(self.answer, true, predicted))


def _classification(answer: Answer, true: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> dict[str, Any]:
    from sklearn.metrics import classification_report

    options: dict[str, Any] = {
        "labels": list(range(len(answer.labels))),
        "target_names": list(answer.labels),
        "zero_division": 0,
    }
    return {
        "measured": classification_report(true, predicted, output_dict=True, **options),
        "text": classification_report(true, predicted, digits=3, **options).rstrip("\n"),
    }


def _regression(answer: Answer, true: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> dict[str, Any]:
    if answer.kind.word == "number":
        return {"value": _errors(true, predicted)}
    return {name: _errors(true[:, place], predicted[:, place]) for place, name in enumerate(answer.labels)}


def _errors(true: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> dict[str, float | None]:
    known = np.isfinite(true)
    true, predicted = true[known].astype(np.float64), predicted[known].astype(np.float64)
    if not len(true):
        return {"r": None, "mean_squared_error": None, "mean_absolute_error": None}
    varies = len(true) > 1 and true.std() > 0 and predicted.std() > 0
    r = float(np.corrcoef(true, predicted)[0, 1]) if varies else math.nan
    return {
        "r": r if math.isfinite(r) else None,
        "mean_squared_error": float(np.mean((true - predicted) ** 2)),
        "mean_absolute_error": float(np.mean(np.abs(true - predicted))),
    }


def _lines(measured: Mapping[str, Mapping[str, float | None]]) -> str:
    width = max(len(name) for name in measured) + 2
    lines = [f"{'':{width}}{'r':>10}{'MSE':>12}{'mean |error|':>15}"]
    for name, errors in measured.items():
        r, squared, absolute = ("-" if value is None else f"{value:.4g}" for value in errors.values())
        lines.append(f"{name:{width}}{r:>10}{squared:>12}{absolute:>15}")
    return "\n".join(lines)
