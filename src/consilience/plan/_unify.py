"""Unifies the two ports of an edge, dim by dim, and tells what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from consilience.declare import Dim, Many, Port
from consilience.plan._dims import Conflict, DimVariables, Fact
from consilience.plan._plan import TARGET, Edge, PlanNode, Ref
from consilience.plan._references import is_alike, rewired
from consilience.plan._resolved import Resolved

__all__ = ["Unifier", "port_of"]


@dataclass(frozen=True)
class _Axis:
    """One axis of one tensor: a variable, or a fixed size."""

    dim: Dim
    variable: Any


@dataclass(frozen=True)
class _Why:
    """Why two ports of one form do not fit."""

    found: str
    expected: str
    code: str = "CN301"


def port_of(kind: Port | Many) -> Port:
    """Gives the type of a port, of one tensor where it takes several."""
    return kind.port if isinstance(kind, Many) else kind


class Unifier:
    """Makes the dims of connected ports one."""

    def __init__(self, resolved: Resolved, variables: DimVariables) -> None:
        self._resolved = resolved
        self._variables = variables
        self._variadic: dict[tuple[str, str], tuple[_Axis, ...]] = {}

    def unify(self, edge: Edge) -> None:
        """Unifies an edge's ports, or notes why they do not fit."""
        source = self._resolved.nodes[edge.source.node].outputs[edge.source.port]
        target = self._resolved.nodes[edge.target.node].inputs[edge.target.port]
        wanted = port_of(target)
        if isinstance(source, Many):
            return  # no component gives one: `ports_of` lists them among the inputs alone
        found = self._axes(edge.source.node, source)
        expected = self._expected_axes(edge, target, found)
        if source.dtype is not wanted.dtype or (found is not None and expected is None):
            self._mismatch(edge, source, wanted)
            return
        if wanted.bound and not source.bound:
            why = _Why("numbers that no dim bounds", f"indexes below {wanted.bound}")
            self._mismatch(edge, source, wanted, why)
            return
        try:
            for first, second in zip(found or (), expected or (), strict=True):
                self._unite(first, second, edge)
            if source.bound and wanted.bound:
                self._variables.unite((edge.source.node, source.bound), (edge.target.node, wanted.bound))
        except Conflict as conflict:
            code = "CN307" if conflict.is_of_labels else "CN301"
            self._mismatch(edge, source, wanted, _Why(str(conflict.found), str(conflict.expected), code))

    def _axes(self, node: str, port: Port) -> tuple[_Axis, ...] | None:
        """Gives the axes of an output port, or None when its rank is not known."""
        axes: list[_Axis] = []
        for position, dim in enumerate(port.dims):
            if dim.variadic:
                bound = self._variadic.get((node, dim.name)) if dim.name else None
                if bound is None:
                    return None
                axes += bound
            else:
                axes.append(_Axis(dim, (node, dim.name) if dim.name else (node, "_", id(port), position)))
        return tuple(axes)

    def _expected_axes(
        self, edge: Edge, target: Port | Many, found: tuple[_Axis, ...] | None
    ) -> tuple[_Axis, ...] | None:
        """Gives the axes that a port expects of a tensor with the found axes, or None when the ranks do not fit."""
        if found is None:
            return ()
        wanted, each = port_of(target), target.each if isinstance(target, Many) else ()
        spare = len(found) - sum(not dim.variadic for dim in wanted.dims)
        has_variadic = any(dim.variadic for dim in wanted.dims)
        if spare < 0 or (spare > 0 and not has_variadic):
            return None
        axes: list[_Axis] = []
        for position, dim in enumerate(wanted.dims):
            if dim.variadic:
                taken = found[len(axes) : len(axes) + spare]
                known = self._variadic.setdefault((edge.target.node, dim.name), taken) if dim.name else taken
                if len(known) != len(taken):
                    return None
                axes += known
            else:
                axes.append(_Axis(dim, self._variable(edge, dim, each, position)))
        return tuple(axes)

    def _variable(self, edge: Edge, dim: Dim, each: tuple[str, ...], position: int) -> Any:
        node = edge.target.node
        if dim.name is None:
            return (node, "_", edge.target.port, edge.index, position)
        return (node, dim.name, edge.index) if dim.name in each else (node, dim.name)

    def _unite(self, found: _Axis, expected: _Axis, edge: Edge) -> None:
        for axis, owner in ((found, edge.source.node), (expected, edge.target.node)):
            if axis.dim.size is not None:
                self._variables.state(axis.variable, Fact(axis.dim.size, f"in the ports of {owner}"))
        self._variables.unite(found.variable, expected.variable)

    def _mismatch(self, edge: Edge, source: Port, wanted: Port, why: _Why | None = None) -> None:
        given = f"{edge.source}: {self._typed(edge.source.node, source)}"
        asked = f"{edge.target.port}: {self._typed(edge.target.node, wanted)}"
        self._resolved.fault(
            why.code if why else "CN301",
            edge.key,
            f"{given}   ({why.found})" if why else given,
            f"{asked}   ({why.expected})" if why else asked,
            self._fitting(edge, wanted),
        )

    def _typed(self, node: str, port: Port) -> str:
        words = []
        for dim in port.dims:
            size = self._variables.known((node, dim.name)).static if dim.name and not dim.variadic else None
            words.append(f"{dim.name}={size}" if size is not None else str(dim))
        return f"{port.dtype}[{' '.join(words)}]" + (f" below {port.bound}" if port.bound else "")

    def _fitting(self, edge: Edge, wanted: Port) -> str:
        """Names another port that would fit, of the same node first."""
        for ref, port in self._others(edge):
            if ref != edge.source and self._fits(ref.node, port, wanted, edge):
                return rewired(self._resolved.fusion, edge.key, ref, edge.index)
        return f"# feed {edge.target.node} with a tensor of type {wanted}"

    def _others(self, edge: Edge) -> Iterator[tuple[Ref, Port]]:
        """Lists the ports that could stand there instead, none that comes after the node itself."""
        nodes = self._resolved.nodes
        own = nodes[edge.source.node]
        section = "fields" if edge.target.port == TARGET else own.section
        above: list[PlanNode] = []
        for node in nodes.values():
            if node.name == edge.target.node:
                break
            if node.section == section and node is not own:
                above.append(node)
        for node in (own, *reversed(above)):
            for name, port in node.outputs.items():
                if isinstance(port, Port):
                    yield Ref(node.name, name), port

    def _fits(self, node: str, port: Port, wanted: Port, edge: Edge) -> bool:
        if not is_alike(port, wanted):
            return False
        variadic = next((dim.name for dim in wanted.dims if dim.variadic), None)
        bound = self._variadic.get((edge.target.node, variadic)) if variadic else None
        if bound is not None and len(port.dims) != len(wanted.dims) - 1 + len(bound):
            return False
        pairs = (
            [] if variadic else [(mine.name, theirs.name) for mine, theirs in zip(port.dims, wanted.dims, strict=False)]
        )
        for mine, theirs in [*pairs, (port.bound, wanted.bound)]:
            if mine and theirs:
                given = self._variables.known((node, mine))
                asked = self._variables.known((edge.target.node, theirs))
                if given.size and asked.size and given.size.value != asked.size.value:
                    return False
                if given.identity and asked.identity and given.identity.value != asked.identity.value:
                    return False
        return True
