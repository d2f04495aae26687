"""Finds what a broken file names and the plan could not follow, so that the picture shows it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consilience.declare import LossNode, MetricNode, ModuleNode, Node
from consilience.errors import Path, nearest
from consilience.plan._plan import Plan
from consilience.plan._plan_node import TARGET
from consilience.plan.drawing._drawing import Arrow, ArrowKind, Band, Figure, Trouble

__all__ = ["unsolved"]


def unsolved(plan: Plan) -> tuple[list[Arrow], list[Figure]]:
    """Gives the arrows that the file writes and the plan lacks, and ghosts for the nodes that nobody declares."""
    followed = {(source, target) for source, target in plan.graph.edges()}
    arrows: list[Arrow] = []
    ghosts: dict[str, Figure] = {}
    readers: dict[str, list[str]] = {}
    for reference in _written(plan):
        source = _key(plan, reference.name)
        if (source, reference.node) in followed:
            continue
        if source is None:
            source = f"missing/{reference.name}"
            readers.setdefault(source, []).append(reference.node)
            details = ("not declared", f"named by {', '.join(dict.fromkeys(readers[source]))}")
            band = ghosts[source].band if source in ghosts else _likely_band(plan, reference)
            ghosts[source] = Figure(source, band, reference.name, "not declared", details=details, is_ghost=True)
        label = str(reference.path[2]) if reference.kind is ArrowKind.REFERENCE else reference.port
        trouble = Trouble.ERROR if source in ghosts else Trouble.NONE
        arrows.append(
            Arrow(
                source,
                reference.node,
                reference.kind,
                (label,) if label else (),
                (f"{reference.text} → {reference.node}: not followed",),
                (reference.path,),
                trouble,
                is_solved=False,
            )
        )
    lost = [*_lost_fields(plan, ghosts)]
    return [*arrows, *lost], [ghosts[key] for key in sorted(ghosts)]


def _lost_fields(plan: Plan, ghosts: dict[str, Figure]) -> Iterator[Arrow]:
    """Gives the arrows of columns that fill fields which nobody declares."""
    for name in sorted(plan.fusion.sources):
        for field in plan.fusion.sources[name].map:
            if field not in plan.fields:
                key, details = f"missing/{field}", ("not declared", f"filled by {name}")
                ghosts.setdefault(key, Figure(key, Band.FIELDS, field, "not declared", details=details, is_ghost=True))
                keys = (("sources", name, "map", field),)
                detail = f"{name} → {field}: not declared"
                source = f"sources/{name}"
                yield Arrow(source, key, ArrowKind.COLUMN, (), (detail,), keys, Trouble.ERROR, is_solved=False)


@dataclass(frozen=True)
class _Reference:
    """One reference as the file writes it: `encoder.pooled`, under `modules.opinion.in`."""

    section: str
    node: str
    path: Path
    text: str
    kind: ArrowKind

    @property
    def name(self) -> str:
        """The node that it names."""
        return self.text.partition(".")[0]

    @property
    def port(self) -> str:
        """The port that it names, or nothing."""
        return self.text.partition(".")[2]


def _written(plan: Plan) -> Iterator[_Reference]:
    """Gives what every node names under `in`, `target` and `share`, in the order of the file.

    Of a node without a declaration also the settings that are names of nodes: what they mean, nobody can tell.
    """
    for section, name, node in plan.fusion.nodes():
        if name not in plan.nodes or plan.nodes[name].section != section:  # of a name that stands twice, the first
            continue
        for path, text, kind in _of_node(node, (section, name)):
            yield _Reference(section, name, path, text, kind)
        settings = node.settings if plan.nodes[name].declaration is None else {}
        for key, value in settings.items():
            if isinstance(value, str) and value in plan.nodes:
                yield _Reference(section, name, (section, name, key), value, ArrowKind.REFERENCE)


def _of_node(node: Node, path: Path) -> Iterator[tuple[Path, str, ArrowKind]]:
    for at, text in _texts(getattr(node, "in_", None), (*path, "in")):
        yield at, text, ArrowKind.TENSOR
    if isinstance(node, LossNode | MetricNode) and node.target is not None:
        yield (*path, TARGET), node.target, ArrowKind.TARGET
    if isinstance(node, ModuleNode) and node.share:
        yield (*path, "share"), node.share, ArrowKind.REFERENCE


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Gives the references under `in:` with their paths; that of a list of one is the list's, as in the check."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for port, inner in value.items():
            yield from _texts(inner, (*path, port))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index) if len(value) > 1 else path)


def _key(plan: Plan, name: str) -> str | None:
    """Gives the key of the figure that a name stands for, or None when the file declares nothing of that name."""
    if name in plan.nodes:
        return name
    sections = ("sources", "resources")
    return next((f"{section}/{name}" for section in sections if name in getattr(plan.fusion, section)), None)


def _likely_band(plan: Plan, reference: _Reference) -> Band:
    """Says in which layer a node would stand that is named and not declared: that of the name likely meant."""
    if reference.kind is ArrowKind.TARGET or reference.section == "inputs":
        allowed = ["fields", "inputs"]
    elif reference.kind is ArrowKind.TENSOR and reference.section == "modules":
        allowed = ["modules", "inputs"]
    else:
        allowed = ["modules"]
    near = nearest(reference.name, [node.name for node in plan.nodes.values() if node.section in allowed])
    return Band(plan.nodes[near].section if near else allowed[0])
