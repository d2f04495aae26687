"""Wires the nodes: which port feeds which, by the rules of the file and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from consilience.declare import SECTIONS, LossNode, Many, MetricNode, Ports
from consilience.errors import Path, nearest
from consilience.plan._plan import TARGET, Edge, PlanNode, Ref
from consilience.plan._resolve import Resolved

__all__ = ["Wirer", "wire"]

_READABLE = {
    "inputs": ("fields", "inputs"),
    "modules": ("inputs", "modules"),
    "losses": ("fields", "inputs", "modules"),
    "metrics": ("fields", "inputs", "modules"),
}
"""The sections that the nodes of each section may read."""


def wire(resolved: Resolved) -> tuple[list[Edge], frozenset[str]]:
    """Gives every edge, and the nodes whose wiring is at fault: they are wired in part, or not at all."""
    edges: list[Edge] = []
    broken: set[str] = set()
    for section, name, node in resolved.fusion.nodes():
        planned = resolved.nodes.get(name)
        if section in resolved.others or planned is None or planned.section != section:
            continue
        before = len(resolved.faults)
        wirer = Wirer(resolved, planned)
        edges += wirer.wire(getattr(node, "in_", None))
        if isinstance(node, LossNode | MetricNode):
            edges += wirer.wire_target(node.target)
        if len(resolved.faults) > before or wirer.waits_for_fault:
            broken.add(name)
    return edges, frozenset(broken)


class Wirer:
    """Wires one node."""

    def __init__(self, resolved: Resolved, node: PlanNode) -> None:
        self._resolved = resolved
        self._node = node
        self._path: Path = (node.section, node.name)
        self._ports: dict[str, Any] = {port: kind for port, kind in node.inputs.items() if port != TARGET}
        self.waits_for_fault = False

    def wire(self, written: Any) -> Iterator[Edge]:
        """Gives the edges that `in:` declares."""
        path = (*self._path, "in")
        if not self._ports:
            if written is not None:
                self._fault("CN303", path, f"in, for {self._node.component}, which reads nothing", "no key in", "remove the key in")
            return
        if written is None:
            self._fault("CN302", self._path, "no key in", f"what feeds {self._wanted(self._ports)}", "in: node.port")
            return
        [first, *_] = self._ports.items()
        if isinstance(written, Mapping):
            fed = self._by_mapping(written, path)
        elif isinstance(first[1], Many):
            fed = self._by_list((written,) if isinstance(written, str) else written, first[0], path)
        else:
            fed = self._by_name((written,) if isinstance(written, str) else written, path)
        missing = [port for port, kind in self._ports.items() if not kind.is_optional and port not in fed]
        if missing and not self.waits_for_fault:
            expected = f"something for {self._wanted(missing)}"
            fix = "in: {" + ", ".join(f"{port}: {self._offer(port)}" for port in self._ports if port in fed or port in missing) + "}"
            self._fault("CN302", path, f"nothing for {', '.join(missing)}", expected, fix)
        for port, refs in fed.items():
            for index, (ref, key) in enumerate(refs):
                yield Edge(ref, Ref(self._node.name, port), index, key)

    def wire_target(self, written: str | None) -> Iterator[Edge]:
        """Gives the edge that `target:` declares."""
        path = (*self._path, TARGET)
        if TARGET not in self._node.inputs:
            if written is not None:
                found = f"a target, for {self._node.component}, which takes none"
                self._fault("CN309", path, found, "no key target", "remove the key target")
            return
        if written is None:
            fields = ", ".join(self._resolved.fusion.fields) or "none is declared"
            fix = f"target: {next(iter(self._resolved.fusion.fields), 'field')}"
            self._fault("CN309", self._path, "no key target", f"a field or an input's port: {fields}", fix)
            return
        found_ref = self._single(written, path, prefer=TARGET)
        if found_ref:
            yield Edge(found_ref, Ref(self._node.name, TARGET), 0, path)

    def _by_mapping(self, written: Mapping[str, Any], path: Path) -> dict[str, list[tuple[Ref, Path]]]:
        fed: dict[str, list[tuple[Ref, Path]]] = {}
        for port, references in written.items():
            if port not in self._ports:
                near = nearest(port, self._ports) or next(iter(self._ports))
                self._fault("CN211", (*path, port), f"the unknown port {port}", f"one of {', '.join(self._ports)}", f"{near}: {references}")
                continue
            listed = (references,) if isinstance(references, str) else references
            if len(listed) > 1 and not isinstance(self._ports[port], Many):
                self._fault("CN303", (*path, port), f"{len(listed)} tensors for {port}", "one", f"{port}: {listed[0]}")
                continue
            refs = [self._single(reference, (*path, port), prefer=port) for reference in listed]
            if all(refs):
                fed[port] = [(ref, (*path, port)) for ref in refs if ref]
        return fed

    def _by_list(self, written: tuple[str, ...], port: str, path: Path) -> dict[str, list[tuple[Ref, Path]]]:
        keys = [path] if len(written) == 1 else [(*path, index) for index in range(len(written))]
        refs = [self._single(reference, key) for reference, key in zip(written, keys, strict=True)]
        return {port: [(ref, key) for ref, key in zip(refs, keys, strict=True) if ref]}

    def _by_name(self, written: tuple[str, ...], path: Path) -> dict[str, list[tuple[Ref, Path]]]:
        fed: dict[str, list[tuple[Ref, Path]]] = {}
        for index, reference in enumerate(written):
            key = path if len(written) == 1 else (*path, index)
            offered = self._offered(reference, key)
            if offered is None:
                continue
            matched = {ref.port: ref for ref in offered if ref.port in self._ports}
            required = [port for port, kind in self._ports.items() if not kind.is_optional]
            only = required if len(required) == 1 else list(self._ports) if len(self._ports) == 1 else []
            if not matched and len(offered) == 1 and len(written) == 1 and only:
                matched = {only[0]: offered[0]}
            if not matched:
                self._no_match(reference, offered, key)
            for port, ref in matched.items():
                if port in fed:
                    found = f"{port} from both {fed[port][0][0]} and {ref}"
                    self._fault("CN303", key, found, "one tensor a port", f"in: {{{port}: {ref}}}")
                else:
                    fed[port] = [(ref, key)]
        return fed

    def _no_match(self, reference: str, offered: list[Ref], path: Path) -> None:
        given = ", ".join(str(ref) for ref in offered)
        port = next((port for port, kind in self._ports.items() if not kind.is_optional), next(iter(self._ports)))
        fix = f"in: {offered[0]}" if len(self._ports) == 1 and len(offered) > 1 else f"in: {{{port}: {offered[0]}}}"
        found = f"{reference}, which gives {given}: no port of that name is read here"
        self._fault("CN310", path, found, self._wanted(self._ports), fix)

    def _single(self, reference: str, path: Path, prefer: str | None = None) -> Ref | None:
        """Finds the one port that a reference means; a node alone means its only port, or the one of the preferred name."""
        offered = self._offered(reference, path)
        if offered is None:
            return None
        named = [ref for ref in offered if ref.port == prefer]
        if len(offered) == 1 or named:
            return (named or offered)[0]
        expected = f"one port: {', '.join(str(ref) for ref in offered)}"
        self._fault("CN310", path, f"{reference}, which has {len(offered)} ports", expected, f"{path[-1]}: {offered[0]}")
        return None

    def _offered(self, reference: str, path: Path) -> list[Ref] | None:
        """Lists the ports that a reference offers, or notes why it offers none."""
        name, dot, port = reference.partition(".")
        node = self._resolved.nodes.get(name)
        allowed = _READABLE[self._node.section]
        if node is None:
            self._unknown_node(name, reference, path)
            return None
        if node.section not in allowed:
            expected = f"one of the {' or '.join(allowed)}"
            names = [other.name for other in self._resolved.nodes.values() if other.section in allowed]
            fix = f"{path[-1]}: {(names or ['node'])[0]}"
            self._fault("CN305", path, f"{name}, which stands under {node.section}", expected, fix)
            return None
        if dot and port not in node.outputs:
            near = nearest(port, node.outputs) or next(iter(node.outputs), "")
            fix = f"{path[-1]}: {name}.{near}" if node.section != "fields" else f"{path[-1]}: {name}"
            self._fault("CN211", path, f"the unknown port {reference}", f"one of {', '.join(node.outputs)}", fix)
            return None
        return [Ref(name, port)] if dot else [Ref(name, output) for output in node.outputs]

    def _unknown_node(self, name: str, reference: str, path: Path) -> None:
        for section in ("fields", *SECTIONS):
            if section != "sources" and name in getattr(self._resolved.fusion, section):
                allowed = _READABLE[self._node.section]
                self.waits_for_fault = True
                if section not in allowed:
                    names = [other.name for other in self._resolved.nodes.values() if other.section in allowed]
                    found = f"{name}, which stands under {section}"
                    self._fault("CN305", path, found, f"one of the {' or '.join(allowed)}", f"{path[-1]}: {(names or ['node'])[0]}")
                return  # the node is declared, and its own fault is told already
        known = [node.name for node in self._resolved.nodes.values() if node.section in _READABLE[self._node.section]]
        near = nearest(name, known)
        fix = f"{path[-1]}: {reference.replace(name, near, 1)}" if near else f"{path[-1]}: {(known or ['node'])[0]}"
        self.waits_for_fault = True
        self._fault("CN210", path, f"the unknown node {name}", f"one of {', '.join(known) or 'none'}", fix)

    def _offer(self, port: str) -> str:
        """Names something that gives a port of this name, for a fix."""
        for node in self._resolved.nodes.values():
            if node.name != self._node.name and node.section in _READABLE[self._node.section] and port in node.outputs:
                return str(Ref(node.name, port))
        return "node.port"

    def _wanted(self, ports: Any) -> str:
        kinds = self._node.inputs if isinstance(self._node.inputs, Ports) else {}
        return ", ".join(f"{port}: {kinds[port]}" for port in ports)

    def _fault(self, code: str, path: Path, found: str, expected: str, fix: str) -> None:
        self._resolved.fault(code, path, found, expected, fix)
