"""The parts of a plan: its nodes, their ports, and the tensors' ways between these."""

from __future__ import annotations

from dataclasses import dataclass, field

from consilience.declare import Component, Loss, Module, Ports, Tuner

__all__ = ["TARGET", "Edge", "PlanNode", "Ref"]

TARGET = "target"
"""The name of the port by which a loss or metric reads its target."""


@dataclass(frozen=True, order=True)
class Ref:
    """One port of one node; a field has one port, without a name."""

    node: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.node}.{self.port}" if self.port else self.node


@dataclass(frozen=True)
class Edge:
    """One tensor's way: from a port to a port, `index` counting the tensors of a variadic port."""

    source: Ref
    target: Ref
    index: int = 0
    key: tuple[str | int, ...] = ()
    """The key of the file that declares it."""


@dataclass(frozen=True)
class PlanNode:
    """One field or node of a checked fusion."""

    name: str
    section: str
    discipline: str
    component: str = ""
    declaration: Component | None = None
    inputs: Ports = field(default_factory=Ports)
    outputs: Ports = field(default_factory=Ports)
    share: str | None = None
    tuner: Tuner | None = None

    @property
    def is_trained(self) -> bool:
        """Whether the node has parameters that training changes."""
        if isinstance(self.declaration, Loss):
            return self.declaration.has_parameters
        is_module = isinstance(self.declaration, Module) and self.declaration.has_parameters
        return is_module and self.tuner is not None and self.tuner.trains
