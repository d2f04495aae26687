"""Finds what would fit where a tensor does not: another port, another component, or what is to be done by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from consilience.declare import FIELD_TYPES, Dtype, Loss, Many, Metric, Module, Port, Range
from consilience.host import Offer
from consilience.plan._names import namespace_of
from consilience.plan._plan_node import TARGET, Edge, PlanNode, Ref
from consilience.plan._ports import port_of
from consilience.plan._references import MOST_TRIED, READABLE, rewired
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
        if found is None and edge.target.port == TARGET and code == "CN301":
            by_hand = self._aligned(edge, source, wanted) or self._head(edge) or self._level(edge, source, wanted)
            if by_hand:
                return by_hand
        found = found or self._fitting(edge, others)
        if found:
            return rewired(self._resolved.fusion, edge.key, found, edge.index)
        return self._ranged(edge, source, wanted) if code == "CN315" else self._plainly(edge, wanted)

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
        readable = [section for section in READABLE[target.section] if section != "fields"][::-1]
        if edge.target.port == TARGET:
            sections = ["fields", "inputs"]
        elif own.section in readable:
            sections = [own.section, *(section for section in readable if section != own.section)]
        else:
            sections = readable if target.section != "inputs" else ["fields", "inputs"]
        listed = [own] if own.section in sections else []
        for section in sections:
            alike = (node for node in self._resolved.above(target.name, section) if node is not own)
            listed += itertools.islice(alike, MOST_TRIED)
        near = [node for node in listed if node is own or node.section == sections[0]]
        if source.dtype is Dtype.LABELS:  # what aligns the same labels to the tokens comes first
            near = [
                node for node in listed if any(edge.source == other.source for other in self._into.get(node.name, ()))
            ]
        tried = {node.name for node in near}
        return near, [node for node in listed if node.name not in tried]

    @cached_property
    def _readers(self) -> dict[str, set[str]]:
        readers: dict[str, set[str]] = {}
        for edge in (edge for edges in self._into.values() for edge in edges):
            readers.setdefault(edge.source.node, set()).add(edge.target.node)
        return readers

    def _component(self, edge: Edge) -> str | None:
        """Finds another loss or metric that takes what is wired here."""
        node = self._resolved.nodes[edge.target.node]
        fed = {other.target.port: other for other in self._into[node.name]}
        own = [other for port, other in fed.items() if port != TARGET]
        if TARGET not in fed or len(own) != 1:
            return None
        if self._takes(type(node.declaration), own[0].source, fed[TARGET].source):  # what differs are sizes or labels
            return None
        written = getattr(self._resolved.fusion, node.section)[node.name]
        for offer in self._offers(node.declaration.kind if node.declaration else "", node):
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

    def _offers(self, kind: str, node: PlanNode) -> list[Offer]:
        """Lists the components of a kind, those of the node's own plugin first."""
        namespace = namespace_of(node.component)
        offers = self._resolved.offers(kind)
        return sorted(offers, key=lambda offer: offer.namespace != namespace)

    def _takes(self, component: type[object], scores: Ref, target: Ref) -> bool:
        if not issubclass(component, Loss | Metric) or component.target is None or scores == target:
            return False
        required = [port for port in component.inputs.values() if not port.is_optional]
        rank = self._rank(scores)
        if len(required) != 1 or isinstance(required[0], Many) or rank is None:
            return False
        return self._compares(required[0], component.target, self._port(scores), rank, target)

    def _compares(self, read: Port, compared: Port, scores: Port, rank: int, target: Ref) -> bool:
        """Tells whether a loss with these ports takes such scores, of so many axes, beside this target."""
        axes = self._rank(target)
        if axes is None or not (read.takes(scores) and compared.takes(self._port(target))):
            return False
        spare, other = read.spare(rank), compared.spare(axes)
        return None not in (spare, other) and (spare == other or read.open_dim != compared.open_dim)

    def _head(self, edge: Edge) -> str | None:
        """Finds another component, of the same ports, for the module whose scores are compared with the target."""
        loss = self._resolved.nodes[edge.target.node]
        scored = [other for other in self._into.get(loss.name, ()) if other.target.port != TARGET]
        head = self._resolved.nodes[scored[0].source.node] if len(scored) == 1 else loss
        fed = self._into.get(head.name, ())
        if head.section != "modules" or head.share or len(fed) != 1:
            return None
        if self._takes(type(loss.declaration), scored[0].source, edge.source):  # what differs are sizes or labels
            return None
        settings = set(self._resolved.fusion.modules[head.name].settings)
        for offer in self._offers("module", head):
            kind = offer.component
            if offer.name == head.component or not issubclass(kind, Module) or not settings <= set(kind.model_fields):
                continue
            if list(kind.inputs) == list(head.inputs) and list(kind.outputs) == list(head.outputs):
                given = port_of(kind.outputs[scored[0].source.port])
                is_fed = port_of(kind.inputs[fed[0].target.port]).takes(self._port(fed[0].source))
                read, compared = port_of(loss.inputs[scored[0].target.port]), port_of(loss.inputs[TARGET])
                if (
                    is_fed
                    and given.open_dim is None
                    and self._compares(read, compared, given, len(given.dims), edge.source)
                ):
                    return f"use: {offer.name}  # under modules.{head.name}"
        return None

    def _port(self, ref: Ref) -> Port:
        return port_of(self._resolved.nodes[ref.node].outputs[ref.port])

    def _aligned(self, edge: Edge, source: Port, wanted: Port) -> str | None:
        """Says how labels of words become labels of tokens, where tokens are what is scored."""
        if source.dtype is not Dtype.LABELS or self._lacking(edge, len(source.dims) + 1) != 0:
            return None
        for offer in self._resolved.offers("input"):
            inputs, outputs = getattr(offer.component, "inputs", {}), getattr(offer.component, "outputs", {})
            port = next((name for name, kind in inputs.items() if isinstance(kind, Port) and kind.takes(source)), None)
            if port and any(isinstance(kind, Port) and wanted.takes(kind) for kind in outputs.values()):
                node = f"{{use: {offer.name}, in: {{{port}: {edge.source}, ...}}}}"
                return f"# align the labels of words to tokens by an input, {node}: name that under {edge.target.port}"
        return None

    def _lacking(self, edge: Edge, axes: int) -> int | None:
        """Tells how many axes the scores of a loss have too few for a target of so many; None without such scores."""
        wanted = self._resolved.nodes[edge.target.node].inputs.get(TARGET)
        scored = [other for other in self._into.get(edge.target.node, ()) if other.target.port != TARGET]
        rank = self._rank(scored[0].source) if len(scored) == 1 else None
        if rank is None or not isinstance(wanted, Port) or edge.target.port != TARGET:
            return None
        return axes + (wanted.bound is not None) - rank  # scores have a dim of classes besides

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

    def _level(self, edge: Edge, source: Port, wanted: Port) -> str | None:
        """Says how scores of tokens and targets of examples, or the other way round, come to one level."""
        lacking = self._lacking(edge, len(source.dims)) if wanted.dtype.takes(source.dtype) else None
        if lacking not in (-1, 1) or (lacking == 1 and edge.source.node in self._resolved.fusion.fields):
            return None
        scored = next(other for other in self._into[edge.target.node] if other.target.port != TARGET)
        head = self._resolved.nodes[scored.source.node]
        instead = self._of_rank(head.name, lacking) if head.section == "modules" else None
        if instead is None:
            return None
        component = self._like(head, instead) if self._readers[head.name] == {edge.target.node} else None
        if component:
            return f"{head.name}: {{use: {component}, in: {instead}}}  # under modules"
        each = "example" if lacking < 0 else "token"
        return f"# {head.name} scores no {each}s: let a module that reads {instead} give {edge.target.node} its scores"

    def _like(self, head: PlanNode, fed: Ref) -> str | None:
        """Finds a component that gives what a head gives, and reads one port of another number of dims."""
        written = self._resolved.fusion.modules[head.name]
        for offer in self._offers("module", head) if not (written.settings or head.share) else ():
            kind = offer.component
            if not issubclass(kind, Module) or not kind.has_parameters or list(kind.outputs) != list(head.outputs):
                continue
            takes = [port for port in kind.inputs.values() if isinstance(port, Port) and port.takes(self._port(fed))]
            if len(takes) == len(kind.inputs) == 1 and takes[0].open_dim is None:
                return offer.name
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
