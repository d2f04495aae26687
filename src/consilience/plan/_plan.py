"""The plan: the checked fusion, with every name resolved and every dim and label space solved."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from consilience.declare import (
    Balancer,
    Component,
    Dims,
    Dtype,
    FieldType,
    Fusion,
    LabelSpace,
    Loss,
    Many,
    Port,
    Resource,
    Source,
)
from consilience.errors import Diagnostic
from consilience.host import STANDARD, Registry
from consilience.plan._graph import Link, to_networkx
from consilience.plan._names import named, namespace_of
from consilience.plan._plan_node import TARGET, Edge, PlanNode, Ref
from consilience.plan._weighing import weighing

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Plan", "typed"]


@dataclass(frozen=True)
class Plan:
    """A checked fusion: the one thing that is built, trained, evaluated and served.

    `links` tell which node needs which, each with its `Edge` (None where a key such as `tie:` refers to a node without
    a tensor passing); `order` lists fields, inputs, modules, losses and metrics so that each
    comes after what it needs; `solved` gives each node's dims, `varying` the common name of those that vary with the
    batch.
    """

    fusion: Fusion
    registry: Registry
    links: tuple[Link, ...]
    nodes: Mapping[str, PlanNode]
    order: tuple[str, ...]
    solved: Mapping[str, Dims]
    varying: Mapping[str, Mapping[str, str]]
    resources: Mapping[str, Resource]
    sources: Mapping[str, Source]
    balancer: Balancer
    warnings: tuple[Diagnostic, ...] = ()
    """What the check found that stops nothing."""
    provenance: Callable[[str, str], tuple[str, ...]] | None = field(default=None, repr=False, compare=False)
    """Gives every reason for what is known of a dim, by node and dim."""

    def __deepcopy__(self, memo: object) -> Plan:
        """Gives the plan itself: a copied model follows the same plan, which nothing changes."""
        return self

    @property
    def fields(self) -> Mapping[str, FieldType]:
        """The fields by name."""
        return self.fusion.fields

    def of(self, section: str) -> list[PlanNode]:
        """Lists the nodes of a section, each after what it needs."""
        return [self.nodes[name] for name in self.order if self.nodes[name].section == section]

    @cached_property
    def graph(self) -> nx.MultiDiGraph[str]:
        """The links as a networkx graph over the names of the nodes, each edge's `edge` that of its link."""
        return to_networkx(self.nodes, self.links)

    @cached_property
    def _edges_into(self) -> dict[str, list[Edge]]:
        into: dict[str, list[Edge]] = {name: [] for name in self.nodes}
        for _, target, edge in self.links:
            if edge is not None:
                into[target].append(edge)
        return {name: sorted(edges, key=lambda edge: (edge.target.port, edge.index)) for name, edges in into.items()}

    def wiring(self, node: str) -> dict[str, tuple[Ref, ...]]:
        """Tells what feeds each connected port of a node, a target included."""
        wired: dict[str, list[Ref]] = {}
        for edge in self._edges_into[node]:
            wired.setdefault(edge.target.port, []).append(edge.source)
        return {port: tuple(refs) for port, refs in wired.items()}

    def labels(self, field_name: str) -> LabelSpace | None:
        """Gives the label space of a field, or None when it has none."""
        return self.solved[field_name].spaces.get("labels")

    def label_space(self, name: str) -> LabelSpace:
        """Gives the label space of a full name, a plugin's or a resource's; raises KeyError when there is none."""
        space = self.registry.label_space(name)
        if space is None and name in self.resources:
            space = self.resources[name].label_space()
        if space is None:
            raise KeyError(name)
        return space

    def target_of(self, node: str) -> Ref | None:
        """Gives what a loss or metric compares with, or None."""
        refs = self.wiring(node).get(TARGET, ())
        return refs[0] if refs else None

    def fields_behind(self, node: str) -> frozenset[str]:
        """Lists the fields that an example must have for the node to mean something of it, its target's included."""
        behind = {name for name in self._ancestors(node) if self.nodes[name].section == "fields"}
        return frozenset(behind)

    def text_of(self, field_name: str) -> str | None:
        """Gives the text whose words a field of `token_labels` labels: the one behind the input that reads both.

        Where no input reads the field, the only text of the fusion; None where that could be several.
        """
        texts = [name for name, kind in self.fields.items() if kind.port.dtype is Dtype.TEXT]
        for node in self.of("inputs"):
            behind = self.fields_behind(node.name)
            read = [name for name in sorted(texts) if name in behind]
            if field_name in behind and read:
                return read[0]
        return texts[0] if len(texts) == 1 else None

    def present_keys(self, node: str) -> tuple[str, ...]:
        """Lists a batch's masks (`Bool["batch"]`) that tell which examples count for a loss or metric.

        They are those of every field behind it, and, where its target is an input with a port `present`, that one.
        """
        if node not in self._present_keys:  # asked for several times in every step
            keys = [f"{name}.present" for name in sorted(self.fields_behind(node))]
            target = self.target_of(node)
            if target is not None and "present" in self.nodes[target.node].outputs:
                keys.append(f"{target.node}.present")
            self._present_keys[node] = tuple(keys)
        return self._present_keys[node]

    @cached_property
    def _present_keys(self) -> dict[str, tuple[str, ...]]:
        return {}

    def needed(
        self,
        outputs: Mapping[str, Any] | tuple[str, ...] | list[str] | frozenset[str],
        given: frozenset[str] = frozenset(),
    ) -> list[str]:
        """Lists, in order, the inputs, modules and losses that the named nodes need, themselves included.

        Nodes whose values are `given` need nothing, and are left out.
        """
        wanted = set(outputs) - given
        for name in tuple(wanted):
            wanted |= self._ancestors(name, given)
        return [name for name in self.order if name in wanted and self.nodes[name].section != "fields"]

    def _ancestors(self, node: str, given: frozenset[str] = frozenset()) -> set[str]:
        """Lists the nodes whose values reach this one: `tie:` and `of:` refer to parameters, not to values."""
        found: set[str] = set()
        waiting = [node]
        while waiting:
            for edge in self._edges_into[waiting.pop()]:
                if edge.source.node not in found and edge.source.node not in given:
                    found.add(edge.source.node)
                    waiting.append(edge.source.node)
        return found

    @cached_property
    def disciplines(self) -> tuple[str, ...]:
        """The disciplines that bring a loss, sorted."""
        return tuple(sorted({node.discipline for node in self.of("losses")}))

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces of the plugins that the fusion names, sorted."""
        return tuple(sorted({namespace_of(name) for name, _ in named(self.fusion)} - {STANDARD}))

    def call(self, hook: str, **given: Any) -> dict[str, Any]:
        """Calls a hook of the plugins that the fusion names; gives what each gave, by namespace."""
        return self.registry.call(hook, self.namespaces, **given)

    def weight(self, loss: str) -> float:
        """Gives a loss's weight in the objective: its own times its discipline's lambda."""
        return self.fusion.losses[loss].weight * self.fusion.objective.weights.get(self.nodes[loss].discipline, 1.0)

    def answers(self) -> dict[str, tuple[Ref, str]]:
        """Lists what a model can be asked: by module, the port that a loss compares with a field, and that field.

        Labels of words are compared through the input that aligned them to the tokens. A port that does not speak of
        what the field holds (a text's vector that is pulled towards others of its class) answers nothing.
        """
        found: dict[str, tuple[Ref, str]] = {}
        for loss in self.of("losses"):
            target = self.target_of(loss.name)
            field_name = self.field_of(target) if target else None
            if field_name is None:
                continue
            for port, refs in self.wiring(loss.name).items():
                answering = [ref for ref in refs if self.nodes[ref.node].section == "modules"]
                if port != TARGET and answering and _answers(loss, port, self.fields[field_name]):
                    found.setdefault(answering[0].node, (answering[0], field_name))
        return found

    def field_of(self, target: Ref) -> str | None:
        """Gives the field that a target is, or whose labels of words an input aligned to make it."""
        if self.nodes[target.node].section == "fields":
            return target.node
        behind = [ref.node for refs in self.wiring(target.node).values() for ref in refs if ref.node in self.fields]
        return next((name for name in behind if self.fields[name].port.dtype is Dtype.LABELS), None)

    def reasons(self, node: str, dim: str) -> tuple[str, ...]:
        """Tells in words why a node's dim is what it is: `("384 from minilm's config.json, stated by encoder",)`.

        Every statement of its size and its labels is one, whichever node makes it; none is left of an unknown dim.
        """
        return self.provenance(node, dim) if self.provenance else ()

    def type_of(self, ref: Ref) -> str:
        """Writes the solved type of an output port: `Float[batch seq hidden=384]`."""
        return typed(cast("Port", self.nodes[ref.node].outputs[ref.port]), self.solved[ref.node])

    def to_dict(self) -> dict[str, Any]:
        """Gives the plan in a canonical form: equal for equal fusions, whatever the order of their keys."""
        written = self.fusion.to_dict()
        sources = written.get("sources", {})
        return {
            "name": self.fusion.name,
            "resources": {name: _settings(item) for name, item in sorted(self.resources.items())},
            "sources": {
                name: sources[name] | {"settings": _settings(item)} for name, item in sorted(self.sources.items())
            },
            **({"mixing": written["mixing"]} if "mixing" in written else {}),
            "nodes": [self._node_dict(self.nodes[name]) for name in self.order],
            "objective": self.fusion.objective.model_dump(mode="json", exclude={"schedules"}),
            "train": self.fusion.train.model_dump(mode="json"),
        }

    def to_json(self) -> str:
        """Writes `to_dict` as JSON, one canonical text a plan."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=2, ensure_ascii=False)

    def _node_dict(self, node: PlanNode) -> dict[str, Any]:
        dims = self.solved[node.name]
        written: dict[str, Any] = {
            "name": node.name,
            "section": node.section,
            "discipline": node.discipline,
            "component": node.component,
            "settings": _settings(node.declaration) if node.declaration else {},
            "in": {port: [str(ref) for ref in refs] for port, refs in sorted(self.wiring(node.name).items())},
            "dims": dict(sorted(dims.items())),
            "labels": {dim: list(space.labels) for dim, space in sorted(dims.spaces.items())},
        }
        if node.section == "fields":
            written["type"] = self.fields[node.name].word
        if node.share:
            written["share"] = node.share
        if node.tuner:
            owner = node.share or node.name
            written["tune"] = {"use": self.fusion.modules[owner].tune["use"], **_settings(node.tuner)}
        if node.section == "modules" and (rates := self.fusion.modules[node.name].rates):
            written["rates"] = rates
        if isinstance(node.declaration, Loss):
            written["weight"] = self.weight(node.name)
            written |= weighing(self.fusion, node.name)
        return written


def typed(port: Port, dims: Dims) -> str:
    """Writes the type of a port with what is solved of its dims: `Int[batch seq] below vocab=30522`."""
    words = [f"{dim.name}={dims[dim.name]}" if dim.name and dim.name in dims else str(dim) for dim in port.dims]
    bound = f" below {port.bound}={dims[port.bound]}" if port.bound and port.bound in dims else ""
    return f"{port.dtype}[{' '.join(words)}]{bound}"


def _settings(component: Component) -> dict[str, Any]:
    return component.model_dump(mode="json")


def _answers(loss: PlanNode, name: str, field_type: FieldType) -> bool:
    """Tells whether a port has a score for each label of the target, or else the target's own dims."""
    kind, target = loss.inputs[name], loss.inputs[TARGET]
    port = kind.port if isinstance(kind, Many) else kind
    if isinstance(target, Many) or port.dtype not in (Dtype.FLOAT, Dtype.NUMBER):
        return False
    if field_type.port.bound is None:
        return port.dims == target.dims
    has_scores = target.bound is not None and len(port.dims) > 0 and port.dims[-1].name == target.bound
    return has_scores and port.dims[:-1] == target.dims
