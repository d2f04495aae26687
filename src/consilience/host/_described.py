"""Describes a component for people: what it is, what it reads and gives, which keys it has, and how a file says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consilience.declare import SECTIONS, Component, Many, Port, paste
from consilience.host._registry import Offer
from consilience.host._schema_keys import Schema, keys_of, paragraphs

__all__ = ["Described", "Key", "describe"]

_TYPES = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "object": "mapping",
    "string": "text",
}
_BOUNDS = (
    ("exclusiveMinimum", "above"),
    ("minimum", "at least"),
    ("exclusiveMaximum", "below"),
    ("maximum", "at most"),
)
_PLACES = {
    "tuner": ("modules", "encoder: {{use: text_encoder, in: tokens, tune: {written}}}"),
    "balancer": ("objective", "balance: {written}"),
}
"""Where components stand that are no nodes of their own."""


@dataclass(frozen=True)
class Key:
    """A key that a file may set: its type in words, its range, its default as the file writes it, and its help."""

    name: str
    type: str
    range: str
    default: str
    """Empty where the key is required, or where leaving it out means something else than a value."""
    is_required: bool
    help: str


@dataclass(frozen=True)
class Described:
    """What a person wants to know of a component."""

    name: str
    kind: str
    distribution: str
    version: str
    code: str
    """Where the class is: `consilience_psychology:EmotionHead`."""
    help: str
    reads: Mapping[str, str]
    gives: Mapping[str, str]
    target: str
    keys: tuple[Key, ...]
    section: str
    """The section of a file that it stands in."""
    example: str
    """One line of that section, with every required key."""


def describe(offer: Offer) -> Described:
    """Describes an offered component; imports nothing that the plugin itself does not."""
    component = offer.component
    keys = tuple(_keys(component))
    section = next((name for name, kind in SECTIONS.items() if kind.kind == component.kind), "")
    section, example = _example(offer, keys, section)
    target = getattr(component, "target", None)
    return Described(
        offer.name,
        component.kind,
        offer.distribution,
        offer.version,
        f"{component.__module__}:{component.__qualname__}",
        paragraphs(_docstring(component)),
        _ports(getattr(component, "inputs", {})),
        _ports(getattr(component, "outputs", {})),
        str(target) if target is not None else "",
        keys,
        section,
        example,
    )


def _docstring(component: type[Component]) -> str:
    components = (base for base in component.__mro__ if issubclass(base, Component))
    declared = (base for base in components if not base.__module__.startswith(_DECLARE))
    return next((base.__doc__ for base in declared if base.__doc__), "")


_DECLARE = Component.__module__.rpartition(".")[0] + "."


def _ports(ports: Mapping[str, Port | Many]) -> dict[str, str]:
    return {name: f"{port}{' (optional)' if port.is_optional else ''}" for name, port in ports.items()}


def _keys(component: type[Component]) -> Iterator[Key]:
    keys, uses = keys_of(component, component.component), component.uses()
    for name, info in component.model_fields.items():
        key = info.alias or name
        written = keys.properties.get(key, {})
        wanted = uses.get(name)
        words = f"name of a {wanted.component or wanted.kind or 'node'}" if wanted else _type(written, keys.definitions)
        default = "" if info.is_required() or info.default_factory is not None else _default(info.default)
        yield Key(key, words, _range(written), default, info.is_required(), str(written.get("description", "")))


def _default(value: Any) -> str:
    try:
        return paste(value)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _type(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Says in words what a key takes; of a list also its items, with their range."""
    if "$ref" in schema:
        return _type(definitions.get(str(schema["$ref"]).removeprefix("#/definitions/"), {}), definitions)
    if "const" in schema:
        return paste(schema["const"])
    if "enum" in schema:
        return " | ".join(paste(value) for value in schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_type(choice, definitions) for choice in schema[word]))
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = [_TYPES.get(kind, kind) for kind in kinds]
    if "array" in kinds and isinstance(schema.get("items"), dict):
        words[kinds.index("array")] = _list(schema["items"], definitions)
    return " or ".join(words) or "value"


def _list(items: Schema, definitions: Mapping[str, Schema]) -> str:
    kind = _type(items, definitions)
    many = f"{kind}s" if kind in _TYPES.values() and kind not in ("true or false", "null", "text") else kind
    within = _range(items)
    return f"list of {many}" + (f", each {within}," if within else "")


def _range(schema: Schema) -> str:
    bounds = [f"{word} {schema[bound]:g}" for bound, word in _BOUNDS if isinstance(schema.get(bound), int | float)]
    least, most = schema.get("minItems"), schema.get("maxItems")
    bounds += [f"{least} or more"] if least and most is None else []
    bounds += [f"{least or 0} to {most}"] if most is not None else []
    return ", ".join(bounds)


def _example(offer: Offer, keys: tuple[Key, ...], section: str) -> tuple[str, str]:
    component = offer.component
    parts = [f"use: {offer.name}"]
    inputs = getattr(component, "inputs", {})
    if len(inputs) == 1:
        parts.append("in: node.port")
    elif inputs:
        parts.append(
            "in: {" + ", ".join(f"{name}: node.port" for name, port in inputs.items() if not port.is_optional) + "}"
        )
    if getattr(component, "target", None) is not None:
        parts.append("target: field")
    parts += [f"{key.name}: {_sample(key)}" for key in keys if key.is_required]
    parts += ["map: {text: text}"] if component.kind == "source" else []
    written = "{" + ", ".join(parts) + "}"
    if component.kind in _PLACES:
        section, line = _PLACES[component.kind]
        return section, line.format(written=written)
    name = component.component.partition("@")[0]
    return section, f"{name}: {written}"


def _sample(key: Key) -> str:
    if " | " in key.type:
        return key.type.split(" | ")[0]
    return {"whole number": "1", "number": "1.0", "true or false": "true", "list": "[]", "mapping": "{}"}.get(
        key.type, key.name
    )
