"""Ports: the named, typed inputs and outputs of a component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from math import inf, isinf

from consilience.declare._dim import Dim

__all__ = ["Bool", "Dtype", "Float", "Int", "Labels", "Many", "Number", "Port", "Ports", "Range", "Text"]


class Dtype(StrEnum):
    """What a port carries: a tensor of numbers, or what only inputs read (texts, label names a word).

    `Number` takes a `Float` or an `Int`; as in jaxtyping's `Num`, a `Bool` is no number. It is of what is read alone:
    what is given is the one or the other.
    """

    FLOAT = "Float"
    INT = "Int"
    BOOL = "Bool"
    NUMBER = "Number"
    TEXT = "Text"
    LABELS = "Labels"

    @property
    def is_differentiable(self) -> bool:
        """Whether a gradient can flow out of such a port."""
        return self is Dtype.FLOAT

    @property
    def is_tensor(self) -> bool:
        """Whether modules and losses can read such a port."""
        return self not in (Dtype.TEXT, Dtype.LABELS)

    def takes(self, other: Dtype) -> bool:
        """Tells whether what carries `other` may feed a port of this dtype."""
        return self is other or (self is Dtype.NUMBER and other in (Dtype.FLOAT, Dtype.INT))


@dataclass(frozen=True)
class Range:
    """Where values lie, ends included; without ends, they are logits: scores that may be any number."""

    low: float = -inf
    high: float = inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"within({self.low:g}, {self.high:g}) holds no two numbers: write the lower end first")

    @property
    def is_logits(self) -> bool:
        """Whether the values are scores without an end on either side."""
        return isinf(self.low) and isinf(self.high)

    def takes(self, other: Range | None) -> bool:
        """Tells whether values of another range, or of none that is stated, may come where this one is asked for."""
        if self.is_logits:
            return other is None or other.is_logits
        return other is not None and self.low <= other.low and other.high <= self.high

    def __str__(self) -> str:
        return "as logits" if self.is_logits else f"within {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Port:
    """A typed place of a component that a tensor enters or leaves by, such as `Float["batch hidden"]`.

    Made by subscripting `Float`, `Int`, `Bool`, `Number`, `Text` or `Labels`. `| None` makes an input port optional.
    """

    dtype: Dtype
    dims: tuple[Dim, ...] = ()
    is_optional: bool = False
    bound: str | None = None
    range: Range | None = None

    def below(self, dim: str) -> Port:
        """Says that the values are indexes into `dim`: at least 0 and below its size, so they share its labels.

        An index of -100 marks a place that no loss and no metric looks at.
        """
        if self.dtype not in (Dtype.INT, Dtype.LABELS):
            raise TypeError(f"a {self.dtype} port holds no indexes: only Int and Labels are below a dim")
        parsed = Dim.parse(dim)
        if parsed.name is None or parsed.is_open or parsed.size is not None:
            raise ValueError(f"below({dim!r}): write the name of a dim, or a sum or product of such")
        return replace(self, bound=dim)

    def within(self, low: float, high: float) -> Port:
        """Says that the values lie in a range, ends included: those given do, those read must."""
        return self._ranged(Range(low, high))

    def logits(self) -> Port:
        """Says that the values are scores without bounds, before a softmax or sigmoid."""
        return self._ranged(Range())

    def _ranged(self, values: Range) -> Port:
        if self.dtype not in (Dtype.FLOAT, Dtype.INT, Dtype.NUMBER):
            raise TypeError(f"a {self.dtype} port holds no numbers: only Float, Int and Number have a range")
        return replace(self, range=values)

    def __or__(self, other: None) -> Port:
        if other is not None:
            raise TypeError("a port is made optional by `| None`; nothing else can stand there")
        return replace(self, is_optional=True)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the dims that it speaks of: the bound's, and those in sums and products, included."""
        spoken = (*self.dims, self.bound_dim) if self.bound_dim else self.dims
        return tuple(
            dict.fromkeys(name for dim in spoken if dim.name is not None for name in (dim.name, *dim.operands))
        )

    @cached_property
    def bound_dim(self) -> Dim | None:
        """The dim that the values are below."""
        return Dim.parse(self.bound) if self.bound else None

    @cached_property
    def open_dim(self) -> Dim | None:
        """The dim that stands for a number of axes which only a tensor tells, or None when every dim is one axis."""
        return next((dim for dim in self.dims if dim.is_open), None)

    def spare(self, rank: int) -> int | None:
        """Gives how many axes of a tensor the open dim stands for; None when the tensor's rank does not fit."""
        left = rank - len(self.dims) + (self.open_dim is not None)
        most = 0 if self.open_dim is None else 1 if self.open_dim.optional else left
        return left if 0 <= left <= most else None

    def takes(self, other: Port) -> bool:
        """Tells whether another port could feed this one, as far as both say it themselves."""
        if not self.dtype.takes(other.dtype) or (self.bound and not other.bound):
            return False
        if self.range is not None and not self.range.takes(other.range):
            return False
        least = len(other.dims) - (other.open_dim is not None)
        if other.open_dim is None:
            return self.spare(least) is not None
        most = least + 1 if other.open_dim.optional else max(least, len(self.dims))
        return any(self.spare(rank) is not None for rank in range(least, most + 1))

    def __str__(self) -> str:
        text = f"{self.dtype}[{' '.join(map(str, self.dims))}]"
        text = f"{text} below {self.bound}" if self.bound else text
        return f"{text} {self.range}" if self.range else text


