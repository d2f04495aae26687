"""Says which outputs of frozen modules can be kept, and what else they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consilience.declare import Input, Many, Port
from consilience.plan import Plan, PlanNode, Ref

__all__ = ["KeptOutputs", "kept_outputs"]


@dataclass(frozen=True)
class KeptOutputs:
    """The modules whose outputs are kept, and those outputs that anything reads.

    `widths` tells, for each output and each of its axes, which tensors of a batch have an axis of the same size, where
    the size varies with the batch: `{"encoder.hidden": ((), (("tokens.mask", 1),), ())}`.
    """

    modules: frozenset[str]
    outputs: tuple[str, ...]
    widths: Mapping[str, tuple[tuple[tuple[str, int], ...], ...]]


def kept_outputs(plan: Plan) -> KeptOutputs | None:
    """Finds the modules whose tuner keeps what they give, as far as losses and metrics read it; None where none do."""
    modules = frozenset(node.name for node in plan.of("modules") if _is_kept(plan, node))
    readers = [node.name for section in ("losses", "metrics") for node in plan.of(section)]
    running = [*plan.needed(tuple(readers), modules), *(node.name for node in plan.of("metrics"))]
    read = {ref for name in running for refs in plan.wiring(name).values() for ref in refs if ref.node in modules}
    if not read:
        return None
    outputs = sorted(read)
    widths = {str(ref): tuple(_widths(plan, ref)) for ref in outputs}
    return KeptOutputs(frozenset(ref.node for ref in outputs), tuple(map(str, outputs)), widths)


def _is_kept(plan: Plan, node: PlanNode) -> bool:
    """Tells whether a tuner keeps what a module gives, and nothing before it changes: another use of it may differ."""
    if node.tuner is None or not node.tuner.keeps_features or node.is_trained:
        return False
    before = [plan.nodes[name] for name in plan.needed((node.name,))]
    return not any(
        one.is_trained or (isinstance(one.declaration, Input) and one.declaration.is_random) for one in before
    )


def _widths(plan: Plan, ref: Ref) -> Iterator[tuple[tuple[str, int], ...]]:
    port = plan.nodes[ref.node].outputs[ref.port]
    assert isinstance(port, Port)
    names = plan.varying.get(ref.node, {})
    for dim in port.dims:
        common = names.get(dim.name or str(dim))
        yield tuple(_inputs_of(plan, common)) if common is not None and dim.name != "batch" else ()


def _inputs_of(plan: Plan, common: str) -> Iterator[tuple[str, int]]:
    """Gives the tensors of inputs that have an axis of the size of that name, and which axis."""
    for node in plan.of("inputs"):
        names = plan.varying.get(node.name, {})
        for name, kind in node.outputs.items():
            dims = () if isinstance(kind, Many) else kind.dims
            for axis, dim in enumerate(dims):
                if names.get(dim.name or str(dim)) == common:
                    yield str(Ref(node.name, name)), axis
