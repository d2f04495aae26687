"""Checks by what the best model is told: that it is measured, that it is one number, and that there are rows for it."""

from __future__ import annotations

from collections.abc import Iterator

from consilience.declare import Metric, Source, TrainingKeys
from consilience.errors import Part, Path, nearest
from consilience.plan._resolved import Resolved
from consilience.plan._splits import own_splits, splits_of

__all__ = ["TOTAL", "check_best", "idle_beside_best"]

TOTAL = "loss"
"""What the weighted sum of the losses is called among what is measured."""
_BY: Path = ("train", "metric_for_best_model")


def chooses(keys: TrainingKeys) -> str:
    """Gives the key that asks for a best model, or nothing."""
    if keys.early_stopping_patience is not None:
        return "early_stopping_patience"
    return "load_best_model_at_end" if keys.load_best_model_at_end else ""


def check_best(resolved: Resolved, keys: TrainingKeys) -> None:
    """Notes a best model that is told by nothing that is measured."""
    if keys.metric_for_best_model is not None:
        _check_name(resolved, keys.metric_for_best_model)
        if keys.greater_is_better and _is_loss(resolved, keys.metric_for_best_model):
            found = f"true, for the loss {keys.metric_for_best_model}"
            path: Path = ("train", "greater_is_better")
            resolved.fault("CN471", path, found, "a loss that is better when it is less", "greater_is_better: false")
    key = chooses(keys)
    if not key:
        return
    if keys.eval_strategy == "no":
        found = f"{key}, and eval_strategy: no"
        fix = "eval_strategy: epoch"
        resolved.fault("CN473", ("train", "eval_strategy"), found, "validation while the model is trained", fix)
    elif resolved.fusion.sources and not _may_validate(resolved):
        first = next(iter(resolved.fusion.sources))
        found = f"{key}, and no source has validation rows"
        fix = f"split: {{validation: 0.1}}  # under sources.{first}"
        resolved.fault("CN473", ("train", key), found, "validation rows to measure on", fix, Part.KEY)


def _check_name(resolved: Resolved, name: str) -> None:
    known = [node.name for node in resolved.nodes.values() if node.section in ("metrics", "losses")]
    if name != TOTAL and name not in known:
        if resolved.is_gone(name) or name in resolved.fusion.metrics or name in resolved.fusion.losses:
            return  # what it names has a fault of its own
        meant = name.removeprefix("eval_").removeprefix("loss/")
        near = meant if meant in known else nearest(meant, [*known, TOTAL])
        fix = f"metric_for_best_model: {near or TOTAL}"
        expected = f"one of {', '.join([*sorted(known), TOTAL])}"
        resolved.fault("CN471", _BY, f"the unknown metric or loss {name}", expected, fix)
        return
    declared = resolved.nodes[name].declaration if name in resolved.nodes else None
    if isinstance(declared, Metric) and not declared.is_number:
        component = resolved.nodes[name].component
        found = f"{name}, and {component} gives no single number"
        resolved.fault("CN472", _BY, found, "a metric of one number, or a loss", f"metric_for_best_model: {TOTAL}")


def _is_loss(resolved: Resolved, name: str) -> bool:
    node = resolved.nodes.get(name)
    return node.section == "losses" if node else name == TOTAL


def _may_validate(resolved: Resolved) -> bool:
    for name, node in resolved.fusion.sources.items():
        source = resolved.others["sources"].get(name)
        if not isinstance(source, Source) or any(path[:2] == ("sources", name) for path in resolved.lost):
            return True
        if "validation" in splits_of(own_splits(resolved, name, source), node.split):
            return True
    return False


def idle_beside_best(keys: TrainingKeys) -> Iterator[tuple[str, str, str]]:
    """Gives the keys of validation and of the best model that do nothing beside the others, why, and a fix."""
    if keys.eval_steps is not None and keys.eval_strategy != "steps":
        found = f"{keys.eval_steps}, with eval_strategy: {keys.eval_strategy or 'epoch'}"
        yield "eval_steps", found, "eval_strategy: steps"
    if keys.early_stopping_threshold is not None and keys.early_stopping_patience is None:
        found = f"{keys.early_stopping_threshold:g}, and nothing stops early"
        yield "early_stopping_threshold", found, "early_stopping_patience: 3"
    if chooses(keys):
        return
    for key in ("metric_for_best_model", "greater_is_better"):
        value = getattr(keys, key)
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else value
            yield key, f"{text}, and no best model is asked for", "load_best_model_at_end: true"
