"""Tells all that is known of a plan's nodes, arrows and faults, as the plain data that a page shows."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from consilience.declare import Component, LabelSpace, Many, ModuleNode, Node, Objective, paste
from consilience.errors import Diagnostic, Part, Path, Place
from consilience.plan._names import TASK
from consilience.plan._plan import Plan, typed
from consilience.plan._plan_node import TARGET, PlanNode, Ref
from consilience.plan.drawing._drawing import Arrow, ArrowKind, Band, Drawing, Figure, faults_by_key

__all__ = ["Parameters", "facts", "line_of"]

Facts = dict[str, Any]
MOST_LABELS = 200
"""How many labels of a space a page lists."""


@dataclass(frozen=True)
class Parameters:
    """How many numbers of a module training changes, how many it leaves as they are, and how many its tuner added."""

    trained: int
    frozen: int
    added: int = 0


def facts(plan: Plan, drawing: Drawing, parameters: Mapping[str, Parameters] | None = None) -> Facts:
    """Gives what a page tells: nodes in the order of the drawing's figures, arrows in that of its arrows."""
    teller = _Teller(plan, drawing, parameters or {})
    return {
        "name": plan.fusion.name,
        "nodes": [teller.node(figure) for figure in drawing.figures.values()],
        "arrows": [teller.arrow(arrow) for arrow in drawing.arrows],
        "faults": [teller.fault(index, item) for index, item in enumerate(drawing.diagnostics)],
        "components": teller.components,
        "disciplines": [TASK, *drawing.colours],
        "lambdas": drawing.terms,
        "train": sorted(_settings(plan.fusion.train.model_dump(mode="json", exclude_unset=True))),
        "resources": [
            {"name": name, "use": node.use, "settings": _settings(node.settings)}
            for name, node in sorted(plan.fusion.resources.items())
        ],
    }


