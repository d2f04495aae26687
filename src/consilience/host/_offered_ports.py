"""Looks over the ports of an offered component, and the dims that they speak of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from consilience.declare import Component, Dtype, Many, Module, Port

__all__ = ["one_of", "port_faults", "written"]

PortFault = tuple[str, str, str]
"""What a component has, what was expected, and what to write instead."""


def port_faults(component: type[Component], ports: Mapping[str, Port | Many]) -> Iterator[PortFault]:
    """Tells what no call of the component could honour; `ports` are named by place, such as `inputs.features`."""
    for place, port in ports.items():
        if isinstance(port, Many):
            yield from _variadic(place, port)
        elif place.startswith("outputs."):
            yield from _output(place, port, ports)
    yield from _bounds(component, ports)
    yield from _names(ports)
    yield from _operands(component, ports)
    yield from _spoken_of(component, ports)


def _variadic(place: str, port: Many) -> Iterator[PortFault]:
    has = f"whose {place} is {port}"
    other = [name for name in port.each if name not in {dim.name for dim in port.port.dims}]
    if other:
        expected = f"in each dims of the port: {', '.join(filter(None, (dim.name for dim in port.port.dims)))}"
        yield f"{has}, each {other[0]}", expected, f"Many({written(port.port)})"
    if place.startswith("outputs."):
        yield has, "outputs of one tensor each", f"{place[8:]}={written(port.port)}"
    if any(dim.terms for dim in port.port.dims):
        yield has, "dims of several tensors that are no sums or products", "dims(self, known) that adds known.each(...)"


def _output(place: str, port: Port, ports: Mapping[str, Port | Many]) -> Iterator[PortFault]:
    has = f"whose {place} is {port}"
    if not port.dtype.is_tensor or port.dtype is Dtype.NUMBER:
        word = "Float" if port.dtype is Dtype.NUMBER else "Int"
        fix = f'{place[8:]}={word}["{" ".join(map(str, port.dims))}"]'
        yield has, "outputs that are tensors: Float, Int or Bool", fix
    dim = port.open_dim
    told = {one_of(other).open_dim for where, other in ports.items() if where.startswith("inputs.")}
    if dim is not None and (dim.name is None or dim.name not in {other.name for other in told if other}):
        axes = " ".join(str(other) for other in port.dims if other is not dim)
        expected = f"outputs whose number of dims an input tells: nothing that is read has {dim}"
        yield has, expected, f'{place[8:]}={port.dtype}["{axes}"]'


def _bounds(component: type[Component], ports: Mapping[str, Port | Many]) -> Iterator[PortFault]:
    # What is read may be below anything: the dim is then that of whatever feeds it.
    known = {dim.name for port in ports.values() for dim in one_of(port).dims}
    known |= {one_of(port).bound for place, port in ports.items() if place.startswith("inputs.")}
    for place, port in ports.items():
        bound = one_of(port).bound
        if bound and place.startswith("outputs.") and not _states_sizes(component) and bound not in known:
            names = ", ".join(sorted(filter(None, known)))
            yield (
                f"whose {place} is {port}",
                f"below one of its dims: {names}",
                f"dims(self, known) that states {bound}",
            )


def _names(ports: Mapping[str, Port | Many]) -> Iterator[PortFault]:
    """Tells of a name that stands for one axis here, and for none or several there."""
    marks: dict[str, str] = {}
    for place, port in ports.items():
        for dim in one_of(port).dims:
            for name, mark in ((dim.name, str(dim)[:1] if dim.is_open else ""), *((name, "") for name in dim.operands)):
                if name is not None and marks.setdefault(name, mark) != mark:
                    has = f"whose {place} is {port}, with {dim} where {marks[name]}{name} stands elsewhere"
                    yield has, f"{name} written one way in all ports", f'"{marks[name]}{name}"'


def _operands(component: type[Component], ports: Mapping[str, Port | Many]) -> Iterator[PortFault]:
    """Tells of a sum or product of something that nothing could give a size."""
    dims = {dim.name for port in ports.values() for dim in one_of(port).dims}
    dims |= {one_of(port).bound for port in ports.values()}
    keys = {key for key, info in component.model_fields.items() if int in (info.annotation, *get_args(info.annotation))}
    for place, port in ports.items():
        spoken = (*one_of(port).dims, one_of(port).bound_dim)
        for name in (name for dim in spoken if dim is not None for name in dim.operands):
            if name not in dims | keys and not _states_sizes(component):
                expected = (
                    f"sums and products of its dims ({', '.join(sorted(filter(None, dims)))}) and whole-number keys"
                )
                yield f"whose {place} is {port}", expected, f"dims(self, known) that states {name}"


def _spoken_of(component: type[Component], ports: Mapping[str, Port | Many]) -> Iterator[PortFault]:
    """Tells of dims that the class speaks of beside its ports, and that no port has."""
    names = {name for port in ports.values() for name in one_of(port).names}
    known = ", ".join(sorted(names))
    static: object = getattr(component, "static", ())
    if not (isinstance(static, tuple) and all(isinstance(name, str) for name in static)):
        yield "whose static is no tuple of names", "the dims that build asks for", 'static = ("hidden",)'
        return
    mapped: object = getattr(component, "mapped", {})
    if not (isinstance(mapped, Mapping) and all(isinstance(name, str) for pair in mapped.items() for name in pair)):
        yield "whose mapped is no mapping of names", "dims by the dim they are mapped from", 'mapped = {"to": "from"}'
        return
    for attribute, spoken in (("static", static), ("mapped", [name for pair in mapped.items() for name in pair])):
        for name in spoken:
            if name not in names:
                yield f"whose {attribute} speaks of {name}", f"dims of its ports: {known}", f"# remove {name}"


def _states_sizes(component: type[Component]) -> bool:
    return component.dims is not Module.dims  # type: ignore[attr-defined]


def one_of(port: Port | Many) -> Port:
    """Gives the type of one tensor of a port."""
    return port.port if isinstance(port, Many) else port


def written(port: Port | Many) -> str:
    """Writes a port as Python does."""
    if isinstance(port, Many):
        return f"Many({written(port.port)})"
    below = f'.below("{port.bound}")' if port.bound else ""
    if port.range is not None:
        below += ".logits()" if port.range.is_logits else f".within({port.range.low:g}, {port.range.high:g})"
    return f'{port.dtype}["{" ".join(map(str, port.dims))}"]{below}' + (" | None" if port.is_optional else "")
