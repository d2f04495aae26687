"""Checks that what is built takes and gives what its ports say."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from consilience.declare import Component, Dtype, Many, Port, Shapes
from consilience.testing._check import Broken, Ledger
from consilience.testing._draw import Shape
from consilience.testing._subject import Built, Feed, Subject

LEDGER = Ledger()
_CALLED = ("module", "loss")
_BATCHES = (1, 2, 7)
_LENGTHS = (1, 33)
_DRAWS = (0, 1)


@LEDGER.component(*_CALLED)
def batch_sizes_honoured(subject: Subject) -> None:
    """For 1, 2 and 7 examples it gives tensors of the dtypes, shapes and ranges that its ports declare."""
    for draw in _DRAWS:
        built = subject.build(draw=draw)
        for batch in _BATCHES:
            _honours(subject, built, Shape(batch, seed=batch))


@LEDGER.component(*_CALLED)
def lengths_honoured(subject: Subject) -> None:
    """For sequences of 1 and of 33 places, and with any axes where its ports leave them open, it honours its ports."""
    built = subject.build()
    for length, axes in product(_LENGTHS, ((), (4,))):
        _honours(subject, built, Shape(2, length, axes))


@LEDGER.component(*_CALLED, when=lambda component: bool(_optional(component)))
def optional_inputs_honoured(subject: Subject) -> None:
    """It runs, and honours its ports, when nothing feeds one of its optional inputs, and when nothing feeds any."""
    built = subject.build()
    optional = _optional(subject.component)
    for absent in [*({name} for name in optional), set(optional)]:
        _honours(subject, built, Shape(absent=frozenset(absent)))


@LEDGER.component(*_CALLED)
def bfloat16_honoured(subject: Subject) -> None:
    """In bfloat16, and under bfloat16 autocast, it honours its ports and stays finite."""
    built = subject.build()
    with torch.autocast("cpu", torch.bfloat16):
        _honours(subject, built, Shape(seed=1))
    built.module.to(torch.bfloat16)
    for used in built.used.values():
        if isinstance(used, torch.nn.Module):
            used.to(torch.bfloat16)
    _honours(subject, built, Shape(dtype=torch.bfloat16, seed=2))


def _optional(component: type[Component]) -> list[str]:
    ports = getattr(component, "inputs", {})
    return [name for name, kind in ports.items() if isinstance(kind, Port) and kind.is_optional]


def _honours(subject: Subject, built: Built, shape: Shape) -> None:
    """Calls it once on drawn tensors, and compares what it gives with what its ports say."""
    values = subject.feed(built, shape)
    with torch.no_grad():
        given = subject.call(built.module, values)
    shapes = _shapes(subject, built, shape, values)
    for name, port in subject.gives.items():
        compare(name, port, given[name], shapes)


def _shapes(subject: Subject, built: Built, shape: Shape, values: Feed) -> Shapes:
    """Gives the sizes of the dims in a call, those that only its tensors tell included."""
    shapes = subject.shapes(built, shape)
    for name, kind in subject.reads.items():
        if name in values and not isinstance(kind, Many):
            shapes.takes(kind, values[name].shape)
    return shapes


def compare(name: str, port: Port, tensor: Tensor, shapes: Shapes) -> None:
    """Raises `Broken` where a tensor is not what its port says, or not finite."""
    fix = "mend the forward, or the port"
    if kind_of(tensor) is not port.dtype or not shapes.takes(port, tensor.shape):
        found = f"{name}: {kind_of(tensor)}[{' '.join(map(str, tensor.shape))}]"
        raise Broken(found, f"{name}: {port.dtype}[{shapes.written(port)}], as {port}", fix)
    if port.dtype is Dtype.FLOAT and not tensor.isfinite().all():
        raise Broken(f"{name}: a value that is not finite", "finite values", fix)
    low, high = _ends(port, shapes)
    stray = (tensor < low) | (tensor > high)
    if port.bound_dim is not None:
        stray &= tensor != -100
    if stray.any():
        raise Broken(f"{name}: a value of {tensor[stray][0].item():g}", f"{name}: {low:g} to {high:g}", fix)


def _ends(port: Port, shapes: Shapes) -> tuple[float, float]:
    size = shapes.size(port.bound_dim) if port.bound_dim is not None else None
    if size is not None:
        return 0, size - 1
    if port.range is None or port.range.is_logits or port.dtype is Dtype.BOOL:
        return float("-inf"), float("inf")
    slack = 1e-2 * max(1.0, abs(port.range.low)) if port.dtype is Dtype.FLOAT else 0.0
    return port.range.low - slack * 1e-1, port.range.high + slack * 1e-1


def kind_of(tensor: Tensor) -> Dtype:
    """Tells what a tensor carries."""
    if tensor.dtype is torch.bool:
        return Dtype.BOOL
    return Dtype.FLOAT if tensor.is_floating_point() else Dtype.INT
