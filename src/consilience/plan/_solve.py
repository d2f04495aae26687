"""Solves dims and label spaces: unifies the ports of every edge, in both directions, until nothing new follows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from consilience.declare import Dim, Dims, Input, LabelSpace, Loss, Many, Metric, Module, Port, Unsolved, Use
from consilience.errors import Path
from consilience.host._discovery import innermost
from consilience.plan._dims import Conflict, DimVariables, Fact
from consilience.plan._plan import TARGET, Edge, PlanNode
from consilience.plan._resolve import Resolved

__all__ = ["Solution", "Solver", "solve"]


@dataclass(frozen=True)
class _Axis:
    """One axis of one tensor: a variable, or a fixed size."""

    dim: Dim
    variable: Any


@dataclass(frozen=True)
class Solution:
    """What is solved: the sizes and labels of each node's dims, and which dims are one though they vary."""

    dims: dict[str, Dims]
    varying: dict[str, dict[str, str]]
    """By node and dim, the common name of the dims that are equal in every batch: `{"encoder": {"seq": "tokens.seq"}}`."""


def solve(resolved: Resolved, edges: list[Edge], order: list[str], broken: frozenset[str]) -> Solution:
    """Solves every node's dims, and notes each type that does not fit and each dim left open."""
    solver = Solver(resolved, edges, order)
    solver.solve()
    solver.tell_open_dims(broken)
    return Solution({name: solver.dims_of(resolved.nodes[name]) for name in order}, solver.varying())


