"""Draws a component's settings within the ranges that its own fields declare."""

from __future__ import annotations

import types
from random import Random
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from consilience.declare import Component, Location

__all__ = ["Bounds", "bounds_of", "draw_settings", "draw_value"]

_SPAN = 24
"""How far above its lowest value a whole number is drawn: what is built must stay tiny."""
_TAKEN_CARE_OF = {
    "checkpoint": {"revision"},
    "graph": {"labels"},
    "table": {"format", "delimiter", "columns"},
    "tokens": {"max_length", "pad_to_multiple_of"},
    "mask": {"replaced", "random"},
    "cross_entropy": {"class_weights"},
    "binary_cross_entropy": {"pos_weight"},
    "lora": {"targets"},
    "adalora": {"targets", "r", "start_r"},
    "ia3": {"targets", "feedforward"},
    "bottleneck": {"targets"},
    "last_n": {"n"},
    "masked_lm_head": {"start"},
    "emotion_loss": {"counts"},  # of the labels of its target, by name
    "asymmetric_loss": {"counts"},
    "sparsity": {"gates"},
    "budget": {"gates"},
}
"""Keys whose values depend on more than their own range, by component."""

Bounds = tuple[float | None, float | None, bool, bool]
"""The least and the greatest value, and whether each is left out."""


def draw_settings(random: Random, component: type[Component], chance: float = 0.35) -> dict[str, Any]:
    """Draws some of a component's settings; those that name nodes or places are left to the caller."""
    skipped = {*component.uses(), *_TAKEN_CARE_OF.get(component.component, ())}
    drawn = {}
    for key, info in component.model_fields.items():
        if key not in skipped and info.annotation is not Location and random.random() < chance:
            drawn[info.alias or key] = draw_value(random, info)
    return drawn


def draw_value(random: Random, info: FieldInfo) -> Any:
    """Draws a value of a field's type within its bounds."""
    choices = [choice for choice in _members(info.annotation) if choice is not type(None)]
    if type(None) in _members(info.annotation) and random.random() < 0.2:
        return None
    annotation = choices[0]
    if get_origin(annotation) is Literal:
        return random.choice(get_args(annotation))
    if annotation is bool:
        return random.random() < 0.5
    if annotation is int:
        low, high, _, is_open = bounds_of(info)
        least = int(low or 0)
        most = least + _SPAN if high is None else min(least + _SPAN, int(high) - is_open)
        return random.randint(least, most)
    if annotation is float:
        return draw_float(random, info)
    if annotation is str and isinstance(info.default, str):
        return info.default
    if annotation is str:
        return "loss"  # of the keys under `train:`, those that name what is measured, or a run
    if get_origin(annotation) is list:
        return []  # of trackers, which need not be installed
    if get_origin(annotation) is dict:
        keys = get_args(get_args(annotation)[0])
        return {key: round(random.uniform(0.1, 2.0), 2) for key in random.sample(keys, random.randint(0, 2))}
    raise TypeError(f"no way to draw {annotation}")


def draw_float(random: Random, info: FieldInfo) -> float:
    """Draws a number within the bounds, mostly from their middle; where one is lacking, near the default."""
    low, high, is_low_out, is_high_out = bounds_of(info)
    default = info.default if isinstance(info.default, int | float) else 1.0
    least = low if low is not None else min(default, high or 0.0) - 1.0
    most = high if high is not None else max(default, least) + 1.0
    edges = [edge for edge, is_out in ((least, is_low_out), (most, is_high_out)) if not is_out]
    if edges and random.random() < 0.2:
        return float(random.choice(edges))
    return round(least + (most - least) * random.uniform(0.02, 0.98), 4)


def bounds_of(info: FieldInfo) -> Bounds:
    """Reads the bounds that a field declares."""
    low: float | None = None
    high: float | None = None
    is_low_out = is_high_out = False
    for item in _metadata(info):
        if hasattr(item, "ge"):
            low = item.ge
        if hasattr(item, "gt"):
            low, is_low_out = item.gt, True
        if hasattr(item, "le"):
            high = item.le
        if hasattr(item, "lt"):
            high, is_high_out = item.lt, True
    if is_low_out and info.annotation is int and low is not None:
        low += 1
    return low, high, is_low_out, is_high_out


def _metadata(info: FieldInfo) -> list[Any]:
    found = list(info.metadata)
    for member in get_args(info.annotation):
        if get_origin(member) is Annotated:
            found += [part for item in member.__metadata__ for part in getattr(item, "metadata", [item])]
    return found


def _members(annotation: Any) -> tuple[Any, ...]:
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return tuple(get_args(member)[0] if get_origin(member) is Annotated else member for member in members)
