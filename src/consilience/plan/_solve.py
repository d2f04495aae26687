"""Solves dims and label spaces: unifies the ports of every edge, in both directions, until nothing new follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from consilience.declare import Dims, LabelSpace, Many, Port
from consilience.errors import Path
from consilience.plan._dims import DimClass, DimVariables, Fact, Varying
from consilience.plan._plan_node import Edge, PlanNode
from consilience.plan._ports import Dimmed, port_of
from consilience.plan._resolved import Resolved
from consilience.plan._spaces import unmapped
from consilience.plan._statements import Statements
from consilience.plan._unify import Unifier

__all__ = ["Solution", "Solver"]


@dataclass(frozen=True)
class Solution:
    """What is solved: the sizes and labels of each node's dims, which dims are one though they vary, and why."""

    dims: dict[str, Dims]
    varying: dict[str, dict[str, str]]
    """By node and dim, the common name of those that are equal in every batch: `{"encoder": {"seq": "tokens.seq"}}`."""
    reasons: Callable[[str, str], tuple[str, ...]]
    """Gives, for a node and a dim, every reason for what is known of it."""


class Solver:
    """Unifies over the edges in topological order: fields and inputs first, since what they leave open varies.

    Notes each type that does not fit. `doubtful` nodes lack what a fault told elsewhere keeps from them.
    """

    def __init__(self, resolved: Resolved, edges: list[Edge], order: list[str], doubtful: frozenset[str]) -> None:
        self._resolved = resolved
        self._order = [resolved.nodes[name] for name in order]
        self._into: dict[str, list[Edge]] = {name: [] for name in order}
        for edge in edges:
            if edge.target.node in self._into and edge.source.node in self._into:
                self._into[edge.target.node].append(edge)
        self._variables = DimVariables()
        self._written: dict[int, tuple[str, ...]] = {}
        self._unifier = Unifier(resolved, self._variables, self._into)
        self._statements = Statements(resolved, self._variables, self._order, self._into, doubtful)

    def solve(self) -> Solution:
        """Unifies everything and settles what follows."""
        for name, space in self._resolved.spaces.items():
            self._variables.state((name, "labels"), Fact(space, f"from the field {name}", name))
        fed = [node for node in self._order if node.section in ("fields", "inputs")]
        for node in fed:
            self._unify_into(node)
            self._statements.follow(node)
            self._statements.state_origins(node)  # at once: two that vary apart shall not become one unseen
        self._settle(fed)
        rest = [node for node in self._order if node.section not in ("fields", "inputs")]
        for node in rest:
            self._unify_into(node)
            self._statements.follow(node)  # at once: what does not fit a size is then told at the edge that brings it
        self._compare_shares()
        self._settle(self._order)
        dims = {node.name: self._statements.dims_of(node) for node in self._order}
        return Solution(dims, self._varying(), self._reasons)

    def tell_open_dims(self, doubtful: Iterable[str]) -> None:
        """Notes the dims that nothing gives a size, and the labels that no mapping relates.

        Of `doubtful` nodes, and those behind them, another fault may be the reason.
        """
        hurt = set(doubtful)
        for node in self._order:
            if any(edge.source.node in hurt for edge in self._into[node.name]):
                hurt.add(node.name)
            if node.section == "fields" or node.share or node.name in hurt:
                continue
            open_dim = self._unifier.untold(node.name)
            lacking = (name for name in self._needed_names(node) if not self._statements.is_known(node, name))
            name = next(lacking, None) if open_dim is None else str(open_dim)
            if name is not None:
                hurt.add(node.name)
                found = f"dim {name} of {node.name}, which nothing gives a size"
                expected = "a size from what feeds it, or from the target of a loss that reads it"
                self._resolved.fault("CN306", (node.section, node.name), found, expected, self._a_loss(node))
            else:
                self._tell_unmapped(node)

    def _tell_unmapped(self, node: PlanNode) -> None:
        """Notes labels that a component maps onto others, where no mapping is declared or it is not whole."""
        path: Path = (node.section, node.name)
        mapped = type(node.declaration).mapped if isinstance(node.declaration, Dimmed) else {}
        for groups, labels in mapped.items():
            spaces = []
            for name in (groups, labels):
                space = self._statements.known(node, name).space
                if space is None:
                    found = f"dim {name} of {node.name}, whose labels nothing names"
                    fix = f"# let a loss or metric with a target of labels read what has the dim {name}"
                    self._resolved.fault("CN316", path, found, "labels, from the target of a loss or metric", fix)
                elif isinstance(space.value, LabelSpace):
                    spaces.append(space.value)
            if len(spaces) == 2:
                for why in unmapped(self._resolved, *spaces):
                    self._resolved.fault("CN316", path, why.found, why.expected, why.fix)

    def _a_loss(self, node: PlanNode) -> str:
        if node.section != "modules" or len(node.outputs) != 1 or not self._resolved.spaces:
            return f"# feed {node.name} with a tensor whose sizes are known, or give it a loss with a target"
        loss = f"{{use: cross_entropy, in: {node.name}, target: {next(iter(self._resolved.spaces))}}}"
        return f"{node.name}_loss: {loss}  # under losses"

    def _varying(self) -> dict[str, dict[str, str]]:
        """Names the dims that vary after where they come from: those of one name are equal in every batch."""
        found: dict[str, dict[str, str]] = {}
        for node in self._order:
            for dim, each in self._statements.names(node.name).items():
                size = self._statements.known(node, dim).size if not each else None
                if size is not None and isinstance(size.value, Varying):
                    found.setdefault(node.name, {})[dim] = str(size.value)
        return found

    @cached_property
    def _position(self) -> dict[str, int]:
        return {node.name: index for index, node in enumerate(self._order)}

    def _reasons(self, name: str, dim: str) -> tuple[str, ...]:
        node = self._resolved.nodes.get(name)
        if node is None or dim not in self._statements.names(name):
            return ()
        owners = [name, *([node.share] if node.share in self._into else [])]
        variables = [one for owner in owners for one in self._statements.variables_of(owner, dim)]
        return tuple(dict.fromkeys(told for one in variables for told in self._told(self._variables.known(one))))

    def _told(self, known: DimClass) -> tuple[str, ...]:
        """Writes the facts of dims that are one, in the order of the nodes: once for all of them."""
        if id(known) not in self._written:
            facts = sorted(known.facts, key=lambda fact: self._position.get(fact.node, len(self._order)))
            self._written[id(known)] = tuple(dict.fromkeys(map(str, facts)))
        return self._written[id(known)]

    def _unify_into(self, node: PlanNode) -> None:
        self._statements.state_written(node)
        edges = self._into[node.name]
        if self._statements.has_sums(node.name):  # what a sum adds is known first
            edges = sorted(
                edges, key=lambda edge: any(dim.terms for dim in port_of(node.inputs[edge.target.port]).dims)
            )
        for edge in edges:
            self._statements.derive(node)
            self._unifier.unify(edge)

    def _settle(self, nodes: list[PlanNode]) -> None:
        """Asks every component for the sizes that follow from those known, until none brings news."""
        news = True
        while news:
            news = False
            for node in nodes:
                news |= self._statements.follow(node)

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
                    self._resolved.fault("CN303", self._statements.input_path(node), found, expected, fix)

    def _needed_names(self, node: PlanNode) -> Iterator[str]:
        """Lists the dims whose size must be known, or vary with what is known: all that connected ports speak of."""
        if node.section != "inputs":
            connected = {edge.target.port for edge in self._into[node.name]}
            ports = [port for name, port in node.inputs.items() if name in connected and isinstance(port, Port)]
            ports += [port for port in node.outputs.values() if isinstance(port, Port)]
            for dim in (dim for port in ports for dim in port.dims if dim.name and not dim.is_open):
                yield from dim.operands
                yield str(dim.name)
        if isinstance(node.declaration, Dimmed):
            yield from type(node.declaration).static
