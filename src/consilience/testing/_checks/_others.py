"""Checks of what neither reads a batch nor is a layer: metrics, tuners, sources and resources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sized
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from consilience.declare import Component, Module, Source
from consilience.testing._check import Broken, Ledger
from consilience.testing._draw import Shape
from consilience.testing._subject import Feed, Subject
from consilience.testing._tiny import scratch

LEDGER = Ledger()
_COMPARED = 1000
"""The rows of a stream that are looked at."""


@LEDGER.component("metric")
def halves_add_up(subject: Subject) -> None:
    """Two updates with the halves of a batch give what one update with the whole does."""
    for shape in (Shape(6, seed=1), Shape(6, axes=(4,), seed=2)):
        built = subject.build()
        values = subject.feed(built, shape)
        whole, halves = built.made, subject.build().made
        whole.update(**values)
        for part in (slice(0, 3), slice(3, 6)):
            halves.update(**{name: _rows(value, part) for name, value in values.items()})
        _alike(_computed(whole), _computed(halves), "two halves of a batch give something else than the whole")


@LEDGER.component("metric")
def reset_forgets(subject: Subject) -> None:
    """After `reset` it gives what a fresh one does."""
    built = subject.build()
    first, second = (subject.feed(built, Shape(5, seed=seed)) for seed in (3, 4))
    used, fresh = built.made, subject.build().made
    used.update(**first)
    used.compute()
    used.reset()
    used.update(**second)
    fresh.update(**second)
    _alike(_computed(used), _computed(fresh), "it remembers what was before reset")


@LEDGER.component("tuner")
def tunes_in_place(subject: Subject) -> None:
    """It changes the module that it is given, in place, keeps its parameters, and trains what `trains` says."""
    module, values, other = _tuned(subject)
    before = list(module.named_parameters())
    given: object = subject.declaration.apply(module)
    if given is not None:
        raise Broken(f"apply gives a {type(given).__name__}", "a module changed in place", "return nothing from apply")
    kept = {id(one) for one in module.parameters()}
    lost = [name for name, one in before if id(one) not in kept]
    if lost:
        fix = "change what is there, and add beside it: parameters may be shared"
        raise Broken(f"{lost[0]} is gone after apply, or another one stands there", "every parameter kept", fix)
    trained = [one for one in module.parameters() if one.requires_grad]
    if bool(trained) != subject.component.trains:  # type: ignore[attr-defined]
        found = f"{len(trained)} trained parameters, and trains = {not trained}"
        raise Broken(found, "the two to agree", f"trains = {bool(trained)}")
    if trained:
        total = torch.stack([one.sum() for one in other.call(module, values).values()]).sum()
        gradients = torch.autograd.grad(total, trained, allow_unused=True)
        if all(one is None for one in gradients):
            raise Broken("no gradient reaches what it trains", "one that does", "use what is added in the forward")


def _keeps_start(component: type[Component]) -> bool:
    return bool(getattr(component, "keeps_start", True))


@LEDGER.component("tuner", when=_keeps_start)
def tuning_keeps_outputs(subject: Subject) -> None:
    """A module that was just tuned gives what it gave before: tuning changes what is learnt, not what is known."""
    module, values, other = _tuned(subject)
    with torch.no_grad():
        before = other.call(module, values)
        subject.declaration.apply(module)
        after = other.call(module.eval(), values)
    for name, one in before.items():
        if not torch.allclose(one, after[name], rtol=1e-4, atol=1e-5):
            raise Broken(f"{name} changes with tuning alone", "no change", "let what is added start at zero")


@LEDGER.component("source")
def splits_told(subject: Subject) -> None:
    """`open` gives the splits that `splits` tells, each with rows, and the files that it lists exist."""
    told = subject.declaration.splits()
    opened = subject.declaration.open()
    if told is not None and set(opened) != set(told):
        found = f"splits tells {', '.join(sorted(told))}, and open gives {', '.join(sorted(opened))}"
        raise Broken(found, "the same splits", "mend splits")
    for name, rows in opened.items():
        if not isinstance(rows, Sized) or not len(rows):
            raise Broken(f"the split {name} without rows", "rows", "leave out what is empty")
    _files(subject)


@LEDGER.component("source", when=lambda component: getattr(component, "stream", None) is not Source.stream)
def streams_as_it_opens(subject: Subject) -> None:
    """Where it can be streamed, `stream` gives the splits that `open` gives, with the same rows in the same order."""
    opened, streamed = subject.declaration.open(), subject.declaration.stream()
    if set(opened) != set(streamed):
        found = f"stream gives {', '.join(sorted(streamed))}, and open {', '.join(sorted(opened))}"
        raise Broken(found, "the same splits", "mend stream")
    for name, rows in opened.items():
        pairs = zip_longest(islice(iter(rows), _COMPARED), islice(iter(streamed[name]), _COMPARED))
        other = next((place for place, (one, two) in enumerate(pairs) if one != two), None)
        if other is not None:
            raise Broken(f"row {other + 1} of {name} differs", "the same rows in the same order", "mend stream")


@LEDGER.component("resource")
def files_exist(subject: Subject) -> None:
    """The files that it lists for the record of a run exist."""
    _files(subject)


@LEDGER.component("resource")
def saves_what_it_needs(subject: Subject) -> None:
    """What it copies beside a saved model is enough to make it again, without a fault."""
    folder = scratch() / f"resource-{subject.name}"
    folder.mkdir(exist_ok=True)
    changed = subject.declaration.save(folder)
    settings = {**json.loads(subject.declaration.model_dump_json()), **changed}
    again = subject.component.model_validate_json(
        json.dumps({key: value for key, value in settings.items() if value is not None}, default=str),
        strict=True,
        context={"base": folder},
    )
    faults = [*again.faults()]
    if faults:
        found = f"made again from what it saved: {faults[0].found}"
        raise Broken(found, "a resource without a fault", "copy all that it needs in save")


def _files(subject: Subject) -> None:
    lost = [str(path) for path in subject.declaration.files() if not Path(path).is_file()]
    if lost:
        raise Broken(f"{lost[0]}, which files lists, is no file", "files that exist", "mend files")


def _tuned(subject: Subject) -> tuple[nn.Module, Feed, Subject]:
    """Gives a module to tune, what it is fed, and whose it is."""
    other = subject.lab.stand_in(Module)
    built = other.build()
    return built.module, other.feed(built, Shape(2, seed=1)), other


def _rows(value: Any, part: slice) -> Any:
    return [one[part] for one in value] if isinstance(value, list) else value[part]


def _computed(metric: Any) -> dict[str, Tensor]:
    computed = metric.compute()
    if isinstance(computed, Mapping):
        return {str(name): torch.as_tensor(one) for name, one in computed.items()}
    return {"value": torch.as_tensor(computed)}


def _alike(first: Mapping[str, Tensor], second: Mapping[str, Tensor], found: str) -> None:
    for name, one in first.items():
        if not torch.allclose(one.double(), second[name].double(), rtol=1e-4, atol=1e-5, equal_nan=True):
            raise Broken(f"{found}: {second[name].tolist()}", str(one.tolist()), "keep sums, in add_state")
