"""Answers: what a fusion can be asked, and what a module's tensor says in the labels of the field it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from consilience.declare import FieldType
from consilience.plan import TARGET, Plan, Ref

__all__ = ["Answer", "answers_of", "first_positions"]

CHOSEN = 0.5
"""The probability from which one of several labels at once is chosen."""


@dataclass(frozen=True)
class Answer:
    """One question to a fusion: the module's port that answers, and the field that it estimates."""

    name: str
    ref: Ref
    field: str
    kind: FieldType
    labels: tuple[str, ...]
    loss: str
    target: Ref
    words: Ref | None = None
    """For labels of words: the port that tells the word of each token."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The nodes whose values decoding needs."""
        return (self.name, self.words.node) if self.words else (self.name,)

    def decode(self, values: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """Says, for each example, what the module's values mean: labels by name with probabilities, or numbers."""
        scores = values[str(self.ref)].detach().float()
        return _DECODERS[self.kind.word](self, scores, values)


def answers_of(plan: Plan) -> dict[str, Answer]:
    """Lists the answers of a plan by the name of their module, in the order of the fusion."""
    found = {}
    for name, (ref, field) in plan.answers().items():
        space = plan.labels(field)
        loss = next(loss.name for loss in plan.of("losses") if _compares(plan, loss.name, ref, field))
        target = plan.wiring(loss)[TARGET][0]
        aligned = plan.wiring(target.node).get("words", ()) if target.node not in plan.fields else ()
        words = aligned[0] if aligned else None
        labels = space.labels if space else ()
        found[name] = Answer(name, ref, field, plan.fields[field], labels, loss, target, words)
    order = list(plan.fusion.modules)
    return {name: found[name] for name in sorted(found, key=order.index)}


def _compares(plan: Plan, loss: str, ref: Ref, field: str) -> bool:
    target = plan.target_of(loss)
    read = [other for port, refs in plan.wiring(loss).items() if port != TARGET for other in refs]
    return target is not None and plan.field_of(target) == field and ref in read


def first_positions(words: Tensor) -> Tensor:
    """Finds the first token of each word (`Bool["batch seq"]`) from the word of each token, -1 where it has none."""
    before = torch.nn.functional.pad(words[:, :-1], (1, 0), value=-1)
    return (words >= 0) & (words != before)


def _category(answer: Answer, scores: Tensor, values: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    rows = scores.softmax(-1).tolist()
    return [{"label": _best(answer, row), "probabilities": _named(answer, row)} for row in rows]


def _categories(answer: Answer, scores: Tensor, values: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    rows = [_named(answer, row) for row in scores.sigmoid().tolist()]
    return [{"labels": [name for name, share in row.items() if share >= CHOSEN], "probabilities": row} for row in rows]


def _number(answer: Answer, scores: Tensor, values: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    return [{"value": value} for value in scores.tolist()]


def _numbers(answer: Answer, scores: Tensor, values: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    return [{"values": _named(answer, row)} for row in scores.tolist()]


def _token_labels(answer: Answer, scores: Tensor, values: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    assert answer.words is not None
    first = first_positions(values[str(answer.words)])
    found = []
    for probabilities, places in zip(scores.softmax(-1), first, strict=True):
        rows = probabilities[places].tolist()
        named = [_named(answer, row) for row in rows]
        found.append({"labels": [_best(answer, row) for row in rows], "probabilities": named})
    return found


def _best(answer: Answer, row: list[float]) -> str:
    return answer.labels[max(range(len(row)), key=row.__getitem__)]


def _named(answer: Answer, row: list[float]) -> dict[str, float]:
    return dict(zip(answer.labels, row, strict=True))


_DECODERS: dict[str, Callable[[Answer, Tensor, Mapping[str, Tensor]], list[dict[str, Any]]]] = {
    "category": _category,
    "categories": _categories,
    "number": _number,
    "numbers": _numbers,
    "token_labels": _token_labels,
}
