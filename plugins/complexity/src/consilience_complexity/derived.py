"""Says which fusion reads a smaller encoder: that of the training, without what only training needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from consilience_complexity._distilling import AttentionDistillation, Distillation, StateDistillation, Teacher
from consilience_complexity._gated import Budget, Sparsity
from consilience_complexity._norms import GroupLasso, NuclearNorm, SpectralNorm

__all__ = ["OF_TRAINING", "remade", "smaller_fusion"]

OF_TRAINING = (
    *(Sparsity, Budget, GroupLasso, NuclearNorm, SpectralNorm),
    *(Distillation, StateDistillation, AttentionDistillation, Teacher),
)
"""What only training needs."""


def smaller_fusion(plan: Any, name: str, written: Path, compact: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Gives the fusion of the smaller model: it reads the new checkpoint, and has nothing that only training needs.

    `compact` are the keys of the `compact_encoder` that stands in the encoder's place, where one does.
    """
    fusion: dict[str, Any] = plan.fusion.to_dict()
    resource = f"{name}_smaller"
    while resource in plan.nodes:
        resource += "_again"
    fusion.setdefault("resources", {})[resource] = {"use": "checkpoint", "path": str(written)}
    fusion["modules"][name]["checkpoint"] = resource
    if plan.fusion.modules[name].tune["use"] not in ("full", "frozen"):
        fusion["modules"][name].pop("tune", None)
    if compact:
        fusion["modules"][name] |= {"use": "complexity.compact_encoder", **compact}
    for ref in {ref.node for refs in plan.wiring(name).values() for ref in refs}:
        if ref in fusion.get("inputs", {}) and "checkpoint" in plan.nodes[ref].declaration.uses():
            fusion["inputs"][ref]["checkpoint"] = resource
    gone = _drop_training(fusion, plan)
    weights = fusion.get("objective", {}).get("weights")
    if weights and gone:
        left = {plan.nodes[loss].discipline for loss in fusion["losses"]}
        fusion["objective"]["weights"] = {key: value for key, value in weights.items() if key in left}
    used = _named(fusion, ("inputs", "modules", "losses", "metrics", "sources"))
    fusion["resources"] = {key: value for key, value in fusion["resources"].items() if key in used}
    return fusion


def _drop_training(fusion: dict[str, Any], plan: Any) -> list[str]:
    """Takes out what only training needs: losses of size and of teachers, the teachers, and metrics of these."""
    taught = {one.name for one in plan.of("modules") if isinstance(one.declaration, Teacher)}
    for section in ("losses", "modules", "metrics"):
        for one in plan.of(section):
            reads = {ref.node for refs in plan.wiring(one.name).values() for ref in refs}
            if isinstance(one.declaration, OF_TRAINING) or taught & reads or (one.share in taught):
                del fusion[section][one.name]
    return [one.name for one in plan.of("losses") if one.name not in fusion["losses"]]


def _named(fusion: Mapping[str, Any], sections: Iterable[str]) -> set[str]:
    """Gives every word that some node names: a resource that none does is not needed."""
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, Mapping):
            for item in value.values():
                walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)

    for section in sections:
        walk(fusion.get(section) or {})
    walk(fusion.get("resources") or {})
    return found


def remade(plan: Any, name: str) -> list[str]:
    """Names the nodes whose weights are those of the new checkpoint."""
    return [name, *(one.name for one in plan.of("modules") if one.share == name)]
