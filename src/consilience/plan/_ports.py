"""The ports of a component, its target among them."""

from __future__ import annotations

from consilience.declare import Component, Input, Loss, Many, Metric, Module, Port, Ports
from consilience.plan._plan import TARGET

__all__ = ["ports_of"]


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
