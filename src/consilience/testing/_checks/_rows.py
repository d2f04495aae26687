"""Checks that an example's result is its own: not the padding's, and not its neighbours'."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor

from consilience.declare import Component, Dim, Dtype, Loss, Many, Port
from consilience.testing._check import Broken, Ledger, NotApplicable
from consilience.testing._draw import Shape, is_mask, port_of
from consilience.testing._subject import Built, Feed, Subject

LEDGER = Ledger()
_MORE = 3
"""How many places of padding are added."""
IGNORED = -100


def _masked(component: type[Component]) -> bool:
    return any(map(is_mask, getattr(component, "inputs", {}).values()))


def _has_rows(component: type[Component]) -> bool:
    ports = [component.value] if issubclass(component, Loss) else [*getattr(component, "outputs", {}).values()]
    return any(port.dims and port.dims[0].name == "batch" for port in ports)


def _has_labels(component: type[Component]) -> bool:
    target = getattr(component, "target", None)
    return target is not None and target.dtype is Dtype.INT and target.bound is not None


@LEDGER.component("module", "loss", when=_masked)
def masks_respected(subject: Subject) -> None:
    """Further places that a mask rules out change nothing at the places that it admits, whatever stands there."""
    built = subject.build()
    values = subject.feed(built, Shape(seed=3))
    names = {kind.dims[1].name: name for name, kind in subject.component.inputs.items() if is_mask(kind)}  # type: ignore[attr-defined]
    tried = [name for name in names if name in subject.varying(built)]
    if not tried:
        raise NotApplicable("its masks rule over dims whose size is fixed")
    for dim in tried:
        masks = [name for name, kind in subject.reads.items() if is_mask(kind) and port_of(kind).dims[1].name == dim]
        longer = _extended(subject, values, str(dim), partial(_ruled_out, masks))
        before, after = _results(subject, built, values), _results(subject, built, longer)
        for name, tensor in before.items():
            port = subject.gives.get(name)
            admitted = values[masks[0]]
            first, second = _at(port, str(dim), admitted, tensor, after[name])
            if not _close(first, second):
                fix = f"let the mask {masks[0]} rule out what stands behind it"
                raise Broken(f"{name} changes by {_far(first, second):.2g} with padding", "no change", fix)


@LEDGER.component("loss", "metric", when=_has_labels)
def ignored_labels_respected(subject: Subject) -> None:
    """A label of -100 marks a place that is not looked at: such places change neither value nor count."""
    built = subject.build()
    target = subject.reads["target"]
    dim = next((one.name for one in port_of(target).dims[1:] if one.name), None)
    if dim is None or (dim not in subject.varying(built) and not _is_open(target, dim)):
        raise NotApplicable("its target has one label an example")
    values = subject.feed(built, Shape(axes=(5,), seed=4))
    longer = _extended(
        subject, values, dim, lambda name, pad: torch.full_like(pad, IGNORED) if name == "target" else pad
    )
    before, after = _measured(subject, values), _measured(subject, longer)
    for name, tensor in before.items():
        if not _close(tensor, after[name]):
            fix = f"leave out the places whose label is {IGNORED}, as ignore_index does"
            raise Broken(f"{name} changes by {_far(tensor, after[name]):.2g} with labels of -100", "no change", fix)


@LEDGER.component("module", "loss", when=_has_rows)
def rows_permute(subject: Subject) -> None:
    """Reordering the examples of a batch reorders what is given for them, and changes nothing else."""
    built = subject.build()
    values = subject.feed(built, Shape(4, seed=5))
    order = torch.tensor([2, 0, 3, 1])
    before = _results(subject, built, values)
    after = _results(subject, built, _with_rows(subject, values, order))
    for name in _by_row(subject, before):
        if not _close(before[name][order], after[name]):
            raise Broken(f"{name} of an example depends on its place in the batch", "one result an example", _ROWS_FIX)


@LEDGER.component("module", "loss", when=_has_rows)
def rows_independent(subject: Subject) -> None:
    """In evaluation, changing one example of a batch changes what is given for that one alone."""
    built = subject.build()
    values = subject.feed(built, Shape(4, seed=6))
    before = _results(subject, built, values)
    after = _results(subject, built, _with_rows(subject, values, torch.tensor([1, 1, 2, 3])))
    for name in _by_row(subject, before):
        if not _close(before[name][1:], after[name][1:]):
            raise Broken(f"{name} of an example changes with another example", "one result an example", _ROWS_FIX)


_ROWS_FIX = "compute each example by itself: no mean, norm or sort over the batch"


def _results(subject: Subject, built: Built, values: Feed) -> dict[str, Tensor]:
    """Gives what it gives, and the count of a loss that has one."""
    with torch.no_grad():
        found = subject.call(built.module, values)
        counter = getattr(built.module, "count", None)
        if issubclass(subject.component, Loss) and callable(counter) and "target" in values:
            counted = torch.as_tensor(counter(values["target"])).float()
            if counted.shape == values["target"].shape[:1]:  # count_honoured tells of any other
                found["count"] = counted
    return found


def _measured(subject: Subject, values: Feed) -> dict[str, Tensor]:
    built = subject.build()
    if subject.component.kind == "loss":
        return _results(subject, built, values)
    built.made.update(**values)
    computed = built.made.compute()
    return {"the metric": computed} if isinstance(computed, Tensor) else dict(computed)


def _by_row(subject: Subject, found: Mapping[str, Tensor]) -> Iterator[str]:
    for name in found:
        port = subject.gives.get(name)
        if (port is None and name == "count") or (port is not None and port.dims and port.dims[0].name == "batch"):
            yield name


def _with_rows(subject: Subject, values: Feed, rows: Tensor) -> Feed:
    """Gives the values with other rows in the place of each: those of the ports whose first dim is the batch's."""

    def chosen(tensor: Tensor, port: Port) -> Tensor:
        return tensor[rows] if port.dims and port.dims[0].name == "batch" else tensor

    return {
        name: [chosen(one, port_of(subject.reads[name])) for one in value]
        if isinstance(value, list)
        else chosen(value, port_of(subject.reads[name]))
        for name, value in values.items()
    }