class Solver:
    """Unifies over the edges in topological order: fields and inputs first, since their open axes vary with the batch."""

    def __init__(self, resolved: Resolved, edges: list[Edge], order: list[str]) -> None:
        self._resolved = resolved
        self._order = [resolved.nodes[name] for name in order]
        self._into: dict[str, list[Edge]] = {name: [] for name in order}
        for edge in edges:
            self._into[edge.target.node].append(edge)
        self._variables = DimVariables()
        self._variadic: dict[tuple[str, str], tuple[_Axis, ...]] = {}
        self._failed: set[tuple[str, ...]] = set()

    def solve(self) -> None:
        """Unifies everything and settles what follows."""
        self._state_fields()
        fed = [node for node in self._order if node.section in ("fields", "inputs")]
        for node in fed:
            self._unify_into(node)
        self._settle(fed)
        self._state_varying(fed)
        rest = [node for node in self._order if node.section not in ("fields", "inputs")]
        for node in rest:
            self._unify_into(node)
        self._settle(self._order)

    def dims_of(self, node: PlanNode) -> Dims:
        """Gives what is solved of a node's dims."""
        sizes: dict[str, int] = {}
        spaces: dict[str, LabelSpace] = {}
        parts: dict[str, tuple[int | None, ...]] = {}
        for name, each in self._names(node).items():
            if each:
                count = sum(1 for edge in self._into[node.name] if edge.target.port == each)
                parts[name] = tuple(self._variables.known((node.name, name, index)).static for index in range(count))
                continue
            known = self._variables.known((node.name, name))
            if known.static is not None:
                sizes[name] = known.static
            if known.space is not None and isinstance(known.space.value, LabelSpace):
                spaces[name] = known.space.value
        return Dims(sizes, spaces, parts)

    def varying(self) -> dict[str, dict[str, str]]:
        """Names each set of equal dims that vary, after the first of them in order."""
        names: dict[int, str] = {}
        found: dict[str, dict[str, str]] = {}
        for node in self._order:
            for dim, each in self._names(node).items():
                known = self._variables.known((node.name, dim))
                if known.varies and not each:
                    found.setdefault(node.name, {})[dim] = names.setdefault(id(known), f"{node.name}.{dim}")
        return found

    def tell_open_dims(self, broken: frozenset[str]) -> None:
        """Notes the dims of modules and losses that nothing gives a size, where no other fault explains it."""
        hurt = set(broken) | {name for name, *_ in self._failed}
        for node in self._order:
            if any(edge.source.node in hurt for edge in self._into[node.name]):
                hurt.add(node.name)
            if node.section not in ("modules", "losses") or node.share or node.name in hurt:
                continue
            for name in self._axis_names(node):
                if self._variables.known((node.name, name)).size is None:
                    hurt.add(node.name)
                    found = f"dim {name} of {node.name}, which nothing gives a size"
                    expected = "a size from what feeds it, or from the target of a loss that reads it"
                    fix = f"losses: {{{node.name}_loss: {{use: cross_entropy, in: {node.name}, target: {self._labelled()}}}}}"
                    self._resolved.fault("CN306", (node.section, node.name), found, expected, fix)

    def _labelled(self) -> str:
        return next(iter(self._resolved.spaces), "field")

    def _state_fields(self) -> None:
        for name, space in self._resolved.spaces.items():
            self._variables.state((name, "labels"), Fact(space, f"from the field {name}"))

    def _state_varying(self, nodes: list[PlanNode]) -> None:
        """States that an axis which no input knows the size of varies from batch to batch."""
        for node in nodes:
            for port in node.outputs.values():
                for dim in port.dims if isinstance(port, Port) else ():
                    if dim.name and not dim.variadic and self._variables.known((node.name, dim.name)).size is None:
                        self._variables.state((node.name, dim.name), Fact(None, f"in {node.name}"))

    def _unify_into(self, node: PlanNode) -> None:
        self._state_written(node)
        for edge in self._into[node.name]:
            source = self._resolved.nodes[edge.source.node].outputs[edge.source.port]
            target = node.inputs[edge.target.port]
            wanted = target.port if isinstance(target, Many) else target
            if isinstance(source, Port):
                self._unify(edge, source, wanted, target.each if isinstance(target, Many) else ())

    def _state_written(self, node: PlanNode) -> None:
        """States the sizes that a port type writes itself, as in `classes=3`."""
        for ports in (node.inputs, node.outputs):
            for port in ports.values():
                for dim in (port.port if isinstance(port, Many) else port).dims:
                    if dim.name and dim.size is not None:
                        self._variables.state((node.name, dim.name), Fact(dim.size, f"in the ports of {node.component}"))

    def _unify(self, edge: Edge, source: Port, wanted: Port, each: tuple[str, ...]) -> None:
        found = self._axes(edge.source.node, source)
        expected = self._expected_axes(edge, wanted, each, found)
        if source.dtype is not wanted.dtype or (found is not None and expected is None):
            self._mismatch(edge, source, wanted, "")
            return
        for first, second in zip(found or (), expected or (), strict=True):
            try:
                self._unite(first, second, edge)
            except Conflict as conflict:
                self._mismatch(edge, source, wanted, f"{conflict.found}", f"{conflict.expected}", conflict.is_of_labels)
                return
        if source.bound and wanted.bound:
            try:
                self._variables.unite((edge.source.node, source.bound), (edge.target.node, wanted.bound))
            except Conflict as conflict:
                self._mismatch(edge, source, wanted, f"{conflict.found}", f"{conflict.expected}", conflict.is_of_labels)

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
        self, edge: Edge, wanted: Port, each: tuple[str, ...], found: tuple[_Axis, ...] | None
    ) -> tuple[_Axis, ...] | None:
        """Gives the axes that a port expects of a tensor with the found axes, or None when the ranks do not fit."""
        if found is None:
            return ()
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

    def _settle(self, nodes: list[PlanNode]) -> None:
        """Asks every component for the sizes that follow from those known, until none brings news."""
        news = True
        while news:
            news = False
            for node in nodes:
                news |= self._share(node) if node.share else self._ask(node)

    def _ask(self, node: PlanNode) -> bool:
        declaration = node.declaration
        if not isinstance(declaration, Input | Module | Loss | Metric) or (node.name, "dims") in self._failed:
            return False
        try:
            stated = dict(declaration.dims(self.dims_of(node)))
        except Unsolved:
            return False
        except Exception as error:
            self._failed.add((node.name, "dims"))
            found = f"{node.component} fails to state its dims: {innermost(error)}"
            fix = f"consilience plugins  # tells which distribution offers {node.component}"
            self._resolved.fault("CN207", (node.section, node.name), found, "a mapping of dims to sizes", fix)
            return False
        reason = f"from {node.name}" + "".join(
            f", by its {key} {use.name}" for key in type(declaration).uses() if isinstance(use := getattr(declaration, key), Use)
        )
        return any([self._state(node, name, Fact(size, reason)) for name, size in stated.items()])

    def _state(self, node: PlanNode, name: str, fact: Fact) -> bool:
        if (node.name, name) in self._failed:
            return False
        try:
            return self._variables.state((node.name, name), fact)
        except Conflict as conflict:
            self._failed.add((node.name, name))
            found, expected = f"{name} = {conflict.expected}", f"{name} = {conflict.found}"
            fix = f"# make dim {name} of {node.name} one size: change what feeds it, or its keys"
            self._resolved.fault("CN301", self._input_path(node), found, expected, fix)
            return False

    def _share(self, node: PlanNode) -> bool:
        """Carries over the sizes of the module whose parameters are applied here; what varies may differ."""
        news = False
        for name, each in self._names(node).items():
            for first, second in ((node.name, str(node.share)), (str(node.share), node.name)):
                known = self._variables.known((second, name))
                for fact in (known.size, known.space):
                    if fact is not None and fact.value is not None and not each:
                        owner = self._resolved.nodes[first]
                        news |= self._state(owner, name, fact)
        return news

    def _input_path(self, node: PlanNode) -> Path:
        return (node.section, node.name, "in") if self._into[node.name] else (node.section, node.name)

    def _names(self, node: PlanNode) -> dict[str, str]:
        """Lists the dim names of a node, with the variadic port within which each has many sizes, or none."""
        names: dict[str, str] = {}
        for port_name, port in (*node.inputs.items(), *node.outputs.items()):
            for name in port.names:
                each = port_name if isinstance(port, Many) and name in port.each else ""
                if not any(dim.variadic and dim.name == name for dim in (port.port if isinstance(port, Many) else port).dims):
                    names[name] = names.get(name) or each
        return names

    def _axis_names(self, node: PlanNode) -> list[str]:
        connected = {edge.target.port for edge in self._into[node.name]}
        ports = [port for name, port in node.inputs.items() if name in connected and isinstance(port, Port)]
        ports += [port for port in node.outputs.values() if isinstance(port, Port)]
        return list(dict.fromkeys(dim.name for port in ports for dim in port.dims if dim.name and not dim.variadic))

    def _mismatch(self, edge: Edge, source: Port, wanted: Port, found: str, expected: str = "", of_labels: bool = False) -> None:
        self._failed.add((edge.target.node, edge.target.port))
        given = f"{edge.source}: {self._typed(edge.source.node, source)}"
        asked = f"{edge.target.port}: {self._typed(edge.target.node, wanted)}"
        code = "CN307" if of_labels else "CN301"
        self._resolved.fault(
            code,
            edge.key,
            f"{given}   ({found})" if found else given,
            f"{asked}   ({expected})" if expected else asked,
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
        nodes = sorted(self._order, key=lambda node: node.name != edge.source.node)
        readable = ("fields", "inputs") if edge.target.port == TARGET else (self._resolved.nodes[edge.source.node].section,)
        written = edge.key[-1] if isinstance(edge.key[-1], str) else f"{edge.key[-2]}.{edge.key[-1]}"
        for node in nodes:
            if node.section not in readable or node.name == edge.target.node:
                continue
            for name, port in node.outputs.items():
                if (node.name, name) != (edge.source.node, edge.source.port) and isinstance(port, Port) and self._fits(node, port, wanted, edge):
                    return f"{written}: {node.name if node.section == 'fields' else f'{node.name}.{name}'}"
        return f"# feed {edge.target.node} with a tensor of type {wanted}"

    def _fits(self, node: PlanNode, port: Port, wanted: Port, edge: Edge) -> bool:
        if port.dtype is not wanted.dtype or len(port.dims) != len(wanted.dims) or bool(port.bound) != bool(wanted.bound):
            return False
        pairs = [(dim.name, other.name) for dim, other in zip_longest(port.dims, wanted.dims)] + [(port.bound, wanted.bound)]
        for mine, theirs in pairs:
            if mine and theirs:
                given, asked = self._variables.known((node.name, mine)), self._variables.known((edge.target.node, theirs))
                if None not in (given.size, asked.size) and given.static != asked.static:
                    return False
        return True
