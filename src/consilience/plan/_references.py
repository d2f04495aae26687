"""Finds the ports that the references of one node mean, and those that it could mean instead."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Any

from consilience.declare import SECTIONS, Dtype, Fusion, Many, Port, paste
from consilience.errors import Path, is_slip, nearest, shortlist
from consilience.plan._plan_node import TARGET, PlanNode, Ref
from consilience.plan._ports import port_of
from consilience.plan._resolved import Resolved

__all__ = ["MOST_TRIED", "READABLE", "References", "is_alike", "rewired"]

READABLE = {
    "inputs": ("fields", "inputs"),
    "modules": ("inputs", "modules"),
    "losses": ("fields", "inputs", "modules"),
    "metrics": ("fields", "inputs", "modules"),
}
"""The sections that the nodes of each section may read."""

MOST_TRIED = 100
"""How many nodes are tried in place of one that is at fault."""


def rewired(fusion: Fusion, key: Path, reference: object, index: int = 0) -> str:
    """Writes the key of an edge anew, with another reference in its place: what a fix pastes over it."""
    section, name, *rest = key
    if len(rest) < 2:
        return f"{rest[0] if rest else 'in'}: {reference}"
    written = getattr(fusion, str(section))[name].in_
    last = rest[-1]
    place, items = (last, written) if isinstance(last, int) else (index, written.get(last))
    if isinstance(items, str) or items is None:
        return f"{last}: {reference}"
    changed = [str(reference) if position == place else other for position, other in enumerate(items)]
    return f"{'in' if isinstance(last, int) else last}: {paste(changed)}"


def is_alike(port: Port | Many, wanted: Port | Many) -> bool:
    """Tells whether a port could feed another, as far as both say it themselves."""
    wanted = wanted.port if isinstance(wanted, Many) else wanted
    return not isinstance(port, Many) and wanted.takes(port)


class References:
    """Looks up what one node may read."""

    def __init__(self, resolved: Resolved, node: PlanNode) -> None:
        self._resolved = resolved
        self._node = node
        self._sections = READABLE[node.section]
        self.meant: list[str] = []
        """The nodes that references at fault most likely mean."""
        self.is_unread = False
        """Whether some reference could mean anything."""

    def single(self, reference: str, key: Path, port: str, index: int = 0) -> Ref | None:
        """Finds the one port that a reference means: a node's only one, or the one named as the port that it feeds."""
        offered = self.offered(reference, key, port, index)
        if offered is None:
            return None
        named = [ref for ref in offered if ref.port == port]
        if len(offered) == 1 or named:
            return (named or offered)[0]
        fitting = self._alike(offered, port)
        expected = f"one port: {', '.join(str(ref) for ref in fitting)}"
        fix = self._rewired(fitting[0], key, port, index)
        self._resolved.fault("CN310", key, f"{reference}, which has {len(offered)} ports", expected, fix)
        self.meant.append(offered[0].node)
        return None

    def offered(self, reference: str, key: Path, port: str | None, index: int = 0) -> list[Ref] | None:
        """Lists the ports that a reference offers, or notes why it offers none."""
        name, dot, output = reference.partition(".")
        if name in self._resolved.doubled:
            self.meant.append(name)
            return None
        node = self._resolved.nodes.get(name)
        if node is None:
            self._tell_unknown(name, reference, key, port, index)
            return None
        if node.section not in self._sections:
            self._tell_section(name, node.section, key, port, index)
            return None
        outputs = list(node.outputs)
        if not outputs:
            fix = self._instead(key, port, index)
            self.meant.append(name)
            self._resolved.fault("CN310", key, f"{name}, which gives nothing", "a node with a port that it gives", fix)
            return None
        if dot and output not in outputs:
            near = nearest(output, outputs)
            ref = Ref(name, near) if near else self.best([Ref(name, other) for other in outputs], port)
            fix = self._rewired(ref, key, None if near else port, index)
            expected = f"one of {', '.join(str(Ref(name, other)) for other in outputs)}"
            self._resolved.fault("CN211", key, f"the unknown port {reference}", expected, fix)
            self.meant.append(name)
            return None
        return [Ref(name, output)] if dot else [Ref(name, other) for other in outputs]

    def suggestion(self, port: str) -> Ref | None:
        """Finds something that could feed a port: by the port's own name, or by its type.

        What cannot be compared with the node's target is left out; scores come first where it has labels.
        """
        alike = sorted(
            (ref for ref in self._readable(port) if self.fits(ref, port) and self._is_level(ref, port)),
            key=lambda ref: (ref.port != port, not self._is_scored(ref, port)),
        )
        return alike[0] if alike else None

    def fits(self, ref: Ref, port: str) -> bool:
        """Tells whether what a reference gives could feed a port, as far as both say it themselves."""
        return is_alike(self._resolved.nodes[ref.node].outputs[ref.port], self._node.inputs[port])

    def suits(self, ref: Ref, port: str) -> bool:
        """Tells whether what fits a port is what is likely meant there: nothing else fits what it is compared with."""
        if not (self.fits(ref, port) and self._is_level(ref, port)):
            return False
        other = None if self._is_scored(ref, port) else self.suggestion(port)
        return other is None or not self._is_scored(other, port)

    @cached_property
    def _compared(self) -> Port | None:
        """What the node's target names, where it names one port."""
        written = getattr(getattr(self._resolved.fusion, self._node.section)[self._node.name], TARGET, None)
        named = self.named(written) if isinstance(written, str) else []
        return port_of(self._resolved.nodes[named[0].node].outputs[named[0].port]) if len(named) == 1 else None

    def _is_level(self, ref: Ref, port: str) -> bool:
        """Tells whether a tensor can have the axes that the target has, of those that a port leaves open."""
        read, compared = port_of(self._node.inputs[port]), self._node.inputs.get(TARGET)
        given = port_of(self._resolved.nodes[ref.node].outputs[ref.port])
        if port == TARGET or self._compared is None or not isinstance(compared, Port):
            return True
        if given.open_dim or self._compared.open_dim or read.open_dim != compared.open_dim:
            return True
        spare = compared.spare(len(self._compared.dims))
        return spare is None or read.spare(len(given.dims)) == spare

    def _is_scored(self, ref: Ref, port: str) -> bool:
        """Tells whether scores of labels are given, where a port is compared with labels."""
        given, compared = port_of(self._resolved.nodes[ref.node].outputs[ref.port]), self._node.inputs.get(TARGET)
        is_of_labels = isinstance(compared, Port) and (bool(compared.bound) or compared.dtype is Dtype.BOOL)
        return port != TARGET and is_of_labels and given.range is not None and given.range.is_logits

    def named(self, reference: str) -> list[Ref]:
        """Lists the ports that a reference gives, faults or not; none where it names nothing that is known."""
        name, dot, output = reference.partition(".")
        node = self._resolved.nodes.get(name)
        outputs = [] if node is None or node.section not in self._sections else list(node.outputs)
        return [Ref(name, other) for other in outputs if not dot or other == output]

    def shortest(self, ref: Ref) -> str:
        """Writes a reference by its node alone, where that has one port."""
        return ref.node if len(self._resolved.nodes[ref.node].outputs) == 1 else str(ref)

    def best(self, offered: list[Ref], port: str | None) -> Ref:
        """Picks the offered port that fits a port best."""
        return self._alike(offered, port)[0]

    def _alike(self, offered: list[Ref], port: str | None) -> list[Ref]:
        if port is None or port not in self._node.inputs:
            return offered
        return sorted(offered, key=lambda ref: (not self.fits(ref, port), not self._is_level(ref, port)))

    def _readable(self, port: str) -> Iterator[Ref]:
        """Gives what the node could read without a cycle, the nearest above it first; for a target, fields first."""
        above = self._resolved.above(self._node.name, *self._sections[::-1])
        if port == TARGET:
            above = chain(self._resolved.listed("fields"), self._resolved.listed("inputs"))
        for node in islice(above, MOST_TRIED):
            yield from (Ref(node.name, output) for output in node.outputs)

    def _rewired(self, ref: Ref, key: Path, port: str | None, index: int) -> str:
        """Writes a reference anew, or what could feed the port where it could not."""
        if port is None or self.suits(ref, port):
            return rewired(self._resolved.fusion, key, ref, index)
        self._doubt(port)
        return self._instead(key, port, index)

    def _instead(self, key: Path, port: str | None, index: int) -> str:
        ports = [port] if port else [name for name, kind in self._node.inputs.items() if not kind.is_optional]
        whole = self._feeding_all(ports) if len(ports) > 1 else None
        if whole:
            return rewired(self._resolved.fusion, key, whole, index)
        ref = next((ref for name in ports if (ref := self.suggestion(name))), None)
        if ref is None:
            return f"# declare what {self._node.name} shall read, under {' or '.join(self._sections)}"
        return rewired(self._resolved.fusion, key, self.shortest(ref), index)

    def _feeding_all(self, ports: list[str]) -> str | None:
        """Finds a node that gives, by their names, all that must be fed: it is named alone."""
        above = islice(self._resolved.above(self._node.name, *self._sections[::-1]), MOST_TRIED)
        return next(
            (
                node.name
                for node in above
                if all(port in node.outputs and self.fits(Ref(node.name, port), port) for port in ports)
            ),
            None,
        )

    def _tell_unknown(self, name: str, reference: str, key: Path, port: str | None, index: int) -> None:
        section = self._section_of(name)
        if section in self._sections:
            self.meant.append(name)
            return  # the node is declared, and its own fault is told already
        if section is None and self._is_gone(name):
            self._doubt(port)
            return
        if section is not None:
            self._tell_section(name, section, key, port, index)
            return
        known = self._resolved.readable(*self._sections)
        near = nearest(name, known)
        if near:
            fix = rewired(self._resolved.fusion, key, near + reference[len(name) :], index)
            self.meant.append(near)
        else:
            fix = self._instead(key, port, index)
        if near not in self._resolved.nodes:
            self._doubt(port)
        expected = f"one of {shortlist(known)}" if known else f"a node under {' or '.join(self._sections)}"
        self._resolved.fault("CN210", key, f"the unknown node {name}", expected, fix)

    def _is_gone(self, name: str) -> bool:
        """Tells whether what a name stands for is likely lost with what could not be understood."""
        if name in self._resolved.gone or not self._resolved.is_gone(name):
            return name in self._resolved.gone
        near = nearest(name, self._resolved.nodes)
        return near is None or not is_slip(name, near)

    def _tell_section(self, name: str, section: str, key: Path, port: str | None, index: int) -> None:
        expected = f"a node of the {' or '.join(self._sections)}"
        found = f"{name}, which stands under {section}"
        self._resolved.fault("CN305", key, found, expected, self._instead(key, port, index))
        self._doubt(port)

    def _doubt(self, port: str | None) -> None:
        """Notes that a port could read anything, unless no gradient passes there."""
        self.is_unread |= port is None or self.passes_gradient(port)

    def passes_gradient(self, port: str) -> bool:
        """Tells whether what feeds a port may be trained through it."""
        kind = self._node.inputs.get(port)
        wanted = kind.port if isinstance(kind, Many) else kind
        return port != TARGET and (wanted is None or wanted.dtype.is_differentiable)

    def _section_of(self, name: str) -> str | None:
        declared: dict[str, Any] = {section: getattr(self._resolved.fusion, section) for section in SECTIONS}
        sections = ["fields", *self._sections, *SECTIONS]
        declared["fields"] = self._resolved.fusion.fields
        return next((section for section in sections if name in declared[section]), None)
