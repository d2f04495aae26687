"""Wires the nodes: which port feeds which, by the rules of the file and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consilience.declare import LossNode, Many, MetricNode, Port
from consilience.errors import Part, Path, nearest
from consilience.plan._names import TASK
from consilience.plan._plan_node import TARGET, Edge, PlanNode, Ref
from consilience.plan._references import References
from consilience.plan._resolved import Resolved

__all__ = ["Wired", "Wirer", "wire"]

Fed = dict[str, list[tuple[Ref, Path]]]
"""What feeds each port, with the key of the file that says so."""


@dataclass(frozen=True)
class Wired:
    """How the nodes are connected, as far as the file says it without fault."""

    edges: list[Edge]
    broken: frozenset[str] = frozenset()
    """The nodes whose wiring is at fault: they are wired in part, or not at all."""
    meant: tuple[tuple[str, str], ...] = ()
    """Which node most likely feeds which broken one: what a misspelt name was meant to be."""
    unread: frozenset[str] = frozenset()
    """The broken nodes of which nobody can say what they would read."""


def wire(resolved: Resolved) -> Wired:
    """Gives every edge, and what can be said of the nodes whose wiring is at fault."""
    edges: list[Edge] = []
    broken: set[str] = set()
    meant: list[tuple[str, str]] = []
    unread: set[str] = set()
    for section, name, node in resolved.fusion.nodes():
        planned = resolved.nodes.get(name)
        if section in resolved.others or (planned is not None and planned.section != section):
            continue
        wirer = Wirer(resolved, planned or PlanNode(name, section, TASK, node.use), is_known=planned is not None)
        edges += wirer.wire(getattr(node, "in_", None))
        if isinstance(node, LossNode | MetricNode):
            edges += wirer.wire_target(node.target)
        if wirer.is_broken:
            broken.add(name)
            meant += [(other, name) for other in wirer.meant]
        if wirer.is_unread:
            unread.add(name)
    return Wired(edges, frozenset(broken), tuple(meant), frozenset(unread))


class Wirer:
    """Wires one node."""

    def __init__(self, resolved: Resolved, node: PlanNode, is_known: bool = True) -> None:
        self._resolved = resolved
        self._references = References(resolved, node)
        self._node = node
        self._path: Path = (node.section, node.name)
        self._ports: dict[str, Port | Many] = {port: kind for port, kind in node.inputs.items() if port != TARGET}
        self._is_known = is_known
        self.is_broken = False

    @property
    def meant(self) -> list[str]:
        """The nodes that most likely feed this one, where a reference to them is at fault."""
        return self._references.meant

    @property
    def is_unread(self) -> bool:
        """Whether nobody can say what the node would read."""
        return self._references.is_unread

    def wire(self, written: Any) -> Iterator[Edge]:
        """Gives the edges that `in:` declares."""
        path = (*self._path, "in")
        if path in self._resolved.lost:
            self.is_broken = self._references.is_unread = True  # that it could not be understood is told already
            return
        if not self._is_known:
            self._look_up(written, path)
            return
        if not self._ports:
            if written is not None:
                found = f"the key in, for {self._node.component}, which reads nothing"
                self._fault("CN303", path, found, "no key in", "# remove the key in", Part.KEY)
            return
        if written is None:
            expected = f"what feeds {self._wanted(self._ports)}"
            self._fault("CN302", self._path, "no key in", expected, self._feed({}))
            self._references.is_unread = any(map(self._references.passes_gradient, self._ports))
            return
        fed = self._feeding(written, path)
        missing = [port for port, kind in self._ports.items() if not kind.is_optional and port not in fed]
        if missing and not self.is_broken:
            self._references.is_unread |= any(map(self._references.passes_gradient, missing))
            found, expected = f"nothing for {', '.join(missing)}", f"something for {self._wanted(missing)}"
            self._fault("CN302", path, found, expected, self._feed(fed))
        for port, refs in fed.items():
            for index, (ref, key) in enumerate(refs):
                yield Edge(ref, Ref(self._node.name, port), index, key)

    def wire_target(self, written: str | None) -> Iterator[Edge]:
        """Gives the edge that `target:` declares."""
        path = (*self._path, TARGET)
        if path in self._resolved.lost:
            self.is_broken = True
            return
        if not self._is_known:
            self._look_up(written, path)
            return
        if TARGET not in self._node.inputs:
            if written is not None:
                found = f"the key target, for {self._node.component}, which compares with nothing"
                self._fault("CN309", path, found, "no key target", "# remove the key target", Part.KEY)
            return
        if written is None:
            fields = ", ".join(self._resolved.fusion.fields) or "none is declared"
            ref = self._references.suggestion(TARGET)
            fix = (
                f"target: {self._references.shortest(ref)}"
                if ref
                else f"# declare a field of {self._node.inputs[TARGET]} for target"
            )
            self._fault("CN309", self._path, "no key target", f"a field or an input's port: {fields}", fix)
            return
        found_ref = self._single(written, path, TARGET)
        if found_ref:
            yield Edge(found_ref, Ref(self._node.name, TARGET), 0, path)

    def _look_up(self, written: Any, path: Path) -> None:
        """Tells the names that are unknown, where it is not known what ports they would feed."""
        pairs = written.items() if isinstance(written, Mapping) else [(None, written)]
        for port, value in pairs:
            key = path if port is None else (*path, port)
            listed = value if isinstance(value, tuple) else [] if value is None else [value]
            for index, reference in enumerate(listed):
                at = (*key, index) if port is None and len(listed) > 1 else key
                self._references.offered(reference, at, None, index)
                self._mean([reference])
        self.is_broken = True

    def _mean(self, references: Iterable[str]) -> None:
        """Notes that the node would read what is named, though it is not wired to it."""
        self._references.meant += [reference.partition(".")[0] for reference in references]

    def _feeding(self, written: Any, path: Path) -> Fed:
        [first, *_] = self._ports
        if isinstance(written, Mapping):
            return self._by_mapping(written, path)
        listed = (written,) if isinstance(written, str) else tuple(written)
        keys = [path] if len(listed) == 1 else [(*path, index) for index in range(len(listed))]
        if isinstance(self._ports[first], Many):
            refs = [self._single(reference, key, first) for reference, key in zip(listed, keys, strict=True)]
            return {first: [(ref, key) for ref, key in zip(refs, keys, strict=True) if ref]}
        return self._by_name(listed, keys)

    def _by_mapping(self, written: Mapping[str, Any], path: Path) -> Fed:
        fed: Fed = {}
        for port, references in written.items():
            key = (*path, port)
            listed = (references,) if isinstance(references, str) else references
            if port not in self._ports:
                self._unknown_port(port, references, [other for other in self._ports if other not in written], key)
            elif len(listed) > 1 and not isinstance(self._ports[port], Many):
                self._mean(listed)
                self._fault("CN303", key, f"{len(listed)} tensors for {port}", "one tensor", f"{port}: {listed[0]}")
            else:
                refs = [self._single(reference, key, port, index) for index, reference in enumerate(listed)]
                fed[port] = [(ref, key) for ref in refs if ref]
        return fed

    def _by_name(self, listed: tuple[str, ...], keys: list[Path]) -> Fed:
        fed: Fed = {}
        doubled: dict[Path, list[str]] = {}
        required = [port for port, kind in self._ports.items() if not kind.is_optional]
        only = required if len(required) == 1 else list(self._ports) if len(self._ports) == 1 else []
        for reference, key in zip(listed, keys, strict=True):
            offered = self._references.offered(reference, key, only[0] if only else None)
            if offered is None:
                self.is_broken = True
                continue
            matched = {ref.port: ref for ref in offered if ref.port in self._ports}
            if not matched and len(offered) == 1 and len(listed) == 1 and only:
                matched = {only[0]: offered[0]}
            if not matched:
                self._no_match(reference, offered, listed, key)
            for port, ref in matched.items():
                if port in fed:
                    doubled.setdefault(key, []).append(f"{port} from both {fed[port][0][0]} and {ref}")
                else:
                    fed[port] = [(ref, key)]
        for key, found in doubled.items():
            self._fault("CN303", key, ", ".join(found), "one tensor a port", self._feed(fed))
        return fed

    def _unknown_port(self, port: str, references: Any, left: list[str], key: Path) -> None:
        near = nearest(port, left) or self._fed_by(references, left)
        self._mean([references] if isinstance(references, str) else references)
        given = references if isinstance(references, str) else f"[{', '.join(references)}]"
        fix = f"{near}: {given}" if near else self._feed_anew() if left else f"# remove the key {port}"
        self._fault("CN211", key, f"the unknown port {port}", f"one of {', '.join(self._ports)}", fix, Part.KEY)

    def _fed_by(self, references: Any, ports: Iterable[str]) -> str | None:
        """Finds the port that what is named could feed; the first, where nothing is known of it."""
        listed = (references,) if isinstance(references, str) else references
        given = [ref for reference in listed for ref in self._references.named(reference)]
        return next(
            (port for port in ports if not given or any(self._references.fits(ref, port) for ref in given)), None
        )

    def _no_match(self, reference: str, offered: list[Ref], listed: tuple[str, ...], key: Path) -> None:
        given = ", ".join(str(ref) for ref in offered)
        open_ports = [port for port, kind in self._ports.items() if not kind.is_optional] or list(self._ports)
        ref = self._references.best(offered, open_ports[0])
        if not self._references.suits(ref, open_ports[0]):
            fix = self._feed_anew()
        else:
            fix = f"in: {ref}" if len(open_ports) == 1 else self._feed({open_ports[0]: [(ref, key)]})
        if len(listed) > 1:
            fix = f"# name the port that {ref} shall feed: in: {{{open_ports[0]}: {ref}, ...}}"
        self._references.meant.append(ref.node)
        found = f"{reference}, which gives {given}: no port of that name is read here"
        self._fault("CN310", key, found, self._wanted(self._ports), fix)

    def _single(self, reference: str, key: Path, port: str, index: int = 0) -> Ref | None:
        ref = self._references.single(reference, key, port, index)
        self.is_broken |= ref is None
        return ref

    def _feed(self, fed: Fed) -> str:
        """Writes `in:` anew, with something for every port that must be fed."""
        wanted = [port for port, kind in self._ports.items() if not kind.is_optional or port in fed]
        found = {port: fed[port][0][0] if fed.get(port) else self._references.suggestion(port) for port in wanted}
        written = {port: self._references.shortest(ref) for port, ref in found.items() if ref is not None}
        if len(written) < len(wanted):
            lacking = [port for port in wanted if port not in written]
            return f"# declare a node that gives {self._wanted(lacking)}, and name it under in"
        if len(wanted) == 1:
            return f"in: {written[wanted[0]]}"
        return "in: {" + ", ".join(f"{port}: {ref}" for port, ref in written.items()) + "}"

    def _feed_anew(self) -> str:
        """Writes `in:` without what is written: what it should be, nobody can say."""
        self._references.is_unread |= any(map(self._references.passes_gradient, self._ports))
        return self._feed({})

    def _wanted(self, ports: Iterable[str]) -> str:
        return ", ".join(f"{port}: {self._node.inputs[port]}" for port in ports)

    def _fault(self, code: str, path: Path, found: str, expected: str, fix: str, part: Part = Part.VALUE) -> None:
        self.is_broken = True
        self._resolved.fault(code, path, found, expected, fix, part)
