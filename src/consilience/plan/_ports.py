"""The ports of a component, its target among them, and the dims that they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consilience.declare import Component, Dim, Input, Loss, Many, Metric, Module, Port, Ports
from consilience.plan._plan import TARGET, PlanNode

__all__ = ["Dimmed", "dim_names", "keys_of", "port_of", "ports_of", "sums_of"]

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


def dim_names(node: PlanNode) -> dict[str, str]:
    """Lists the dim names of a node, with the variadic port within which each has many sizes, or none."""
    names: dict[str, str] = {}
    for port_name, kind in (*node.inputs.items(), *node.outputs.items()):
        open_dim = port_of(kind).open_dim
        for name in kind.names:
            if open_dim is None or name != open_dim.name:
                each = port_name if isinstance(kind, Many) and name in kind.each else ""
                names[name] = names.get(name) or each
    return names


def sums_of(node: PlanNode) -> tuple[Dim, ...]:
    """Lists the sums and products among the dims and bounds of a node's ports, each once."""
    ports = [port_of(kind) for kind in (*node.inputs.values(), *node.outputs.values())]
    dims = [dim for port in ports for dim in port.dims if dim.terms]
    bounds = [port.bound_dim for port in ports if port.bound_dim and port.bound_dim.terms]
    return tuple(dict.fromkeys((*dims, *bounds)))


def keys_of(node: PlanNode, sums: Iterable[Dim]) -> Iterator[tuple[str, int]]:
    """Gives the keys of whole numbers that sums and products speak of; a dim of the same name goes before a key."""
    ports = [port_of(kind) for kind in (*node.inputs.values(), *node.outputs.values())]
    dims = {name for port in ports for name in (port.bound, *(dim.name for dim in port.dims))}
    for name in dict.fromkeys(name for dim in sums for name in dim.operands if name not in dims):
        is_key = node.declaration is not None and name in type(node.declaration).model_fields
        value = getattr(node.declaration, name) if is_key else None
        if type(value) is int and value > 0:
            yield name, value
