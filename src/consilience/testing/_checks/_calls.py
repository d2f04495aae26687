"""Checks of what a call leaves behind: the arguments as they were, and a count that can be divided by."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from consilience.declare import Component
from consilience.testing._check import Broken, Ledger
from consilience.testing._checks._rows import IGNORED
from consilience.testing._collated import collator_of, examples_of
from consilience.testing._draw import TEXTS, Shape, port_of
from consilience.testing._subject import Built, Feed, Subject

LEDGER = Ledger()
_WORDS = ["a", "list", "of", "words"]


def _has_mean(component: type[Component]) -> bool:
    return getattr(component, "target", None) is not None and bool(component.value.dims)  # type: ignore[attr-defined]


@LEDGER.component("input", "module", "loss")
def arguments_left_alone(subject: Subject) -> None:
    """A call changes nothing of what it is given, neither a tensor nor a text, since others read the same."""
    built = subject.build()
    if subject.component.kind == "input":
        watched = replace(built, made=partial(_watched, built.made))
        collator_of(subject, watched)(examples_of(subject, built, (*TEXTS, _WORDS)))
        return
    for is_training in (False, True):
        module = built.module.train(is_training)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            _watched(module, **_fed(subject, built))


@LEDGER.component("loss", when=_has_mean)
def count_honoured(subject: Subject) -> None:
    """A `count` that it has gives one number an example, finite and at least 0."""
    built = subject.build()
    counter = getattr(built.module, "count", None)
    if not callable(counter):
        return
    for batch in (1, 3):
        counted = counter(subject.feed(built, Shape(batch, seed=batch))["target"])
        fix = "sum over every axis of the target but the first"
        if not isinstance(counted, Tensor) or counted.shape != (batch,):
            shape = (
                f"a tensor of shape {tuple(counted.shape)}" if isinstance(counted, Tensor) else type(counted).__name__
            )
            raise Broken(f"count gives {shape} for {batch} examples", f"one number an example: ({batch},)", fix)
        if not counted.isfinite().all() or (counted < 0).any():
            raise Broken(
                f"count gives {counted.min().item():g}", "a finite number of at least 0", "count what is there"
            )


def _fed(subject: Subject, built: Built) -> Feed:
    """Draws what it is fed, with a label of -100 in each row where the target has labels of a sequence."""
    values = subject.feed(built, Shape(4, seed=6))
    port = port_of(subject.reads["target"]) if "target" in values else None
    if port is not None and port.bound and len(port.dims) > 1 and port.dims[1].name in subject.varying(built):
        values["target"][:, -1] = IGNORED
    return values


def _watched(call: Any, /, **values: Any) -> Any:
    """Calls it, and raises `Broken` where the call changed an argument."""
    before = {name: copy.deepcopy(value) for name, value in values.items() if name != "generators"}
    given = call(**values)
    for name, value in before.items():
        if not _equal(value, values[name]):
            fix = "work on a copy: mul in place of mul_, sorted in place of sort"
            raise Broken(f"the call changes {name}", f"{name} as it was", fix)
    return given


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        is_alike = isinstance(second, Tensor) and first.dtype is second.dtype and first.shape == second.shape
        return is_alike and torch.equal(first.nan_to_num(), second.nan_to_num())
    if isinstance(first, list) and any(isinstance(one, Tensor | list) for one in first):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second)
