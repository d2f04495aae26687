"""What the names of a fusion stand for, as far as it is known, and every fault found so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from consilience.declare import (
    Balancer,
    Component,
    Fusion,
    LabelSpace,
)
from consilience.errors import Diagnostic, Part, Path
from consilience.host import Offer, Registry
from consilience.plan._plan_node import PlanNode

__all__ = ["Resolved"]


@dataclass
class Resolved:
    """What the names of a fusion stand for, and every fault among them."""

    fusion: Fusion
    registry: Registry
    nodes: dict[str, PlanNode] = field(default_factory=dict)
    others: dict[str, dict[str, Any]] = field(default_factory=lambda: {"resources": {}, "sources": {}})
    spaces: dict[str, LabelSpace] = field(default_factory=dict)
    balancer: Balancer | None = None
    faults: list[Diagnostic] = field(default_factory=list)
    gone: frozenset[str] = frozenset()
    """The names that are declared in what could not be understood; `*` where any could be."""
    lost: set[Path] = field(default_factory=set)
    """The paths whose value is not what the file says, told already."""
    doubled: set[str] = field(default_factory=set)
    """The names that stand twice: nobody can say which of the two a reference means."""
    salvaged: set[str] = field(default_factory=set)
    """The nodes whose component has not all the settings that the file gives it."""
    guessed: set[str] = field(default_factory=set)
    """The nodes whose component is misspelt: they are taken for the one that it most likely means."""
    namespaces: set[str] = field(default_factory=set)
    """The namespaces of the plugins that the file names, the standard one among them."""
    _names: dict[type[Component], list[str]] = field(default_factory=dict)
    _readable: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    def offers(self, kind: str) -> list[Offer]:
        """Lists the components of a kind that the file's own plugins offer, whatever else the process has loaded."""
        return [offer for offer in self.registry.components(kind) if offer.namespace in self.namespaces]

    def names_of(self, kind: type[Component]) -> list[str]:
        """Lists the resources and nodes whose component is of a kind, once all are resolved."""
        if kind not in self._names:
            names = [name for name, item in self.others["resources"].items() if isinstance(item, kind)]
            names += [name for name, node in self.nodes.items() if isinstance(node.declaration, kind)]
            self._names[kind] = names
        return self._names[kind]

    def declared(self, kind: type[Component]) -> Iterator[str]:
        """Gives the names of the file's nodes that use a component of a kind, resolved or not."""
        for _, name, node in self.fusion.nodes():
            offer = self.registry.component(node.use) if node.use else None
            if offer is not None and issubclass(offer.component, kind):
                yield name

    def is_gone(self, name: str) -> bool:
        """Tells whether a name may be declared in what could not be understood: that it is not there is no fault."""
        return name in self.gone or "*" in self.gone

    @property
    def may_fill_any(self) -> bool:
        """Whether what could not be understood of the sources may fill any field."""
        return any(path[0] == "sources" and (len(path) < 3 or path[2] == "map") for path in self.lost if path)

    def readable(self, *sections: str) -> list[str]:
        """Lists the names that nodes may read under some sections, those declared in what was lost included.

        Kept from the first time on: every unknown name asks for them, and by then all that is lost is known.
        """
        if sections not in self._readable:
            known = dict.fromkeys(node.name for node in self.nodes.values() if node.section in sections)
            self._readable[sections] = [*known, *(name for name in self.gone_from(*sections) if name not in known)]
        return self._readable[sections]

    @cached_property
    def _places(self) -> tuple[dict[str, list[PlanNode]], dict[str, dict[str, int]]]:
        """The nodes of each section in the order of the file, and how many of each stand before a node."""
        sections: dict[str, list[PlanNode]] = {section: [] for section in ("fields", "inputs", "modules")}
        before: dict[str, dict[str, int]] = {}
        for node in self.nodes.values():
            before[node.name] = {section: len(listed) for section, listed in sections.items()}
            sections.setdefault(node.section, []).append(node)
        return sections, before

    def above(self, name: str, *listed: str) -> Iterator[PlanNode]:
        """Gives the nodes of some sections that stand before a node, section by section, the nearest first."""
        sections, before = self._places
        for section in listed:
            for index in range(before.get(name, {}).get(section, 0) - 1, -1, -1):
                yield self.nodes[sections[section][index].name]

    def listed(self, section: str) -> Iterator[PlanNode]:
        """Gives the nodes of a section in the order of the file."""
        return (self.nodes[node.name] for node in self._places[0][section])

    def gone_from(self, *sections: str) -> list[str]:
        """Lists the names that sections declare in what could not be understood: a misspelt name may mean them."""
        lost = [(str(path[0]), str(path[1])) for path in self.lost if len(path) == 2]
        return sorted(
            name for section, name in lost if section in sections and name in self.gone and name.isidentifier()
        )

    def fault(
        self, code: str, path: Path, found: str, expected: str, fix: str, part: Part = Part.VALUE, **more: Any
    ) -> None:
        """Notes a fault; `more` are further arguments of `Diagnostic`."""
        self.faults.append(Diagnostic(code, path, found, expected, fix, part=part, **more))
