"""Draws what a component is fed: sizes for its dims, and tensors and texts for its ports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isinf

import torch
from torch import Tensor

from consilience.declare import Dim, Dtype, Many, Port, Shapes

__all__ = ["ODD_TEXTS", "TEXTS", "Shape", "draw_sizes", "draw_tensor", "is_mask", "port_of"]

_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23)
_FEW = 2
"""The size of what is only known in the data: indexes below it are drawn from this many."""
_INTEGERS = 9
"""What integers without a bound are drawn below."""

TEXTS: tuple[str | list[str], ...] = ("a fine film", "the dull plot was a plot", "film", "a , fine ! film .")
ODD_TEXTS: tuple[str | list[str], ...] = (
    "",
    " \t\n",
    "naïve 日本語 \U0001f642 a\u0301 \u202eabc \ufeff",
    "word " * 3000,
    "x" * 5000,
    ["a", "list", "of", "words"],
    [],
    ["one two", "", "!"],
    "\x00 % { } \\ 'quoted' \"twice\" <b>&amp;</b>",
)


@dataclass(frozen=True)
class Shape:
    """How large one call of a component is: examples, the length of what varies, the axes of an open dim."""

    batch: int = 3
    length: int = 5
    axes: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32
    seed: int = 0
    absent: frozenset[str] = field(default_factory=frozenset)
    """The optional ports that nothing feeds."""


def port_of(kind: Port | Many) -> Port:
    """Gives the type of a port, or that of each tensor of a variadic one."""
    return kind.port if isinstance(kind, Many) else kind


def is_mask(port: Port | Many) -> bool:
    """Tells whether a port is one truth value a place of a sequence: `Bool["batch seq"]`."""
    dims = port_of(port).dims
    return (
        isinstance(port, Port)
        and port.dtype is Dtype.BOOL
        and len(dims) == 2
        and dims[0].name == "batch"
        and dims[1].name is not None
        and not dims[1].terms
        and dims[1].size is None
    )


def draw_sizes(names: Iterable[str], seed: int) -> dict[str, int]:
    """Draws a size for each dim, no two alike while there are primes for it, so that no two can be mixed up."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(_PRIMES), generator=generator).tolist()
    return {name: _PRIMES[order[place % len(order)]] for place, name in enumerate(sorted(names))}


def draw_tensor(port: Port, shapes: Shapes, shape: Shape, generator: torch.Generator, masks: bool = False) -> Tensor:
    """Draws a tensor that a port may be fed: its dims as `shapes` has them, its values where the port says."""
    size = _axes(port, shapes, shape)
    if port.dtype is Dtype.BOOL:
        return _mask(size, generator) if masks and is_mask(port) else torch.rand(size, generator=generator) < 0.5
    if port.dtype is Dtype.INT:
        return _integers(port, size, shapes, generator)
    return _floats(port, size, generator).to(shape.dtype)


def _axes(port: Port, shapes: Shapes, shape: Shape) -> list[int]:
    size: list[int] = []
    for dim in port.dims:
        size += shapes.axes.get(dim.name or "", _open(dim, shape)) if dim.is_open else (shapes.size(dim) or _FEW,)
    return size


def _open(dim: Dim, shape: Shape) -> Sequence[int]:
    if dim.size is not None:
        return (dim.size,) if shape.axes else ()
    return shape.axes[:1] if dim.optional else shape.axes


def _mask(size: Sequence[int], generator: torch.Generator) -> Tensor:
    """Admits a beginning of each row, one place at least, and all of the last row."""
    lengths = torch.randint(1, size[1] + 1, (size[0],), generator=generator)
    lengths[-1] = size[1]
    return torch.arange(size[1]) < lengths.unsqueeze(1)


def _integers(port: Port, size: Sequence[int], shapes: Shapes, generator: torch.Generator) -> Tensor:
    low, high = 0, _INTEGERS
    if port.bound_dim is not None:
        high = shapes.size(port.bound_dim) or _FEW
    elif port.range is not None and not port.range.is_logits:
        low, high = _ends(port.range.low, port.range.high)
    return torch.randint(low, high, tuple(size), generator=generator)


def _ends(low: float, high: float) -> tuple[int, int]:
    least = int(high) - _INTEGERS if isinf(low) else int(low)
    return least, least + _INTEGERS if isinf(high) else int(high) + 1


def _floats(port: Port, size: Sequence[int], generator: torch.Generator) -> Tensor:
    if port.range is None or port.range.is_logits:
        return torch.randn(tuple(size), generator=generator)
    low, high = port.range.low, port.range.high
    if isinf(low) or isinf(high):
        away = torch.rand(tuple(size), generator=generator)
        return high - away if isinf(low) else low + away
    # Inside, so that a small step still lies in the range.
    return low + (high - low) * (0.02 + 0.96 * torch.rand(tuple(size), generator=generator))
