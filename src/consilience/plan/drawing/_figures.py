"""Says what each node's figure shows, and the lines that a title tells of it."""

from __future__ import annotations

from consilience.declare import Dims, Many, ModuleNode, Node, paste
from consilience.plan._names import TASK
from consilience.plan._plan import Plan
from consilience.plan._plan_node import PlanNode, Ref
from consilience.plan._weighing import weighing_words
from consilience.plan.drawing._arrows import column_of
from consilience.plan.drawing._drawing import OBJECTIVE, Band, Figure, number

__all__ = ["figure_of_node", "figure_of_resource", "figure_of_source", "objective"]


def figure_of_resource(plan: Plan, name: str) -> Figure:
    """Gives a resource's figure."""
    use = plan.fusion.resources[name].use
    is_ghost = plan.registry.component(use) is None
    return Figure(f"resources/{name}", Band.RESOURCES, name, use, details=(f"resource {use}",), is_ghost=is_ghost)


def figure_of_source(plan: Plan, name: str) -> Figure:
    """Gives a source's figure."""
    written = plan.fusion.sources[name]
    columns = [f"column {column_of(plan, name, field)} fills {field}" for field in written.map]
    is_ghost = plan.registry.component(written.use) is None
    details = (f"source {written.use}", *columns)
    return Figure(f"sources/{name}", Band.SOURCES, name, written.use, details=details, is_ghost=is_ghost)


def figure_of_node(plan: Plan, node: PlanNode, written: Node | None) -> Figure:
    """Gives the figure of a field, an input, a module, a loss or a metric."""
    if node.section == "fields":
        kind, space = plan.fields[node.name].word, plan.labels(node.name)
        subtitle = f"{kind} · {len(space)} labels" if space else kind
        return Figure(node.name, Band.FIELDS, node.name, subtitle, details=_details(plan, node))
    tuner = written.tune["use"] if isinstance(written, ModuleNode) and node.tuner and not node.share else ""
    is_frozen = bool(tuner and not _trains(node) and getattr(node.declaration, "has_parameters", False))
    badge = "" if tuner == "full" else tuner
    if node.section == "losses":
        badge = f"× {number(plan.weight(node.name))}"
    share = written.share if isinstance(written, ModuleNode) else None
    subtitle = f"shares {share}" if share else node.component
    owner = plan.nodes.get(share or "", node)
    is_ghost = bool(node.component) and plan.registry.component(node.component) is None
    return Figure(
        node.name,
        Band(node.section),
        node.name,
        subtitle,
        owner.discipline,
        badge,
        is_frozen,
        _details(plan, node, tuner),
        is_ghost=is_ghost,
    )


def _trains(node: PlanNode) -> bool:
    return node.tuner is not None and node.tuner.trains


def _details(plan: Plan, node: PlanNode, tuner: str = "") -> tuple[str, ...]:
    """Lists what the picture has no room for: ports with what feeds them, dims, label spaces, weights."""
    of_discipline = f" ({node.discipline})" if node.discipline != TASK else ""
    lines = [f"{node.declaration.kind if node.declaration else ''} {node.component}{of_discipline}".strip()]
    if node.section == "fields":
        lines = [f"field of {plan.fields[node.name].word}"]
    if node.section == "losses":
        own, lambda_ = plan.fusion.losses[node.name].weight, plan.fusion.objective.weights.get(node.discipline, 1.0)
        lines = [f"loss {node.component} of {node.discipline}", f"weight {number(lambda_)} × {number(own)}"]
        lines += [f"{word}: {paste(told)}" for word, told in weighing_words(plan.fusion, node.name)]
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


def objective(plan: Plan) -> Figure:
    """Gives the figure in which all losses meet."""
    balance = str(plan.fusion.objective.balance["use"])
    is_ghost = plan.registry.component(balance) is None
    title = "θ* = argmin Σ λ_d · L_d(M_θ)"
    return Figure(OBJECTIVE, Band.OBJECTIVE, title, f"balance: {balance}", is_ghost=is_ghost)