def _is_open(kind: Port | Many, name: str) -> bool:
    return any(dim.is_open and dim.name == name for dim in port_of(kind).dims)


def _ruled_out(masks: list[str], name: str, pad: Tensor) -> Tensor:
    return pad & False if name in masks else pad


def _extended(subject: Subject, values: Feed, dim: str, fill: Callable[[str, Tensor], Tensor]) -> Feed:
    """Makes a dim longer in every port that has it: by values of the other rows, or what `fill` makes of them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        port = port_of(subject.reads[name])
        found[name] = value
        for axis, one in enumerate(port.dims):
            more = _MORE * _gained(one, dim)
            if more and isinstance(value, Tensor):
                pad = fill(name, found[name].flip(0).narrow(axis, 0, more))
                found[name] = torch.cat([found[name], pad], dim=axis)
    return found


def _gained(one: Dim, dim: str) -> int:
    """Gives how many places an axis gains with each place of a dim: 1 for `seq` and `seq+1`, 2 for `2*seq`."""
    if one.name == dim:
        return 1
    factors = ([factor for factor in product if factor != dim] for product in one.terms if dim in product)
    return sum(prod(int(factor) for factor in own) for own in factors if all(isinstance(one, int) for one in own))


def _at(port: Port | None, dim: str, admitted: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Gives what stands at the places that were there before and are admitted."""
    for axis, one in enumerate(port.dims if port is not None else ()):
        if _gained(one, dim):
            after = after.narrow(axis, 0, before.shape[axis])
    if port is not None and len(port.dims) > 1 and port.dims[1].name == dim:
        return before[admitted], after[admitted]
    return before, after


def _close(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, rtol=1e-4, atol=1e-5, equal_nan=True)


def _far(first: Tensor, second: Tensor) -> float:
    if first.shape != second.shape:
        return float("inf")
    return float((first.float() - second.float()).abs().max())
