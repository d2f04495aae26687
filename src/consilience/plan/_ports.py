"""The ports of a component, its target among them, and the dims that they speak of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from consilience.declare import Component, Dim, Input, Loss, Many, Metric, Module, Port, Ports
from consilience.plan._plan_node import TARGET, PlanNode

__all__ = ["Dimmed", "Spoken", "keys_of", "port_of", "ports_of"]

Dimmed = Input | Module | Loss | Metric
"""The kinds of component that have dims."""


def ports_of(component: type[Component]) -> tuple[Ports, Ports]:
    """Gives the ports in and out of a component, a loss's and a metric's target among those in."""
    if issubclass(component, Input | Module):
        return component.inputs, component.outputs
    if issubclass(component, Loss | Metric):
        inputs: dict[str, Port | Many] = dict(component.inputs)
        if component.target is not None:
            inputs[TARGET] = component.target
        return _AnyPorts(**inputs), Ports()
    return Ports(), Ports()


class _AnyPorts(Ports):
    """The ports of a loss with its target: a variadic port may stand beside it."""

    def __init__(self, /, **ports: Port | Many) -> None:
        self._ports = dict(ports)


def port_of(kind: Port | Many) -> Port:
    """Gives the type of a port, of one tensor where it takes several."""
    return kind.port if isinstance(kind, Many) else kind


@dataclass(frozen=True)
class Spoken:
    """What the ports of a component say of its dims."""

    names: Mapping[str, str]
    """By dim, the variadic port within which it has many sizes, or none."""
    sums: tuple[Dim, ...]
    """The sums and products, each once."""
    sized: tuple[tuple[str, int], ...]
    """The sizes that a port writes itself, as in `classes=3`."""
    all_names: tuple[str, ...]
    """Every name that they speak of, also of an open number of axes: no other can the component ask for or state."""

    @classmethod
    def of(cls, node: PlanNode) -> Spoken:
        """Looks through the ports of a node; nodes of one component have the same."""
        kinds = (*node.inputs.items(), *node.outputs.items())
        names: dict[str, str] = {}
        for port_name, kind in kinds:
            open_dim = port_of(kind).open_dim
            for name in kind.names:
                if open_dim is None or name != open_dim.name:
                    each = port_name if isinstance(kind, Many) and name in kind.each else ""
                    names[name] = names.get(name) or each
        ports = [port_of(kind) for _, kind in kinds]
        dims = [dim for port in ports for dim in (*port.dims, port.bound_dim) if dim is not None]
        written = [(dim.name, dim.size) for dim in dims if dim.name and dim.size is not None and not dim.is_open]
        sized = tuple((name, size) for name, size in written if not names[name])
        value = node.declaration.value.names if isinstance(node.declaration, Loss) else ()
        all_names = tuple(dict.fromkeys((*(name for _, kind in kinds for name in kind.names), *value)))
        return cls(names, tuple(dict.fromkeys(dim for dim in dims if dim.terms)), sized, all_names)


def keys_of(node: PlanNode, sums: Sequence[Dim]) -> Iterator[tuple[str, int]]:
    """Gives the keys of whole numbers that sums and products speak of; a dim of the same name goes before a key."""
    if not sums:
        return
    ports = [port_of(kind) for kind in (*node.inputs.values(), *node.outputs.values())]
    dims = {name for port in ports for name in (port.bound, *(dim.name for dim in port.dims))}
    for name in dict.fromkeys(name for dim in sums for name in dim.operands if name not in dims):
        is_key = node.declaration is not None and name in type(node.declaration).model_fields
        value = getattr(node.declaration, name) if is_key else None
        if type(value) is int and value > 0:
            yield name, value
