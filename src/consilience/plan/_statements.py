"""States what each node says of its dims: in its ports, by its keys, and by what follows from what is known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import cast

from consilience.declare import Dim, Dims, LabelSpace, Size, UnknownDimError, Unsolved
from consilience.errors import Path
from consilience.host import PLUGIN_ERRORS, innermost, unknown_dim
from consilience.plan._dims import LARGEST, Conflict, DimClass, DimVariables, Fact, Varying
from consilience.plan._plan_node import Edge, PlanNode
from consilience.plan._ports import Dimmed, Spoken, keys_of, port_of
from consilience.plan._resolved import Resolved
from consilience.plan._spaces import wording
from consilience.plan._uses import uses_of

__all__ = ["Statements"]


class Statements:
    """States facts about the dims of nodes, and notes what contradicts what is known.

    `doubtful` nodes lack what a fault told elsewhere keeps from them.
    """

    def __init__(
        self,
        resolved: Resolved,
        variables: DimVariables,
        nodes: list[PlanNode],
        into: Mapping[str, list[Edge]],
        doubtful: frozenset[str],
    ) -> None:
        self._resolved = resolved
        self._variables = variables
        self._into = into
        self._doubtful = doubtful
        self._failed: set[tuple[str, str]] = set()
        self._stated: dict[tuple[str, str], object] = {}
        spoken: dict[tuple[str, str], Spoken] = {}
        for node in nodes:
            if _kept(node) not in spoken:
                spoken[_kept(node)] = Spoken.of(node)
        self._spoken = {node.name: spoken[_kept(node)] for node in nodes}

    def names(self, node: str) -> Mapping[str, str]:
        """Lists the dims of a node, with the variadic port within which each has many sizes, or none."""
        return self._spoken[node].names if node in self._spoken else {}

    def has_sums(self, node: str) -> bool:
        """Tells whether sums or products stand in the ports of a node."""
        return bool(self._spoken[node].sums)

    def known(self, node: PlanNode, name: str) -> DimClass:
        return self._variables.known((node.name, name))

    def variables_of(self, node: str, dim: str) -> list[Hashable]:
        """Lists the variables of a dim: one, or one a tensor of a variadic port."""
        each = self.names(node).get(dim)
        count = sum(edge.target.port == each for edge in self._into[node]) if each else 0
        return [(node, dim, index) for index in range(count)] if each else [(node, dim)]

    def is_known(self, node: PlanNode, name: str) -> bool:
        return all(self._variables.known(one).size is not None for one in self.variables_of(node.name, name))

    def dims_of(self, node: PlanNode) -> Dims:
        sizes: dict[str, int] = {}
        spaces: dict[str, LabelSpace] = {}
        parts: dict[str, tuple[int | None, ...]] = {}
        for name, each in self.names(node.name).items():
            if each:
                count = sum(1 for edge in self._into[node.name] if edge.target.port == each)
                parts[name] = tuple(self._variables.known((node.name, name, index)).static for index in range(count))
                continue
            known = self.known(node, name)
            if known.static is not None:
                sizes[name] = known.static
            if known.space is not None and isinstance(known.space.value, LabelSpace):
                spaces[name] = known.space.value
        known_names = self._spoken[node.name].all_names if node.declaration is not None else None
        return Dims(sizes, spaces, parts, names=known_names)

    def input_path(self, node: PlanNode) -> Path:
        return (node.section, node.name, "in") if self._into[node.name] else (node.section, node.name)

    def state_written(self, node: PlanNode) -> None:
        """States what the component's class says of sizes: those that a port writes, as in `classes=3`, and keys."""
        for name, size in self._spoken[node.name].sized:
            self._state(node, name, Fact(size, f"in the ports of {node.component}", node.name))
        for name, size in keys_of(node, self._spoken[node.name].sums):
            self._state(node, name, Fact(size, f"by the key {name} of {node.name}", node.name))
        if isinstance(node.declaration, Dimmed):
            for name in type(node.declaration).static:
                need = Fact("a size known before any batch,", f"which {node.name} is built with", node.name)
                for variable in self.variables_of(node.name, name):
                    self._variables.fix(variable, need)

    def state_origins(self, node: PlanNode) -> None:
        """States that an axis of which a field or an input knows no size varies from batch to batch, by itself."""
        axes = [dim for kind in node.outputs.values() for dim in port_of(kind).dims if dim.name and not dim.is_open]
        for dim in sorted(axes, key=lambda dim: len(dim.terms)):
            name = cast("str", dim.name)
            if dim.terms:
                self.derive(node)
            if self.known(node, name).size is not None or (name != "batch" and (node.name, "dims") in self._failed):
                continue  # what it would have stated is not known, and that is told
            if name == "batch":
                fact = Fact(Varying.of("batch"), "the rows of each batch", node.name)
            elif node.section == "fields":
                continue  # its labels are unknown, and that is told
            else:
                fact = Fact(Varying.of(f"{node.name}.{name}"), "which varies with the batch", node.name)
            self._state(node, name, fact)

    def follow(self, node: PlanNode) -> bool:
        news = self.derive(node)
        return (self._share(node, node.share) if node.share else self._ask(node)) or news

    def derive(self, node: PlanNode) -> bool:
        """States the sums and products whose operands are known."""
        news = False
        for dim in self._spoken[node.name].sums:
            sizes = {name: fact.value for name in dim.operands if (fact := self.known(node, name).size)}
            if len(sizes) < len(dim.operands) or (node.name, str(dim)) in self._failed:
                continue
            try:
                value: int | Varying = dim.value(sizes)
            except OverflowError:
                value = LARGEST + 1
            if isinstance(value, int) and value > LARGEST:
                self._tell_too_large(node, dim)
                continue
            spelt = dim.spelt(lambda operand: f"{operand} {sizes[operand]}")  # noqa: B023 - called at once
            reason = f"= {spelt}, in {node.name}" if isinstance(value, int) else f"{dim} of {node.name}"
            news |= self._restate(node, str(dim), Fact(value, reason, node.name))
        return news

    def _tell_too_large(self, node: PlanNode, dim: Dim) -> None:
        self._failed.add((node.name, str(dim)))
        found = f"{dim} of {node.name}, which comes to more than {LARGEST:,}"
        fix = f"# feed {node.name} with smaller tensors, or repeat it fewer times"
        self._resolved.fault("CN301", self.input_path(node), found, f"a size of at most {LARGEST:,}", fix)

    def _restate(self, node: PlanNode, name: str, fact: Fact) -> bool:
        """States a fact, unless the node said the same before."""
        if self._stated.get((node.name, name)) == fact.value:
            return False
        self._stated[node.name, name] = fact.value
        return self._state(node, name, fact)

    def _ask(self, node: PlanNode) -> bool:
        declaration = node.declaration
        if not isinstance(declaration, Dimmed) or (node.name, "dims") in self._failed:
            return False
        try:
            stated = _sizes(declaration.dims(self.dims_of(node)), self._spoken[node.name].all_names)
        except Unsolved:
            return False
        except PLUGIN_ERRORS as error:
            self._tell_failed(node, error)
            return False
        own = f"from {node.name}" + "".join(f", by its {key} {name}" for key, name in uses_of(declaration))
        if node.name in self._doubtful:  # what it counts may be what a key names wrongly, and that is told already
            stated = {name: size for name, size in stated.items() if not isinstance(size, str)}
        news = False
        for name, size in stated.items():
            reason = f"from {size.source}, stated by {node.name}" if isinstance(size, Size) else own
            value = int(size) if isinstance(size, Size) else size
            news |= self._restate(node, name, Fact(value, reason, node.name))
        return news

    def _tell_failed(self, node: PlanNode, error: BaseException) -> None:
        self._failed.add((node.name, "dims"))
        if node.name in self._doubtful:
            return
        path: Path = (node.section, node.name)
        offer = self._resolved.registry.component(node.component)
        distribution = offer.distribution if offer else node.component
        if isinstance(error, UnknownDimError):
            verb = "states" if isinstance(error, _Misnamed) else "asks for"
            asked = f"{verb} {error.name} in dims of {node.component}"
            self._resolved.faults.append(unknown_dim(distribution, asked, error, path))
            return
        found = f"{distribution} fails to state the dims of {node.component}: {innermost(error)}"
        self._resolved.fault(
            "CN207", path, found, "a mapping of dims to sizes", f"# mend {distribution}, or upgrade it"
        )

    def _state(self, node: PlanNode, name: str, fact: Fact, index: int | None = None) -> bool:
        if (node.name, name) in self._failed:
            return False
        try:
            return self._variables.state((node.name, name) if index is None else (node.name, name, index), fact)
        except Conflict as conflict:
            self._failed.add((node.name, name))
            one = "one thing" if isinstance(conflict.found.value, str) else "one size"
            fix = f"# make dim {name} of {node.name} {one}: change what feeds it, or its keys"
            code, (found, expected) = "CN301", (str(conflict.expected), str(conflict.found))
            if conflict.spaces:
                code, (found, expected) = "CN307", wording(Conflict(conflict.expected, conflict.found))
            self._resolved.fault(code, self.input_path(node), f"{name} = {found}", f"{name} = {expected}", fix)
            return False

    def _share(self, node: PlanNode, owner: str) -> bool:
        """Carries over the sizes of the module whose parameters are applied here; what varies may differ."""
        news = False
        for name, each in self.names(node.name).items():
            for first, second in ((node.name, owner), (owner, node.name)):
                if (second, name) in self._failed:
                    continue  # told there
                count = sum(1 for edge in self._into[second] if edge.target.port == each) if each else 1
                for index in range(count):
                    known = self._variables.known((second, name, index) if each else (second, name))
                    there = self._variables.known((first, name, index) if each else (first, name))
                    pairs = ((known.size, there.size), (known.space, there.space), (known.identity, there.identity))
                    for fact, other in pairs:
                        is_new = fact is not None and (other is None or other.value != fact.value)
                        if fact is not None and is_new and not isinstance(fact.value, Varying):
                            target = self._resolved.nodes[first]
                            news |= self._state(target, name, fact, index if each else None)
        return news


class _Misnamed(UnknownDimError):
    """A component states a dim that none of its ports speaks of."""


def _sizes(stated: Mapping[str, object], names: tuple[str, ...]) -> dict[str, int | LabelSpace | str]:
    """Takes what a component's `dims` states; raises ValueError for what is neither a size nor a name.

    Raises `_Misnamed` for a dim that is none of `names`.
    """
    if not isinstance(stated, Mapping):
        raise TypeError(f"dims gives a value of type {type(stated).__qualname__}, and not a mapping of dims to sizes")
    found: dict[str, int | LabelSpace | str] = {}
    for name, size in stated.items():
        is_name = isinstance(size, str) and size and not size[0].isdigit()  # "8" is a size that was not converted
        if not (is_name or isinstance(size, LabelSpace) or (type(size) in (int, Size) and cast("int", size) > 0)):
            raise ValueError(f"{size!r} for {name}: a size is a whole number above 0, an identity is a name")
        if name not in names:
            raise _Misnamed(str(name), names)
        found[str(name)] = cast("int | LabelSpace | str", size)
    return found


def _kept(node: PlanNode) -> tuple[str, str]:
    """Names what nodes of one component have in common; a field, which has none, may be named like one."""
    return (node.component, "") if node.component else ("", node.name)
