"""Says what a picture of a plan shows: its figures, its arrows and its colours, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consilience.declare import Dims, Loss, Many, Use
from consilience.plan._plan import TARGET, TASK, Edge, Plan, PlanNode, Ref

__all__ = ["OBJECTIVE", "Arrow", "ArrowKind", "Band", "Colour", "Drawing", "Figure", "draw", "number"]

OBJECTIVE = "objective/"
"""The key of the objective's figure; no node's key ends in a slash."""


class Band(StrEnum):
    """The layers of a picture, in order; metrics stand beside the objective."""

    SOURCES = "sources"
    FIELDS = "fields"
    INPUTS = "inputs"
    MODULES = "modules"
    LOSSES = "losses"
    METRICS = "metrics"
    OBJECTIVE = "objective"


class ArrowKind(StrEnum):
    """What passes along an arrow: a column, a tensor, a target, a loss's value, or nothing but a reference."""

    COLUMN = "column"
    TENSOR = "tensor"
    TARGET = "target"
    TERM = "term"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Colour:
    """A discipline's colour: strong for lines, pale for surfaces, dark for text on the pale one."""

    strong: str
    pale: str
    dark: str


NEUTRAL = Colour("#8a94a3", "#f3f5f8", "#3d4654")
PALETTE = (
    Colour("#0072b2", "#e3f0f9", "#004f7c"),
    Colour("#d55e00", "#fdebdf", "#8a3d00"),
    Colour("#009e73", "#def5ed", "#00614a"),
    Colour("#cc79a7", "#fbeaf3", "#8a3a67"),
    Colour("#e69f00", "#fdf3da", "#7d5600"),
    Colour("#56b4e9", "#e6f5fd", "#1d6590"),
    Colour("#332288", "#e9e6f6", "#332288"),
    Colour("#882255", "#f7e4ed", "#882255"),
    Colour("#999933", "#f4f4dd", "#5c5c14"),
    Colour("#44aa99", "#e2f5f2", "#1e6a5e"),
)
"""Okabe and Ito's colours, told apart by colour-blind readers, then four of Tol's muted ones."""


@dataclass(frozen=True)
class Figure:
    """One node as it is shown: two short lines, a badge, and all that is known of it."""

    key: str
    band: Band
    rank: int
    name: str
    subtitle: str
    discipline: str = TASK
    badge: str = ""
    is_frozen: bool = False
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arrow:
    """All that passes one way between two figures."""

    source: str
    target: str
    kind: ArrowKind
    labels: tuple[str, ...]
    details: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """A plan's picture before it has a format."""

    name: str
    figures: dict[str, Figure]
    arrows: list[Arrow]
    colours: dict[str, Colour]
    """The colour of each discipline but the task, by sorted name."""
    terms: dict[str, float]
    """lambda_d of each discipline that brings a loss."""
    balance: str

    def colour(self, discipline: str) -> Colour:
        """Gives a discipline's colour; the task is neutral."""
        return self.colours.get(discipline, NEUTRAL)


def number(value: float) -> str:
    """Writes a weight as a person would: 1, 0.5, 1e-06."""
    return f"{value:.4g}"


def draw(plan: Plan) -> Drawing:
    """Collects the figures and arrows of a plan, each once and in an order that only the plan decides."""
    ranks = _ranks(plan)
    sources = [_source(plan, name) for name in sorted(plan.sources)]
    figures = [*sources, *(_figure(plan, plan.nodes[name], ranks[name]) for name in plan.order)]
    last = max(figure.rank for figure in figures) if figures else 0
    has_metrics = any(figure.band is Band.METRICS for figure in figures)
    figures.append(_objective(plan, last if has_metrics else last + 1))
    disciplines = sorted({figure.discipline for figure in figures} - {TASK})
    weights = plan.fusion.objective.weights
    return Drawing(
        plan.fusion.name,
        {figure.key: figure for figure in figures},
        [*_columns(plan), *_tensors(plan), *_references(plan), *_losses(plan)],
        {discipline: PALETTE[index % len(PALETTE)] for index, discipline in enumerate(disciplines)},
        {discipline: weights.get(discipline, 1.0) for discipline in plan.disciplines},
        str(plan.fusion.objective.balance["use"]),
    )


def _ranks(plan: Plan) -> dict[str, int]:
    """Ranks nodes from top to bottom: section by section, and in a section each below what it needs."""
    ranks: dict[str, int] = {}
    lowest = 0
    for section in ("fields", "inputs", "modules", "losses", "metrics"):
        start = lowest + 1
        for node in plan.of(section):
            needed = [ranks[name] for name in plan.graph.predecessors(node.name) if name in ranks]
            ranks[node.name] = max([start, *(rank + 1 for rank in needed)])
            lowest = max(lowest, ranks[node.name])
    return ranks


def _source(plan: Plan, name: str) -> Figure:
    written = plan.fusion.sources[name]
    columns = [f"column {_column(plan, name, field)} fills {field}" for field in written.map]
    return Figure(f"sources/{name}", Band.SOURCES, 0, name, written.use, details=(f"source {written.use}", *columns))


def _column(plan: Plan, source: str, field: str) -> str:
    mapped = plan.fusion.sources[source].map[field]
    return mapped if isinstance(mapped, str) else mapped.column


