"""Finds what would fit where a tensor does not: another port, another component, or what is to be done by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from consilience.declare import FIELD_TYPES, Component, Dtype, Loss, Many, Metric, Port, Range
from consilience.plan._plan import TARGET, Edge, PlanNode, Ref
from consilience.plan._references import READABLE, rewired
from consilience.plan._resolved import Resolved

__all__ = ["Mender"]

_SHARES = Range(0, 1)


class Mender:
    """Writes the fix of an edge that does not fit.

    `fits` tells whether another edge in its place would, `rank` how many axes a tensor has, as far as that is known.
    """

    def __init__(
        self,
        resolved: Resolved,
        into: Mapping[str, Sequence[Edge]],
        fits: Callable[[Edge], bool],
        rank: Callable[[Ref], int | None],
    ) -> None:
        self._resolved = resolved
        self._into = into
        self._fits = fits
        self._rank = rank

    def fix(self, edge: Edge, source: Port, wanted: Port, code: str) -> str:
        """Names another port that fits, of the same node first; or else what helps."""
        near, others = self._others(edge, source)
        section = self._resolved.nodes[edge.target.node].section
        component = self._component(edge) if code == "CN301" and section in ("losses", "metrics") else None
        found = None if component and edge.target.port == TARGET else self._fitting(edge, near)
        if component and found is None:
            return f"use: {component}  # under {section}.{edge.target.node}"
        found = found or self._fitting(edge, others)
        if found:
            return rewired(self._resolved.fusion, edge.key, found, edge.index)
        by_hand = self._ranged(edge, source, wanted) if code == "CN315" else self._aligned(edge, source, wanted)
        return by_hand or self._level(edge, source) or self._plainly(edge, wanted)

    def _fitting(self, edge: Edge, nodes: Iterable[PlanNode]) -> Ref | None:
        for node in nodes:
            for name, port in node.outputs.items():
                ref = Ref(node.name, name)
                if isinstance(port, Port) and ref != edge.source and self._fits(replace(edge, source=ref)):
                    return ref
        return None

    def _others(self, edge: Edge, source: Port) -> tuple[list[PlanNode], list[PlanNode]]:
        """Lists the nodes that could stand there instead, none that comes after the node itself.

        The nearest ones are the node that stands there, those of its section, and for a target the fields.
        """
        nodes = self._resolved.nodes
        own, target = nodes[edge.source.node], nodes[edge.target.node]
        above = list(itertools.takewhile(lambda node: node is not target, nodes.values()))[::-1]
        readable = [section for section in READABLE[target.section] if section != "fields"][::-1]
        if edge.target.port == TARGET:
            sections = ["fields", "inputs"]
        elif own.section in readable:
            sections = [own.section, *(section for section in readable if section != own.section)]
        else:
            sections = readable if target.section != "inputs" else ["fields", "inputs"]
        listed = [own] if own.section in sections else []
        listed += [node for section in sections for node in above if node.section == section and node is not own]
        near = [node for node in listed if node is own or node.section == sections[0]]
        if source.dtype is Dtype.LABELS:  # what aligns the same labels to the tokens comes first
            near = [
                node for node in listed if any(edge.source == other.source for other in self._into.get(node.name, ()))
            ]
        return near, [node for node in listed if node not in near]

    def _component(self, edge: Edge) -> str | None:
        """Finds another loss or metric that takes what is wired here."""
        node = self._resolved.nodes[edge.target.node]
        fed = {other.target.port: other for other in self._into[node.name]}
        own = [other for port, other in fed.items() if port != TARGET]
        if TARGET not in fed or len(own) != 1:
            return None
        written = getattr(self._resolved.fusion, node.section)[node.name]
        namespace = node.component.rpartition(".")[0]
        offers = self._resolved.registry.components(node.declaration.kind if node.declaration else "")
        for offer in sorted(offers, key=lambda offer: offer.name.rpartition(".")[0] != namespace):
            takes_settings = set(written.settings) <= set(offer.component.model_fields)
            is_named = isinstance(written.in_, str)
            if (
                offer.name != node.component
                and is_named
                and takes_settings
                and self._takes(offer.component, own[0].source, fed[TARGET].source)
            ):
                return offer.name
        return None

    def _takes(self, component: type[Component], scores: Ref, target: Ref) -> bool:
        if not issubclass(component, Loss | Metric) or component.target is None:
            return False
        required = [port for port in component.inputs.values() if not port.is_optional]
        if len(required) != 1 or isinstance(required[0], Many):
            return False
        counts = []
        for port, ref in ((required[0], scores), (component.target, target)):
            rank = self._rank(ref)
            counts.append(port.spare(rank) if rank is not None and port.takes(self._port(ref)) else None)
        is_open = required[0].open_dim is not None and required[0].open_dim == component.target.open_dim
        return None not in counts and (counts[0] == counts[1] or not is_open)

    def _port(self, ref: Ref) -> Port:
        port = self._resolved.nodes[ref.node].outputs[ref.port]
        return port.port if isinstance(port, Many) else port

    def _aligned(self, edge: Edge, source: Port, wanted: Port) -> str | None:
        """Says how labels of words become labels of tokens."""
        if source.dtype is not Dtype.LABELS or not wanted.dtype.is_tensor:
            return None
        for offer in self._resolved.registry.components("input"):
            inputs, outputs = getattr(offer.component, "inputs", {}), getattr(offer.component, "outputs", {})
            port = next((name for name, kind in inputs.items() if isinstance(kind, Port) and kind.takes(source)), None)
            if port and any(isinstance(kind, Port) and wanted.takes(kind) for kind in outputs.values()):
                node = f"{{use: {offer.name}, in: {{{port}: {edge.source}, ...}}}}"
                return f"# align the labels of words to tokens by an input, {node}: name that under {edge.target.port}"
        return None

    def _ranged(self, edge: Edge, source: Port, wanted: Port) -> str:
        """Says how values come to lie where a port asks for them."""
        asked, given = wanted.range, source.range
        if asked is None or asked.is_logits:
            return f"# feed {edge.target.node} with the scores themselves, before any softmax or sigmoid"
        if given is not None and given.is_logits and asked.takes(_SHARES):
            return (
                f"# let {edge.target.node} read {{use: probabilities, in: {edge.source}}}, which makes shares of scores"
            )
        component = self._resolved.nodes[edge.source.node].component
        if given is None and component:
            says = f".within({asked.low:g}, {asked.high:g})"
            return (
                f"# feed {edge.target} with values {asked}, or have {component} say {says} where its values lie there"
            )
        return f"# feed {edge.target} with values {asked}"

    def _level(self, edge: Edge, source: Port) -> str | None:
        """Says how scores of tokens and targets of examples, or the other way round, come to one level."""
        target = self._resolved.nodes[edge.target.node].inputs.get(TARGET)
        if edge.target.port != TARGET or not isinstance(target, Port):
            return None
        compared = len(source.dims) + (target.bound is not None)  # scores have a dim of classes besides
        for other in self._into.get(edge.target.node, ()):
            head, lacking = other.source.node, compared - len(self._port(other.source).dims)
            if other.target.port == TARGET or self._resolved.nodes[head].section != "modules" or lacking not in (-1, 1):
                continue
            instead = self._of_rank(head, lacking)
            if instead is not None:
                each = "example" if lacking < 0 else "token"
                return (
                    f"# {head} scores no {each}s: let a module that reads {instead} give {edge.target.node} its scores"
                )
        return None

    def _of_rank(self, head: str, more: int) -> Ref | None:
        """Finds, beside what feeds a head, the port that has so many more dims, and is like it but for that."""
        for edge in self._into.get(head, ()):
            fed = self._port(edge.source)
            for name, port in self._resolved.nodes[edge.source.node].outputs.items():
                is_alike = isinstance(port, Port) and port.dtype is fed.dtype and port.dims[-1:] == fed.dims[-1:]
                if isinstance(port, Port) and is_alike and len(port.dims) == len(fed.dims) + more:
                    return Ref(edge.source.node, name)
        return None

    def _plainly(self, edge: Edge, wanted: Port) -> str:
        words = [word for word, kind in FIELD_TYPES.items() if wanted.takes(kind.port)]
        if edge.target.port == TARGET and words:
            return f"# name under target a {' or '.join(words)} field, or a port of type {wanted}"
        return f"# feed {edge.target.node} with a tensor of type {wanted}"
