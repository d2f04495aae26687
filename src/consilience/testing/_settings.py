"""Settings: the values that a component's keys are given where its author gives none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consilience.host import Offer

__all__ = ["NoExample", "example_of"]


class NoExample(Exception):
    """A component has a key without a default, and nothing tells a value for it."""


def example_of(offer: Offer, known: Mapping[str, Any]) -> dict[str, Any]:
    """Gives values for the keys without a default: those that are known, or else the least that the key takes."""
    component = offer.component
    needed = [key for key, info in component.model_fields.items() if info.is_required() and key not in component.uses()]
    if not needed:
        return {}
    made: dict[str, Any] = {}
    schema = component.model_json_schema()
    for key in needed:
        alias = component.model_fields[key].alias or key
        value = known.get(key, _least(schema["properties"].get(alias, {})))
        if value is None:
            raise NoExample(f'{offer.name} has no default for {alias}: give examples={{"{offer.name}": [{{...}}]}}')
        made[alias] = value
    return made


def _least(schema: Mapping[str, Any]) -> Any:
    """Gives a value that a schema takes, where numbers and choices tell one; None for texts, lists and the like."""
    if "const" in schema or "enum" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    match schema.get("type"):
        case "boolean":
            return False
        case "integer":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            return int(min(max(least, 1), schema.get("maximum", least)))
        case "number":
            low, high = _ends(schema)
            return (low + high) / 2
    return None


def _ends(schema: Mapping[str, Any]) -> tuple[float, float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 0.0 if high is None else high - 1
    return low, low + 1 if high is None else high
