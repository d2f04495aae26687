"""Subjects: a component with settings, built and fed by itself as a fusion would build and feed it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from consilience.declare import Dim, Dims, Input, LabelSpace, Loss, Many, Module, Port, Shapes, Unsolved, Use
from consilience.host import Offer
from consilience.testing._check import Broken
from consilience.testing._draw import Shape, draw_sizes, draw_tensor, port_of

if TYPE_CHECKING:
    from consilience.testing._lab import Lab

__all__ = ["Built", "Feed", "Recorded", "Solved", "Subject", "by_port"]

Feed = dict[str, Any]
"""What a component is called with: a tensor a port, a list of them for a variadic one."""

_PARTS = 3
"""How many tensors a variadic port is given."""


class Recorded(Mapping[str, int]):
    """Sizes that remember which of them were asked for."""

    def __init__(self, sizes: Mapping[str, int], asked: set[str]) -> None:
        self._sizes, self.asked = dict(sizes), asked

    def __getitem__(self, name: str) -> int:
        if name in self._sizes:
            self.asked.add(name)
        return self._sizes[name]

    def __contains__(self, name: object) -> bool:
        return name in self._sizes

    def __iter__(self) -> Iterator[str]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)


@dataclass(frozen=True)
class Solved:
    """The sizes of a component's dims in one trial, and those that it states itself."""

    sizes: Mapping[str, int]
    spaces: Mapping[str, LabelSpace]
    parts: Mapping[str, tuple[int, ...]]
    stated: frozenset[str]


@dataclass(frozen=True)
class Built:
    """What a component built, the sizes it was built with, and the names of those that it asked for."""

    made: Any
    solved: Solved
    asked: frozenset[str]
    used: Mapping[str, Any]

    @property
    def module(self) -> nn.Module:
        """What was built, as a module; raises `Broken` where it is none."""
        if not isinstance(self.made, nn.Module):
            raise Broken(f"build gives a {type(self.made).__name__}", "an nn.Module", "return an nn.Module from build")
        return self.made


