"""Ports: the named, typed inputs and outputs of a component, in jaxtyping's grammar of dims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["Bool", "Dim", "Dtype", "Float", "Int", "Labels", "Many", "Port", "Ports", "Text"]

_DIM = re.compile(
    r"(?P<variadic>\*)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:=(?P<size>\d+))?|(?P<fixed>\d+)|(?P<any>\.\.\.)"
)


class Dtype(StrEnum):
    """What a port carries: a tensor of numbers, or what only inputs read (texts, label names a word)."""

    FLOAT = "Float"
    INT = "Int"
    BOOL = "Bool"
    TEXT = "Text"
    LABELS = "Labels"

    @property
    def is_differentiable(self) -> bool:
        """Whether a gradient can flow through such a port."""
        return self is Dtype.FLOAT

    @property
    def is_tensor(self) -> bool:
        """Whether modules and losses can read such a port."""
        return self not in (Dtype.TEXT, Dtype.LABELS)


@dataclass(frozen=True)
class Dim:
    """One dim of a port: named (`hidden`), fixed (`3`), variadic (`*lead`), or anonymous (`_`, `...`)."""

    name: str | None = None
    size: int | None = None
    variadic: bool = False

    @classmethod
    def parse(cls, text: str) -> Dim:
        """Reads one word of a dim string; raises ValueError when it is none of jaxtyping's forms."""
        match = _DIM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a dim: write a name, a number, *name, _ or ...")
        if match["any"]:
            return cls(variadic=True)
        if match["fixed"]:
            return cls(size=int(match["fixed"]))
        name = None if match["name"] == "_" else match["name"]
        return cls(name, int(match["size"]) if match["size"] else None, bool(match["variadic"]))

    def __str__(self) -> str:
        if self.name is None and self.size is not None:
            return str(self.size)
        text = ("*" if self.variadic else "") + (self.name or "_")
        if self.name is None and self.variadic:
            text = "..."
        return text if self.size is None else f"{text}={self.size}"


@dataclass(frozen=True)
class Port:
    """A typed place of a component that a tensor enters or leaves by, such as `Float["batch hidden"]`.

    Made by subscripting `Float`, `Int`, `Bool`, `Text` or `Labels`. `| None` makes an input port optional.
    """

    dtype: Dtype
    dims: tuple[Dim, ...] = ()
    is_optional: bool = False
    bound: str | None = None

    def below(self, dim: str) -> Port:
        """Says that the values are indexes into `dim`: at least 0 and below its size, so they share its labels."""
        return replace(self, bound=dim)

    def __or__(self, other: None) -> Port:
        if other is not None:
            raise TypeError("a port is made optional by `| None`; nothing else can stand there")
        return replace(self, is_optional=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the dims that it speaks of, the bound's included."""
        names = [dim.name for dim in self.dims if dim.name is not None]
        return tuple(dict.fromkeys([*names, self.bound] if self.bound else names))

    def __str__(self) -> str:
        text = f"{self.dtype}[{' '.join(map(str, self.dims))}]"
        return f"{text} below {self.bound}" if self.bound else text


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
        parsed = tuple(Dim.parse(word) for word in dims.split())
        if sum(dim.variadic for dim in parsed) > 1:
            raise ValueError(f"{dims!r} has two variadic dims: one at most")
        return Port(self._dtype, parsed)

    def __repr__(self) -> str:
        return str(self._dtype)


Float = _PortOf(Dtype.FLOAT)
Int = _PortOf(Dtype.INT)
Bool = _PortOf(Dtype.BOOL)
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
