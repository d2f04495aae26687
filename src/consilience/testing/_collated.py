"""Runs an input as a fusion does: behind a collator, which holds what it gives against its ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from consilience.data import Collator, InputStep
from consilience.declare import FIELD_TYPES, Dtype, FieldType, Many, Port, Shapes
from consilience.testing._draw import Shape, draw_tensor, port_of
from consilience.testing._subject import Built, Subject

__all__ = ["Drawn", "collator_of", "examples_of"]

_ROWS = 61
_TOKENS = "tokens"
_FIELDS = {Dtype.TEXT: "text", Dtype.LABELS: "token_labels"}


@dataclass(frozen=True)
class Drawn:
    """Stands for an input that nothing here offers: gives drawn tensors, to each text always the same."""

    port: Port
    shapes: Mapping[str, int]
    seed: int

    def __call__(self, text: Sequence[Any]) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        drawn = draw_tensor(self.port, Shapes({**self.shapes, "batch": _ROWS}), Shape(_ROWS), generator, masks=True)
        return drawn[[crc32(repr(one).encode()) % _ROWS for one in text]]


def collator_of(subject: Subject, built: Built, seed: int = 0) -> Collator:
    """Makes the collator of an input, with what it reads: fields, the tokens of the tiny encoder, or drawn tensors."""
    fields: dict[str, FieldType] = {"text": FIELD_TYPES["text"]()}
    sizes: dict[str, int] = {}
    steps: list[InputStep] = []
    wiring: dict[str, str | tuple[str, ...]] = {}
    tokens = subject.lab.tokens()
    for name, kind in subject.reads.items():
        port = port_of(kind)
        if port.dtype in _FIELDS:
            fields[name] = _field(port, subject, built)
            feed = name
        elif name in tokens.gives and port.takes(tokens.gives[name]):
            steps += [] if any(step.name == _TOKENS for step in steps) else [_step(tokens, tokens.build(), "text")]
            feed = f"{_TOKENS}.{name}"
        else:
            steps.append(_drawn(name, port, subject.shapes(built, Shape()).sizes, len(steps)))
            feed = f"drawn_{name}.value"
        wiring[name] = (feed,) if isinstance(kind, Many) else feed
    known = {*built.asked, *built.solved.stated, *subject.beside()}
    solved = {name: size for name, size in built.solved.sizes.items() if name in known}
    outputs = dict(subject.gives)
    is_random = subject.component.is_random  # type: ignore[attr-defined]
    own = InputStep(
        "own", built.made, wiring, tuple(outputs), subject.name, is_random, outputs, solved, dict(subject.reads)
    )
    return Collator(fields, sizes, (*steps, own), seed)


def examples_of(
    subject: Subject, built: Built, texts: Sequence[str | list[str]], first: int = 0
) -> list[dict[str, Any]]:
    """Makes examples of some texts, numbered from `first`, each with a label for every word between white space."""
    classes = built.solved.sizes
    found = []
    for row, text in enumerate(texts, first):
        example: dict[str, Any] = {"text": text, "_row": row}
        for name, kind in subject.reads.items():
            port = port_of(kind)
            if port.dtype is Dtype.LABELS:
                words = text.split() if isinstance(text, str) else text
                size = classes.get(port.bound or "", 2)
                example[name] = [place % size for place in range(len(words))]
            elif port.dtype is Dtype.TEXT:
                example[name] = text
        found.append(example)
    return found


def _field(port: Port, subject: Subject, built: Built) -> FieldType:
    if port.dtype is Dtype.TEXT:
        return FIELD_TYPES["text"]()
    size = built.solved.sizes.get(port.bound or "", 2)
    return FIELD_TYPES["token_labels"](labels=tuple(f"label {index}" for index in range(size)))


def _step(tokens: Subject, built: Built, field: str) -> InputStep:
    wiring = dict.fromkeys(tokens.reads, field)
    return InputStep(_TOKENS, built.made, wiring, tuple(tokens.gives), tokens.name, False, dict(tokens.gives))


def _drawn(name: str, port: Port, sizes: Mapping[str, int], seed: int) -> InputStep:
    call = Drawn(port, dict(sizes), seed)
    return InputStep(f"drawn_{name}", call, {"text": "text"}, ("value",), "drawn")