def _figure(plan: Plan, node: PlanNode, rank: int) -> Figure:
    if node.section == "fields":
        kind, space = plan.fields[node.name].word, plan.labels(node.name)
        subtitle = f"{kind} · {len(space)} labels" if space else kind
        return Figure(node.name, Band.FIELDS, rank, node.name, subtitle, details=_details(plan, node))
    written = next(written for _, name, written in plan.fusion.nodes() if name == node.name)
    tuner = getattr(written, "tune", {}).get("use", "") if node.tuner and not node.share else ""
    is_frozen = bool(
        node.tuner and not node.share and not node.tuner.trains and getattr(node.declaration, "has_parameters", False)
    )
    badge = "" if tuner == "full" else tuner
    if isinstance(node.declaration, Loss):
        badge = f"× {number(plan.weight(node.name))}"
    subtitle = f"shares {node.share}" if node.share else node.component
    discipline = plan.nodes[node.share].discipline if node.share else node.discipline
    band = Band(node.section)
    return Figure(node.name, band, rank, node.name, subtitle, discipline, badge, is_frozen, _details(plan, node, tuner))


def _details(plan: Plan, node: PlanNode, tuner: str = "") -> tuple[str, ...]:
    """Lists what the picture has no room for: ports with what feeds them, dims, label spaces, weights."""
    of_discipline = f" ({node.discipline})" if node.discipline != TASK else ""
    lines = [f"{node.declaration.kind if node.declaration else ''} {node.component}{of_discipline}".strip()]
    if node.section == "fields":
        lines = [f"field of {plan.fields[node.name].word}"]
    if node.section == "losses":
        own, lambda_ = plan.fusion.losses[node.name].weight, plan.fusion.objective.weights.get(node.discipline, 1.0)
        lines = [f"loss {node.component} of {node.discipline}", f"weight {number(lambda_)} × {number(own)}"]
    if tuner:
        lines.append(f"tuned: {tuner}")
    fed = plan.wiring(node.name)
    for port, declared in node.inputs.items():
        if port in fed:
            written = str(declared.port if isinstance(declared, Many) else declared)
            lines.append(f"in {port}: {written} from {', '.join(str(ref) for ref in fed[port])}")
    lines += [f"out {port or node.name}: {plan.type_of(Ref(node.name, port))}" for port in node.outputs]
    dims: Dims = plan.solved[node.name]
    if dims:
        lines.append("dims " + ", ".join(f"{name}={size}" for name, size in sorted(dims.items())))
    lines += [f"{dim} {space}" for dim, space in sorted(dims.spaces.items())]
    return tuple(lines)


def _objective(plan: Plan, rank: int) -> Figure:
    balance = str(plan.fusion.objective.balance["use"])
    return Figure(OBJECTIVE, Band.OBJECTIVE, rank, "θ* = argmin Σ λ_d · L_d(M_θ)", f"balance: {balance}")


def _columns(plan: Plan) -> list[Arrow]:
    arrows = []
    for name in sorted(plan.sources):
        for field in plan.fusion.sources[name].map:
            column = _column(plan, name, field)
            labels = () if column == field else (column,)
            arrows.append(Arrow(f"sources/{name}", field, ArrowKind.COLUMN, labels, (f"{name}: {column} → {field}",)))
    return arrows


def _tensors(plan: Plan) -> list[Arrow]:
    passing: dict[tuple[str, str, ArrowKind], list[Edge]] = {}
    for target in plan.order:
        arriving = [data["edge"] for _, _, data in plan.graph.in_edges(target, data=True)]
        edges: list[Edge] = [edge for edge in arriving if edge is not None]
        for edge in sorted(edges, key=lambda edge: (edge.target.port, edge.index)):
            kind = ArrowKind.TARGET if edge.target.port == TARGET else ArrowKind.TENSOR
            passing.setdefault((edge.source.node, target, kind), []).append(edge)
    return [
        Arrow(
            source,
            target,
            kind,
            tuple(_label(plan, edge.source) for edge in edges),
            tuple(_way(plan, edge) for edge in edges),
        )
        for (source, target, kind), edges in passing.items()
    ]


def _label(plan: Plan, ref: Ref) -> str:
    short = plan.type_of(ref).partition(" below ")[0]
    return short if len(plan.nodes[ref.node].outputs) == 1 else f"{ref.port} {short}"


def _way(plan: Plan, edge: Edge) -> str:
    return f"{edge.source} → {edge.target}: {plan.type_of(edge.source)}"


def _references(plan: Plan) -> list[Arrow]:
    """Lists the arrows along which no tensor passes, each named by the key that makes it."""
    arrows = []
    for name in plan.order:
        node = plan.nodes[name]
        keys: dict[str | None, str] = {node.share: "share"} if node.share else {}
        if node.declaration and not node.share:
            uses = {key: getattr(node.declaration, key) for key in type(node.declaration).uses()}
            keys = {use.name: key for key, use in uses.items() if isinstance(use, Use) and use.name in plan.nodes}
        for source, key in keys.items():
            arrows.append(Arrow(str(source), name, ArrowKind.REFERENCE, (key,), (f"{name}.{key}: {source}",)))
    return arrows


def _losses(plan: Plan) -> list[Arrow]:
    return [
        Arrow(loss.name, OBJECTIVE, ArrowKind.TERM, (), (f"{number(plan.weight(loss.name))} × {loss.name}",))
        for loss in plan.of("losses")
    ]