@dataclass(frozen=True)
class Many:
    """A variadic input port: one or more tensors of one port type, given as a list.

    `each` names the dims whose size may differ from one tensor to the next.
    """

    port: Port
    each: tuple[str, ...] = ()

    @property
    def is_optional(self) -> bool:
        """Never: a variadic port takes at least one tensor."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the dims that it speaks of."""
        return self.port.names

    def __str__(self) -> str:
        return f"one or more {self.port}"


class _PortOf:
    """Makes ports of one dtype by subscription, `Float["batch seq hidden"]`."""

    def __init__(self, dtype: Dtype) -> None:
        self._dtype = dtype

    def __getitem__(self, dims: str) -> Port:
        if not isinstance(dims, str):
            words = " ".join(map(str, dims if isinstance(dims, tuple) else (dims,)))
            raise TypeError(f'the dims of a port are one text: write {self._dtype}["{words}"]')
        parsed = tuple(Dim.parse(word) for word in dims.split())
        if sum(dim.is_open for dim in parsed) > 1:
            raise ValueError(f"{dims!r} has two dims of an open number of axes (*name, ?name, ...): one at most")
        return Port(self._dtype, parsed)

    def __repr__(self) -> str:
        return str(self._dtype)


Float = _PortOf(Dtype.FLOAT)
Int = _PortOf(Dtype.INT)
Bool = _PortOf(Dtype.BOOL)
Number = _PortOf(Dtype.NUMBER)
Text = _PortOf(Dtype.TEXT)
Labels = _PortOf(Dtype.LABELS)


class Ports(Mapping[str, "Port | Many"]):
    """The ports of a component by name, in order: `Ports(features=Float["batch hidden"])`."""

    def __init__(self, /, **ports: Port | Many) -> None:
        for name, port in ports.items():
            if not isinstance(port, Port | Many):
                raise TypeError(f'port {name} is {port!r}: write a type such as Float["batch hidden"]')
        if len(ports) > 1 and any(isinstance(port, Many) for port in ports.values()):
            raise TypeError("a variadic port (Many) stands alone among a component's inputs")
        self._ports = dict(ports)

    def __getitem__(self, name: str) -> Port | Many:
        return self._ports[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ports)

    def __len__(self) -> int:
        return len(self._ports)

    def __hash__(self) -> int:
        return hash(tuple(self._ports.items()))

    def __repr__(self) -> str:
        return "Ports(" + ", ".join(f"{name}={port}" for name, port in self.items()) + ")"
