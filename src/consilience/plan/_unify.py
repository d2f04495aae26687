"""Unifies the two ports of an edge, dim by dim, and tells what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from consilience.declare import Dim, LabelSpace, Many, Port
from consilience.errors import Diagnostic, Path, Related
from consilience.plan._dims import Conflict, DimVariables, Fact
from consilience.plan._mending import Mender
from consilience.plan._plan_node import Edge, Ref
from consilience.plan._ports import port_of
from consilience.plan._resolved import Resolved
from consilience.plan._spaces import mending, wording

__all__ = ["Unifier"]


@dataclass(frozen=True)
class _Axis:
    """One axis of one tensor: the dim that speaks of it, and the variable that it is."""

    dim: Dim
    variable: Any


@dataclass(frozen=True)
class _Taken:
    """What a dim of an open number stands for in a node, and the tensor that told it."""

    axes: tuple[_Axis, ...]
    ref: Ref


@dataclass(frozen=True)
class _Why:
    """Why two ports do not fit, as far as their types do not say it."""

    code: str
    found: str = ""
    expected: str = ""
    conflict: Conflict | None = None


class Unifier:
    """Makes the dims of connected ports one."""

    def __init__(self, resolved: Resolved, variables: DimVariables, into: dict[str, list[Edge]]) -> None:
        self._resolved = resolved
        self._variables = variables
        self._into = into
        self._open: dict[tuple[str, str], _Taken] = {}
        self._mender = Mender(resolved, into, self.fits, self._rank)

    def unify(self, edge: Edge) -> None:
        """Unifies an edge's ports, or notes why they do not fit."""
        source, wanted = self._ports(edge)
        found = self._given(edge.source, source)
        if not wanted.dtype.takes(source.dtype) or (found is not None and wanted.spare(len(found)) is None):
            self._tell(edge, [_Why("CN301")])
            return
        if found is None:
            return  # what the open dim of an output stands for, nothing told: tell_open_dims tells
        different = self._learn_open(edge, wanted, found)
        whys = [different] if different else [*_unlike(source, wanted), *self._unite(edge, source, found)]
        if whys:
            self._tell(edge, whys)

    def fits(self, edge: Edge) -> bool:
        """Tells whether an edge would fit, and changes nothing."""
        source, wanted = self._ports(edge)
        found = self._given(edge.source, source)
        if found is None or not wanted.takes(source) or wanted.spare(len(found)) is None:
            return False
        open_dim = wanted.open_dim
        known = self._open.get((edge.target.node, open_dim.name or "")) if open_dim else None
        spare = wanted.spare(len(found))
        if open_dim and ((known is not None and len(known.axes) != spare) or not self._is_level(edge, open_dim, spare)):
            return False
        agree, asked = self._variables.agree, self._asked(edge)
        pairs = self._pairs(edge, source, found)
        return all(agree(one, other) and all(agree(one, more) for more in asked.get(other, ())) for one, other in pairs)

    def _is_level(self, edge: Edge, open_dim: Dim, spare: int | None) -> bool:
        """Tells whether an open dim stands for as many axes in the other edges into a node, as far as they fit."""
        for other in self._into.get(edge.target.node, ()):
            source, beside = self._ports(other)
            given = self._given(other.source, source) if other.target.port != edge.target.port else None
            is_same = given is not None and beside.open_dim is not None and beside.open_dim.name == open_dim.name
            if given is not None and is_same and beside.spare(len(given)) not in (None, spare):
                return False
        return True

    def _asked(self, edge: Edge) -> dict[Any, list[Any]]:
        """Lists, for the dims of an edge's target, those that other edges into it will make one with them."""
        asked: dict[Any, list[Any]] = {}
        for other in self._into.get(edge.target.node, ()):
            source, wanted = self._ports(other)
            given = self._given(other.source, source)
            is_other = (other.target.port, other.index) != (edge.target.port, edge.index)
            if is_other and given is not None and wanted.spare(len(given)) is not None:
                for one, dim in self._pairs(other, source, given):
                    asked.setdefault(dim, []).append(one)
        return asked

    def untold(self, node: str) -> Dim | None:
        """Gives the open dim of an output of which no tensor tells what it stands for, if any."""
        for port in self._resolved.nodes[node].outputs.values():
            dim = port_of(port).open_dim
            if dim is not None and (node, dim.name or "") not in self._open:
                return dim
        return None

    def _ports(self, edge: Edge) -> tuple[Port, Port]:
        nodes = self._resolved.nodes
        return port_of(nodes[edge.source.node].outputs[edge.source.port]), port_of(
            nodes[edge.target.node].inputs[edge.target.port]
        )

    def _given(self, ref: Ref, port: Port) -> tuple[_Axis, ...] | None:
        """Gives the axes of an output port, or None when their number is not known."""
        axes: list[_Axis] = []
        for position, dim in enumerate(port.dims):
            if dim.is_open:
                taken = self._open.get((ref.node, dim.name or ""))
                if taken is None:
                    return None
                axes += taken.axes
            else:
                variable = (ref.node, dim.name) if dim.name else self._unnamed(ref.node, dim, ref.port, position)
                axes.append(_Axis(dim, variable))
        return tuple(axes)

    def _rank(self, ref: Ref) -> int | None:
        axes = self._given(ref, port_of(self._resolved.nodes[ref.node].outputs[ref.port]))
        return None if axes is None else len(axes)

    def _learn_open(self, edge: Edge, wanted: Port, found: tuple[_Axis, ...]) -> _Why | None:
        """Lets the first tensor tell what a port's open dim stands for; tells why when this one says otherwise."""
        dim = wanted.open_dim
        if dim is None or dim.name is None:
            return None
        place = wanted.dims.index(dim)
        taken = found[place : place + (wanted.spare(len(found)) or 0)]
        known = self._open.setdefault((edge.target.node, dim.name), _Taken(taken, edge.source))
        if len(known.axes) == len(taken):
            return None
        return _Why("CN301", f"{dim} is {_named(taken)}", f"{dim} is {_named(known.axes)}, by {known.ref}")

    def _unite(self, edge: Edge, source: Port, found: tuple[_Axis, ...]) -> Iterator[_Why]:
        """Makes the dims one up to the first that differs; what comes after it is compared alone.

        A tensor that does not belong there shall not tell the node its sizes.
        """
        is_apart = False
        for first, second in self._pairs(edge, source, found):
            try:
                if is_apart:
                    self._variables.known(first).agreed(self._variables.known(second))
                else:
                    self._variables.unite(first, second)
            except Conflict as conflict:
                is_apart = True
                code = "CN307" if conflict.spaces else "CN301"
                yield _Why(code, str(conflict.found), str(conflict.expected), conflict)

    def _pairs(self, edge: Edge, source: Port, found: tuple[_Axis, ...]) -> Iterator[tuple[Any, Any]]:
        """Gives the variables of an edge that are one, each axis and then the bound."""
        kind = self._resolved.nodes[edge.target.node].inputs[edge.target.port]
        wanted, each = port_of(kind), kind.each if isinstance(kind, Many) else ()
        start = 0
        for position, dim in enumerate(wanted.dims):
            if dim.is_open:
                spare = wanted.spare(len(found)) or 0
                known = self._open.get((edge.target.node, dim.name or ""))
                for axis, other in zip(found[start : start + spare], known.axes if known else (), strict=False):
                    yield axis.variable, other.variable
                if spare and dim.size is not None:
                    yield found[start].variable, self._unnamed(edge.target.node, dim, edge.target.port, position)
                start += spare
            elif dim.name is None:
                variable = self._unnamed(edge.target.node, dim, edge.target.port, edge.index, position)
                yield found[start].variable, variable
                start += 1
            else:
                name = (dim.name, edge.index) if dim.name in each else (dim.name,)
                yield found[start].variable, (edge.target.node, *name)
                start += 1
        if source.bound and wanted.bound:
            yield (edge.source.node, source.bound), (edge.target.node, wanted.bound)

    def _unnamed(self, node: str, dim: Dim, *place: Any) -> Any:
        """Gives the variable of an axis that no name speaks of, with the size that its type writes."""
        variable = (node, "_", *place)
        if dim.size is not None and self._variables.known(variable).size is None:
            self._variables.state(variable, Fact(dim.size, f"in the ports of {node}", node))
        return variable

    def _tell(self, edge: Edge, whys: list[_Why]) -> None:
        if edge.source.node in self._resolved.guessed:
            return  # another component may be meant, which gives another tensor
        source, wanted = self._ports(edge)
        for code, group in groupby(sorted(whys, key=lambda why: why.code), key=lambda why: why.code):
            reasons = list(group)
            found, expected = (
                f"{edge.source}: {self._typed(edge.source.node, source, code)}",
                f"{edge.target.port}: {self._typed(edge.target.node, wanted, code)}",
            )
            conflict = next((why.conflict for why in reasons if why.conflict), None)
            fix = mending(self._resolved, edge, conflict) if conflict and conflict.spaces else None
            self._resolved.faults.append(
                Diagnostic(
                    code,
                    edge.key,
                    _with(found, [_worded(why)[0] for why in reasons]),
                    _with(expected, [_worded(why)[1] for why in reasons]),
                    fix or self._mender.fix(edge, source, wanted, code),
                    related=self._related(conflict),
                )
            )

    def _related(self, conflict: Conflict | None) -> tuple[Related, ...]:
        """Points at the nodes whose statements contradict each other."""
        facts = (conflict.found, conflict.expected) if conflict else ()
        paths: list[tuple[Path, Fact]] = [
            ((self._resolved.nodes[fact.node].section, fact.node), fact)
            for fact in facts
            if fact.node in self._resolved.nodes
        ]
        return tuple(Related(path, f"{_brief(fact)} is stated here") for path, fact in paths)

    def _typed(self, node: str, port: Port, code: str) -> str:
        sized = []
        for dim in port.dims:
            size = self._variables.known((node, dim.name)).static if dim.name and not dim.is_open else None
            sized.append(str(dim) if size is None or dim.size is not None else f"{dim}={size}")
        text = str(replace(port, dims=(), range=port.range if code == "CN315" else None))
        return text.replace("[]", f"[{' '.join(sized)}]", 1)


def _unlike(source: Port, wanted: Port) -> Iterator[_Why]:
    if wanted.bound and not source.bound:
        yield _Why("CN301", "numbers that no dim bounds", f"indexes below {wanted.bound}")
    if wanted.range is not None and not wanted.range.takes(source.range):
        yield _Why("CN315", "" if source.range else "it states no range")


def _named(axes: tuple[_Axis, ...]) -> str:
    return " ".join(axis.dim.name or str(axis.dim) for axis in axes) or "no axis"


def _brief(fact: Fact) -> str:
    return f"the labels {fact.value}" if isinstance(fact.value, LabelSpace) else f"{fact.value}"


def _worded(why: _Why) -> tuple[str, str]:
    if why.conflict and why.conflict.spaces:
        return wording(why.conflict)
    return why.found, why.expected


def _with(text: str, reasons: list[str]) -> str:
    told = "; ".join(filter(None, reasons))
    return f"{text}   ({told})" if told else text
