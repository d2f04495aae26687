"""Solves dims and label spaces: unifies the ports of every edge, in both directions, until nothing new follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from consilience.declare import Dims, Input, LabelSpace, Loss, Many, Metric, Module, Port, Unsolved
from consilience.errors import Path
from consilience.host import PLUGIN_ERRORS, innermost
from consilience.plan._dims import Conflict, DimClass, DimVariables, Fact, Varying
from consilience.plan._plan import Edge, PlanNode
from consilience.plan._resolved import Resolved
from consilience.plan._unify import Unifier, port_of
from consilience.plan._uses import uses_of

__all__ = ["Solution", "Solver"]

_EXAMPLES = "batch"
"""The dim that counts the examples of a batch: one axis, whatever opens it."""


@dataclass(frozen=True)
class Solution:
    """What is solved: the sizes and labels of each node's dims, and which dims are one though they vary."""

    dims: dict[str, Dims]
    varying: dict[str, dict[str, str]]
    """By node and dim, the common name of those that are equal in every batch: `{"encoder": {"seq": "tokens.seq"}}`."""


class Solver:
    """Unifies over the edges in topological order: fields and inputs first, since their open axes vary.

    Notes each type that does not fit. `doubtful` nodes lack what a fault told elsewhere keeps from them.
    """

    def __init__(self, resolved: Resolved, edges: list[Edge], order: list[str], doubtful: frozenset[str]) -> None:
        self._resolved = resolved
        self._doubtful = doubtful
        self._order = [resolved.nodes[name] for name in order]
        self._into: dict[str, list[Edge]] = {name: [] for name in order}
        for edge in edges:
            if edge.target.node in self._into and edge.source.node in self._into:
                self._into[edge.target.node].append(edge)
        self._variables = DimVariables()
        self._unifier = Unifier(resolved, self._variables)
        self._failed: set[tuple[str, str]] = set()
        self._names = {node.name: _dim_names(node) for node in self._order}

    def solve(self) -> Solution:
        """Unifies everything and settles what follows."""
        for name, space in self._resolved.spaces.items():
            self._variables.state((name, "labels"), Fact(space, f"from the field {name}"))
        fed = [node for node in self._order if node.section in ("fields", "inputs")]
        for node in fed:
            self._unify_into(node)
            self._follow(node)
        self._settle(fed)
        self._state_varying(fed)
        rest = [node for node in self._order if node.section not in ("fields", "inputs")]
        for node in rest:
            self._unify_into(node)
            self._follow(node)  # at once: what does not fit a size is then told at the edge that brings it
        self._compare_shares()
        self._settle(self._order)
        return Solution({node.name: self._dims_of(node) for node in self._order}, self._varying())

    def tell_open_dims(self, doubtful: Iterable[str]) -> None:
        """Notes the dims of modules and losses that nothing gives a size, where no other fault explains it."""
        hurt = set(doubtful)
        for node in self._order:
            if any(edge.source.node in hurt for edge in self._into[node.name]):
                hurt.add(node.name)
            if node.section not in ("modules", "losses", "metrics") or node.share or node.name in hurt:
                continue
            name = next((name for name in self._axis_names(node) if self._known(node, name).size is None), None)
            if name is not None:
                hurt.add(node.name)
                found = f"dim {name} of {node.name}, which nothing gives a size"
                expected = "a size from what feeds it, or from the target of a loss that reads it"
                self._resolved.fault("CN306", (node.section, node.name), found, expected, self._a_loss(node))

    def _a_loss(self, node: PlanNode) -> str:
        if node.section != "modules" or len(node.outputs) != 1 or not self._resolved.spaces:
            return f"# feed {node.name} with a tensor whose sizes are known, or give it a loss with a target"
        loss = f"{{use: cross_entropy, in: {node.name}, target: {next(iter(self._resolved.spaces))}}}"
        return f"{node.name}_loss: {loss}  # under losses"

    def _known(self, node: PlanNode, name: str) -> DimClass:
        return self._variables.known((node.name, name))

    def _dims_of(self, node: PlanNode) -> Dims:
        sizes: dict[str, int] = {}
        spaces: dict[str, LabelSpace] = {}
        parts: dict[str, tuple[int | None, ...]] = {}
        for name, each in self._names[node.name].items():
            if each:
                count = sum(1 for edge in self._into[node.name] if edge.target.port == each)
                parts[name] = tuple(self._variables.known((node.name, name, index)).static for index in range(count))
                continue
            known = self._known(node, name)
            if known.static is not None:
                sizes[name] = known.static
            if known.space is not None and isinstance(known.space.value, LabelSpace):
                spaces[name] = known.space.value
        return Dims(sizes, spaces, parts)

    def _varying(self) -> dict[str, dict[str, str]]:
        """Names each set of equal dims that vary, after the first of them in order."""
        names: dict[int, str] = {}
        found: dict[str, dict[str, str]] = {}
        for node in self._order:
            for dim, each in self._names[node.name].items():
                known = self._known(node, dim)
                if known.varies and not each:
                    found.setdefault(node.name, {})[dim] = names.setdefault(id(known), f"{node.name}.{dim}")
        return found

    def _state_varying(self, nodes: list[PlanNode]) -> None:
        """States that an axis which no input knows the size of varies from batch to batch."""
        for node in nodes:
            for port in node.outputs.values():
                for dim in port.dims if isinstance(port, Port) else ():
                    if dim.name and not dim.variadic and self._known(node, dim.name).size is None:
                        axis = dim.name if dim.name == _EXAMPLES else f"{node.name}.{dim.name}"
                        self._variables.state((node.name, dim.name), Fact(Varying(axis), f"in {node.name}"))

    def _unify_into(self, node: PlanNode) -> None:
        self._state_written(node)
        for edge in self._into[node.name]:
            self._unifier.unify(edge)

    def _state_written(self, node: PlanNode) -> None:
        """States the sizes that a port type writes itself, as in `classes=3`."""
        for kind in (*node.inputs.values(), *node.outputs.values()):
            for dim in port_of(kind).dims:
                if dim.name and dim.size is not None and not self._names[node.name].get(dim.name):
                    self._state(node, dim.name, Fact(dim.size, f"in the ports of {node.component}"))

    def _settle(self, nodes: list[PlanNode]) -> None:
        """Asks every component for the sizes that follow from those known, until none brings news."""
        news = True
        while news:
            news = False
            for node in nodes:
                news |= self._follow(node)

    def _follow(self, node: PlanNode) -> bool:
        return self._share(node, node.share) if node.share else self._ask(node)

    def _ask(self, node: PlanNode) -> bool:
        declaration = node.declaration
        if not isinstance(declaration, Input | Module | Loss | Metric) or (node.name, "dims") in self._failed:
            return False
        try:
            stated = _sizes(declaration.dims(self._dims_of(node)))
        except Unsolved:
            return False
        except PLUGIN_ERRORS as error:
            self._failed.add((node.name, "dims"))
            if node.name not in self._doubtful:
                offer = self._resolved.registry.component(node.component)
                distribution = offer.distribution if offer else node.component
                found = f"{distribution} fails to state the dims of {node.component}: {innermost(error)}"
                fix = f"# mend {distribution}, or upgrade it"
                self._resolved.fault("CN207", (node.section, node.name), found, "a mapping of dims to sizes", fix)
            return False
        reason = f"from {node.name}" + "".join(f", by its {key} {name}" for key, name in uses_of(declaration))
        if node.name in self._doubtful:  # what it counts may be what a key names wrongly, and that is told already
            stated = {name: size for name, size in stated.items() if not isinstance(size, str)}
        news = [self._state(node, name, Fact(size, reason)) for name, size in stated.items()]
        return any(news)

    def _state(self, node: PlanNode, name: str, fact: Fact, index: int | None = None) -> bool:
        if (node.name, name) in self._failed:
            return False
        try:
            return self._variables.state((node.name, name) if index is None else (node.name, name, index), fact)
        except Conflict as conflict:
            self._failed.add((node.name, name))
            found, expected = f"{name} = {conflict.expected}", f"{name} = {conflict.found}"
            one = "one thing" if isinstance(conflict.found.value, str) else "one size"
            fix = f"# make dim {name} of {node.name} {one}: change what feeds it, or its keys"
            code = "CN307" if conflict.is_of_labels else "CN301"
            self._resolved.fault(code, self._input_path(node), found, expected, fix)
            return False

    def _share(self, node: PlanNode, owner: str) -> bool:
        """Carries over the sizes of the module whose parameters are applied here; what varies may differ."""
        news = False
        for name, each in self._names[node.name].items():
            for first, second in ((node.name, owner), (owner, node.name)):
                if (second, name) in self._failed:
                    continue  # told there
                count = sum(1 for edge in self._into[second] if edge.target.port == each) if each else 1
                for index in range(count):
                    known = self._variables.known((second, name, index) if each else (second, name))
                    for fact in (known.size, known.space, known.identity):
                        if fact is not None and not isinstance(fact.value, Varying):
                            target = self._resolved.nodes[first]
                            news |= self._state(target, name, fact, index if each else None)
        return news

    def _compare_shares(self) -> None:
        """Notes each further application of a module that takes another number of tensors."""
        for node in self._order:
            owned = [edge.target.port for edge in self._into.get(node.share or "", [])]
            taken = [edge.target.port for edge in self._into[node.name]]
            for port, kind in node.inputs.items():
                if node.share and isinstance(kind, Many) and taken.count(port) != owned.count(port):
                    found = f"{taken.count(port)} tensors for {port}"
                    expected = f"{owned.count(port)}, as many as {node.share} takes"
                    fix = f"# name {owned.count(port)} references under in"
                    self._resolved.fault("CN303", self._input_path(node), found, expected, fix)

    def _input_path(self, node: PlanNode) -> Path:
        return (node.section, node.name, "in") if self._into[node.name] else (node.section, node.name)

    def _axis_names(self, node: PlanNode) -> list[str]:
        connected = {edge.target.port for edge in self._into[node.name]}
        ports = [port for name, port in node.inputs.items() if name in connected and isinstance(port, Port)]
        ports += [port for port in node.outputs.values() if isinstance(port, Port)]
        return list(dict.fromkeys(dim.name for port in ports for dim in port.dims if dim.name and not dim.variadic))


def _dim_names(node: PlanNode) -> dict[str, str]:
    """Lists the dim names of a node, with the variadic port within which each has many sizes, or none."""
    names: dict[str, str] = {}
    for port_name, kind in (*node.inputs.items(), *node.outputs.items()):
        variadic = {dim.name for dim in port_of(kind).dims if dim.variadic}
        for name in kind.names:
            if name not in variadic:
                each = port_name if isinstance(kind, Many) and name in kind.each else ""
                names[name] = names.get(name) or each
    return names


def _sizes(stated: Mapping[str, object]) -> dict[str, int | LabelSpace | str]:
    """Takes what a component's `dims` states; raises ValueError for what is neither a size nor a name."""
    found: dict[str, int | LabelSpace | str] = {}
    for name, size in dict(stated).items():
        is_name = isinstance(size, str) and size and not size[0].isdigit()  # "8" is a size that was not converted
        if not (is_name or isinstance(size, LabelSpace) or (type(size) is int and size > 0)):
            raise ValueError(f"{size!r} for {name}: a size is a whole number above 0, an identity is a name")
        found[str(name)] = cast("int | LabelSpace | str", size)
    return found