class Subject:
    """One component with its settings, and with stand-ins for the nodes that its keys name."""

    def __init__(self, offer: Offer, lab: Lab, settings: Mapping[str, Any]) -> None:
        self.offer, self.lab, self.settings = offer, lab, settings
        self.name, self.component = offer.name, offer.component

    def __str__(self) -> str:
        return f"{self.name} with {json.dumps(dict(self.settings), default=str)}" if self.settings else self.name

    @cached_property
    def uses(self) -> dict[str, Subject]:
        """What stands behind each key that names a node."""
        chosen = self.lab.build_with.get(self.name, {})
        written = self.settings.keys()
        found = {}
        for key, wanted in self.component.uses().items():
            info = self.component.model_fields[key]
            if key in chosen or key in written or info.is_required() or info.default_factory is not None:
                found[key] = self.lab.stand_in(wanted, chosen.get(key))
        return found

    @cached_property
    def declaration(self) -> Any:
        """The component with its keys, as a checked fusion has it."""
        used = self.uses
        text = json.dumps({**self.settings, **{key: key for key in used}}, default=str)
        made = self.component.model_validate_json(text, strict=True, context={"base": self.lab.folder})
        filled = {key: Use(key, subject.declaration) for key, subject in used.items()}
        return made.model_copy(update=filled) if filled else made

    @property
    def reads(self) -> dict[str, Port | Many]:
        """The ports that it is called with, the target included."""
        ports = dict(getattr(self.component, "inputs", {}))
        target = getattr(self.component, "target", None)
        return ports if target is None else {**ports, "target": target}

    @property
    def gives(self) -> dict[str, Port]:
        """The ports that it gives: those of its outputs, or a loss's value."""
        if issubclass(self.component, Loss):
            return {"value": self.component.value}
        return dict(getattr(self.component, "outputs", {}))

    @property
    def dims(self) -> set[str]:
        """The names of the dims of its ports that have one size a fusion."""
        return set(_names((*self.reads.values(), *self.gives.values()))) - {"batch"}

    def solve(self, draw: int = 0) -> Solved:
        """Gives a size to every dim: the one that is stated or follows from what stands beside it, or a drawn one."""
        names = self.dims
        parts = self._parts(draw)
        keys = {name: value for name in names if isinstance(value := getattr(self.declaration, name, None), int)}
        known = {**keys, **self.beside(), **self.lab.sizes.get(self.name, {})}
        alone = self._alone(known, parts)  # what it states where nothing else does gives way to no drawn size
        sizes = {**draw_sizes(names, draw), **alone, **known}
        sizes = {name: size for name, size in sizes.items() if name in names and name not in parts}
        spaces = dict(_spaces(sizes, getattr(self.component, "mapped", {})))
        sizes |= {name: len(space) for name, space in spaces.items()}
        stated = {**alone, **self._stated(Dims(sizes, spaces, parts, {}, self._used_dims(draw)))}
        for name, value in stated.items():
            if isinstance(value, str):
                sizes.pop(name, None)
            elif isinstance(value, LabelSpace):
                sizes[name], spaces[name] = len(value), value
            else:
                sizes[name] = int(value)
        return Solved(sizes, spaces, parts, frozenset(stated))

    def build(self, seed: int = 0, draw: int = 0) -> Built:
        """Builds it with a seed of its own, in evaluation mode; what its keys name is always built with seed 0."""
        used = {key: subject.build(0, draw).made for key, subject in self.uses.items() if _is_built(subject)}
        solved, asked = self.solve(draw), set[str]()
        dims = Dims(Recorded(solved.sizes, asked), solved.spaces, solved.parts, used, self._used_dims(draw))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = self.declaration.build(dims)
        if isinstance(made, nn.Module):
            made.eval()
        return Built(made, solved, frozenset(asked), used)

    def feed(self, built: Built, shape: Shape) -> Feed:
        """Draws what its ports are fed: dims that the build did not ask for vary with `shape`."""
        shapes = self.shapes(built, shape)
        generator = torch.Generator().manual_seed(shape.seed)
        values: Feed = {}
        for name, kind in self.reads.items():
            if name in shape.absent:
                continue
            if isinstance(kind, Many):
                values[name] = [
                    draw_tensor(kind.port, part, shape, generator) for part in self._each(kind, shapes, built)
                ]
            elif kind.dtype.is_tensor:
                drawn = shape if name != "target" else Shape(shape.batch, shape.length, shape.axes)
                values[name] = draw_tensor(kind, shapes, drawn, generator, masks=name != "target")
        return values

    def shapes(self, built: Built, shape: Shape) -> Shapes:
        """Gives the sizes of its dims in one call."""
        sizes = dict(built.solved.sizes) | {"batch": shape.batch}
        sizes |= dict.fromkeys(self.varying(built), shape.length)
        shapes = Shapes(sizes)
        for port in map(port_of, (*self.reads.values(), *self.gives.values())):
            for dim in port.dims:
                if dim.is_open and dim.name is not None and dim.size is None:
                    shapes.axes[dim.name] = shape.axes[:1] if dim.optional else shape.axes
        return shapes

    def varying(self, built: Built) -> list[str]:
        """Lists the dims whose size is another from batch to batch: those of sequences that the build asks not for."""
        fixed = {"batch", *built.asked, *built.solved.stated, *built.solved.parts, *self.beside()}
        found = (port.dims[1] for port in map(port_of, self.reads.values()) if _is_sequence(port))
        return sorted({dim.name for dim in found if dim.name and not dim.terms and dim.size is None} - fixed)

    def call(self, module: Any, values: Mapping[str, Any]) -> dict[str, Tensor]:
        """Calls what was built, and names what it gives."""
        return by_port(module(**values), tuple(self.gives))

    def beside(self) -> dict[str, int]:
        """Gives the sizes that nodes beside it have: those that its keys name, and the one that makes the ids it reads.

        Equal names are taken for equal sizes, as they are in a fusion that wires the two.
        """
        sizes: dict[str, int] = {}
        for subject in self.uses.values():
            if isinstance(subject.declaration, Module):
                solved = subject.solve()  # which has no size of a dim that is stated by the name of what it counts
                sizes |= {name: solved.sizes[name] for name in solved.stated if name in solved.sizes}
        if any(port_of(kind).bound for kind in self.reads.values()):
            tokens = self.lab.tokens()
            for name, kind in self.reads.items():
                given = tokens.gives.get(name)
                if given is not None and given.bound and port_of(kind).bound and port_of(kind).takes(given):
                    sizes[str(port_of(kind).bound)] = tokens.solve().sizes[given.bound]
        return sizes

    def _used_dims(self, draw: int) -> dict[str, Dims]:
        found = {}
        for key, subject in self.uses.items():
            if _is_built(subject):
                solved = subject.solve(draw)
                found[key] = Dims(solved.sizes, solved.spaces, solved.parts)
        return found

    def _stated(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        if not hasattr(self.declaration, "dims"):
            return {}
        try:
            stated: Mapping[str, int | str | LabelSpace] = self.declaration.dims(known)
        except Unsolved:
            return {}
        return stated

    def _alone(self, known: Mapping[str, int], parts: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
        stated = self._stated(Dims({name: size for name, size in known.items() if name in self.dims}, {}, parts))
        return {name: size for name, size in stated.items() if isinstance(size, int) and name not in known}

    def _parts(self, draw: int) -> dict[str, tuple[int, ...]]:
        names = [name for kind in self.reads.values() if isinstance(kind, Many) for name in kind.each]
        count = _PARTS if draw == 0 else 1
        given = draw_sizes([f"{name} {place}" for name in names for place in range(count)], draw)
        return {name: tuple(given[f"{name} {place}"] for place in range(count)) for name in names}

    def _each(self, kind: Many, shapes: Shapes, built: Built) -> Iterator[Shapes]:
        count = len(next(iter(built.solved.parts.values()), (0,) * _PARTS))
        for place in range(count):
            part = Shapes({**shapes.sizes, **{name: sizes[place] for name, sizes in built.solved.parts.items()}})
            part.axes = shapes.axes
            yield part


def by_port(given: Any, ports: tuple[str, ...]) -> dict[str, Tensor]:
    """Names what a call gave: one tensor, a tuple in the order of the ports, or a mapping; raises `Broken` else."""
    found = dict(given) if isinstance(given, Mapping) else None
    if found is None:
        values = tuple(given) if isinstance(given, tuple | list) else (given,)
        found = dict(zip(ports, values, strict=False)) if len(values) == len(ports) else {}
    if set(found) != set(ports) or not all(isinstance(value, Tensor) for value in found.values()):
        shown = f"{type(given).__name__} of {len(given)}" if isinstance(given, tuple | list) else type(given).__name__
        raise Broken(f"a call gives a {shown}", f"a tensor for each of {', '.join(ports)}", "mend what is returned")
    return found


def _is_built(subject: Subject) -> bool:
    return issubclass(subject.component, Module | Input)


def _is_sequence(port: Port) -> bool:
    """Tells whether the second dim of a port is most likely a sequence: more follow, or its values are no floats."""
    has_second = len(port.dims) > 1 and port.dims[0].name == "batch" and not port.dims[1].is_open
    return has_second and (len(port.dims) > 2 or not port.dtype.is_differentiable)


def _names(kinds: tuple[Port | Many, ...]) -> Iterator[str]:
    for port in map(port_of, kinds):
        for dim in (*port.dims, port.bound_dim):
            if dim is not None and not dim.is_open and dim.size is None:
                yield from _named(dim)


def _named(dim: Dim) -> Iterator[str]:
    if dim.terms:
        yield from dim.operands
    elif dim.name is not None:
        yield dim.name


def _spaces(sizes: Mapping[str, int], mapped: Mapping[str, str]) -> Iterator[tuple[str, LabelSpace]]:
    """Gives each dim classes, and those of a mapped one the declared mapping."""
    for name, size in sizes.items():
        if size > 1 and name not in mapped:
            yield name, LabelSpace(name=name, labels=tuple(f"{name}_{index}" for index in range(size)))
    for group, label in mapped.items():
        labels = [f"{label}_{index}" for index in range(sizes.get(label, 2))]
        groups = [f"{group}_{index}" for index in range(max(2, min(len(labels) - 1, sizes.get(group, 2))))]
        mapping = {one: groups[index % len(groups)] for index, one in enumerate(labels)}
        yield group, LabelSpace(name=group, labels=tuple(groups), maps={label: mapping})