class _Teller:
    """Tells of one plan, and notes the components that it speaks of, once each."""

    def __init__(self, plan: Plan, drawing: Drawing, parameters: Mapping[str, Parameters]) -> None:
        self.components: dict[str, Facts] = {}
        self._plan = plan
        self._parameters = parameters
        self._index = {key: number for number, key in enumerate(drawing.figures)}
        self._about = faults_by_key(drawing.diagnostics)
        self._seats = {fault: self._index[key] for key, figure in drawing.figures.items() for fault in figure.faults}
        self._written = {(section, name): node for section, name, node in plan.fusion.nodes()}
        self._readers: dict[Ref, list[Ref]] = {}
        self._between: dict[tuple[str, str], list[tuple[Ref, str]]] = {}
        for name in plan.order:
            for port, refs in plan.wiring(name).items():
                for ref in refs:
                    self._between.setdefault((ref.node, name), []).append((ref, port))
                    self._readers.setdefault(ref, []).append(Ref(name, port))

    def node(self, figure: Figure) -> Facts:
        """Tells of one figure; what there is nothing to say of is left out."""
        section, _, name = figure.key.partition("/") if "/" in figure.key else (figure.band, "", figure.key)
        told: Facts = {"key": figure.key, "name": figure.name, "band": figure.band, "discipline": figure.discipline}
        told |= {"ghost": figure.is_ghost, "faults": figure.faults, "missing": section == "missing"}
        if figure.band is Band.OBJECTIVE:
            told |= self._objective()
        elif section in ("resources", "sources"):
            told |= self._beside(section, name)
        elif section != "missing":
            told |= self._planned(self._plan.nodes[name])
        if section != "missing" and figure.band is not Band.OBJECTIVE:
            told["place"] = self._place((section, name))
        return {key: value for key, value in told.items() if value not in (None, False, "", (), [], {})}

    def arrow(self, arrow: Arrow) -> Facts:
        """Tells of one arrow: its ends, and each tensor's way from port to port with its type."""
        ways = self._ways(arrow)
        lines = () if ways else arrow.details
        about = sorted({index for key in arrow.keys for index in self._about.get(key, ())})
        ends = {"from": self._index[arrow.source], "to": self._index[arrow.target], "kind": arrow.kind}
        told = {"ways": ways, "lines": lines, "faults": about, "trouble": arrow.trouble}
        return ends | {key: value for key, value in told.items() if value} | {"solved": arrow.is_solved}

    def fault(self, index: int, item: Diagnostic) -> Facts:
        """Tells of one diagnostic, and of the node that it stands at."""
        told: Facts = {"code": item.code, "severity": item.severity, "where": item.where, "place": line_of(item.place)}
        told |= {"found": item.found, "expected": item.expected, "fix": item.fix}
        if index in self._seats:
            told["node"] = self._seats[index]
        if item.related:
            told["related"] = [
                {"where": other.where, "place": line_of(other.place), "message": other.message}
                for other in item.related
            ]
        return told

    def _place(self, path: Path) -> str:
        [found] = self._plan.fusion.locate([Diagnostic("", path, "", "", "", part=Part.KEY)])
        return line_of(found.place)

    def _objective(self) -> Facts:
        balance = dict(self._plan.fusion.objective.balance)
        use = balance.pop("use")
        self._note(use, Objective)
        return {"component": use, "settings": _settings(balance)}

    def _beside(self, section: str, name: str) -> Facts:
        """Tells of a resource or a source: its component's settings, then how it fills the fields."""
        written = self._written[section, name]
        resolved = getattr(self._plan, section).get(name)
        self._note(written.use, type(written))
        own = written.model_dump(mode="json", exclude_unset=True, exclude={"use", *written.settings})
        return {"component": written.use, "settings": _keys(resolved, written) + _settings(own)}

    def _planned(self, node: PlanNode) -> Facts:
        plan, name = self._plan, node.name
        if node.section == "fields":
            return {"component": plan.fields[name].word, "labels": self._spaces(node), "outputs": self._outputs(node)}
        written = self._written.get((node.section, name))
        share = written.share if isinstance(written, ModuleNode) else None
        self._note(node.component)
        told: Facts = {"component": node.component, "share": share, "inputs": self._inputs(node)}
        told |= {"outputs": self._outputs(node), "dims": self._dims(node), "labels": self._spaces(node)}
        if written is not None and not share:
            told["settings"] = _keys(node.declaration, written)
        if isinstance(written, ModuleNode) and not share:
            tuner = dict(written.tune)
            told["tuner"] = {"use": tuner.pop("use"), "settings": _settings(tuner)}
            self._note(told["tuner"]["use"])
        if node.section == "losses":
            own, lambda_ = plan.fusion.losses[name].weight, plan.fusion.objective.weights.get(node.discipline, 1.0)
            told["weight"] = {"own": own, "lambda": lambda_, "total": plan.weight(name)}
        if name in self._parameters:
            told["parameters"] = vars(self._parameters[name])
        return told

    def _inputs(self, node: PlanNode) -> list[Facts]:
        fed, dims = self._plan.wiring(node.name), self._plan.solved[node.name]
        found = []
        for port, kind in node.inputs.items():
            written = f"one or more {kind.port}" if isinstance(kind, Many) else typed(kind, dims)
            told: Facts = {"port": port, "type": written, "from": [self._end(ref) for ref in fed.get(port, ())]}
            found.append(told | ({"optional": True} if kind.is_optional else {}))
        return found

    def _outputs(self, node: PlanNode) -> list[Facts]:
        refs = [Ref(node.name, port) for port in node.outputs]
        return [
            {
                "port": ref.port,
                "type": self._plan.type_of(ref),
                "to": [self._end(to) for to in self._readers.get(ref, ())],
            }
            for ref in refs
        ]

    def _end(self, ref: Ref) -> list[Any]:
        return [self._index[ref.node], ref.port]

    def _dims(self, node: PlanNode) -> list[Facts]:
        """Lists a node's dims in the order of its ports: their sizes, and every reason for them."""
        solved, varying = self._plan.solved[node.name], self._plan.varying.get(node.name, {})
        named = [name for kind in (*node.inputs.values(), *node.outputs.values()) for name in kind.names]
        found = []
        for name in dict.fromkeys([*named, *solved]):
            told: Facts = {"name": name}
            if name in solved:
                told["size"] = solved[name]
            elif name in solved.parts:
                told["sizes"] = solved.parts[name]
            elif name in varying:
                told["varies"] = varying[name]
            reasons = self._plan.reasons(node.name, name)
            if reasons:
                told["reasons"] = list(reasons)
            found.append(told)
        return found

    def _spaces(self, node: PlanNode) -> list[Facts]:
        spaces: Mapping[str, LabelSpace] = self._plan.solved[node.name].spaces
        return [
            {"dim": dim, "name": space.name, "count": len(space), "labels": list(space.labels)[:MOST_LABELS]}
            for dim, space in sorted(spaces.items())
        ]

    def _ways(self, arrow: Arrow) -> list[list[str]]:
        """Gives, for each tensor, the port that it leaves, that which it enters, and its solved type."""
        if arrow.kind not in (ArrowKind.TENSOR, ArrowKind.TARGET) or not arrow.is_solved:
            return []
        passing = [
            (ref, port)
            for ref, port in self._between.get((arrow.source, arrow.target), ())
            if (port == TARGET) == (arrow.kind is ArrowKind.TARGET)
        ]
        return [[ref.port, port, self._plan.type_of(ref)] for ref, port in passing]

    def _note(self, use: str, around: type[Node | Objective] | None = None) -> None:
        """Notes what a component says of itself and of its keys."""
        offer = self._plan.registry.component(use)
        if offer is None or use in self.components:
            return
        keys = (around.descriptions() if around else {}) | offer.component.descriptions()
        doc = inspect.cleandoc(offer.component.__doc__ or "")
        owner = f"{offer.distribution} {offer.version}".strip()
        self.components[use] = {"kind": offer.component.kind, "doc": doc, "keys": keys, "from": owner}


def line_of(place: Place | None) -> str:
    """Writes a place as a page shows it: the file without its folders, which differ from machine to machine."""
    return f"{PurePath(place.file).name}, line {place.line}" if place else ""


def _keys(declaration: Component | None, written: Node) -> list[list[Any]]:
    """Lists the settings of a node: as declared, those left at their default marked so; else as written."""
    if declaration is None:
        return _settings(written.settings)
    values = declaration.model_dump(mode="json")
    return [[key, paste(value), *([] if key in written.settings else [True])] for key, value in values.items()]


def _settings(written: Mapping[str, Any]) -> list[list[Any]]:
    return [[key, paste(value)] for key, value in written.items()]
