"""Writes the JSON Schema of the fusion file, with every installed component: by it editors complete and check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from consilience.declare import FIELD_TYPES, SECTIONS, FieldType, Fusion, Mixing, Objective, TrainingKeys
from consilience.host._discovery import STANDARD
from consilience.host._registry import Registry, default_registry
from consilience.host._schema_keys import Keys, Schema, described, keys_of, paragraphs
from consilience.host._schema_nodes import REFERENCE, REFERENCES, Nodes, wiring

__all__ = ["schema"]

# What no such name has is refused; of letters beyond ASCII, the check alone knows which may stand in one.
_IDENTIFIER = r"^[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*$"
_TITLE = r"^[^\x00-/:-@\[-^`{-\x7f][^\x00-\x1f!-,/:-@\[-^`{-\x7f]*$"
_OF_RESOURCE: Schema = {"type": "string", "pattern": _IDENTIFIER, "description": "The name of a resource with labels."}
_OF_THE_COMPONENT = ("use", "share", "in", "target")
"""The keys of a node that depend on its component."""
_TASK = "task"
"""The discipline of the standard losses."""


def schema(registry: Registry | None = None) -> dict[str, Any]:
    """Gives one JSON Schema (draft-07) of the fusion file, with the keys of every installed component.

    Imports every installed plugin. What a faulty one would offer is left out; `Registry.plugins` tells its fault.
    """
    registry = registry or default_registry()
    registry.plugins()
    return _File(registry).written()


class _File:
    """The sections of the file, and the definitions that they refer to."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._nodes = Nodes(registry)
        self._definitions = self._nodes.definitions

    def written(self) -> Schema:
        """Gives the whole."""
        own = keys_of(Fusion, "file")
        properties = {key: self._section(key) or written for key, written in own.properties.items()}
        properties["name"] |= {"pattern": _TITLE, "maxLength": 100}
        root = _mapping(Keys(properties, ("consilience", "name")), "fusion file", _docs(Fusion))
        self._definitions.update(own.definitions)
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$id": "urn:consilience:fusion-file:1",
            **root,
            "definitions": {name: self._definitions[name] for name in sorted(_reached(root, self._definitions))},
        }

    def _section(self, key: str) -> Schema | None:
        if key == "fields":
            return _entries(key, self._field(), FieldType)
        if key in SECTIONS:
            model = get_args(Fusion.model_fields[key].annotation)[1]
            return _entries(key, {"title": SECTIONS[key].kind, **self._node(key, model)}, model)
        if key == "objective":
            return self._objective()
        plain: dict[str, type[BaseModel]] = {"mixing": Mixing, "train": TrainingKeys}
        return _mapping(keys_of(plain[key], key), key, _docs(plain[key])) if key in plain else None

    def _field(self) -> Schema:
        texts = {word: _docs(kind) for word, kind in FIELD_TYPES.items()}
        words = [described({"const": word}, texts[word]) for word, kind in FIELD_TYPES.items() if not kind.has_labels]
        labelled = {word: self._labels(texts[word]) for word, kind in FIELD_TYPES.items() if kind.has_labels}
        return {
            "title": "field",
            "anyOf": [*words, {"title": "field", "type": "object"}],
            "properties": labelled,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }

    def _labels(self, text: str) -> Schema:
        """Gives labels that are listed, or the name of a label space."""
        label = {"type": "string", "pattern": r"\S"}
        listed = {"items": label, "minItems": 2, "uniqueItems": True}
        return described(
            {"anyOf": [*self._spaces(text), _OF_RESOURCE, {"title": "labels", "type": "array"}], "allOf": [listed]},
            text,
        )

    def _spaces(self, text: str) -> list[Schema]:
        """Lists the names of label spaces, each with its labels."""
        names = self._registry.label_spaces()
        spaces = {name: space for name in names if (space := self._registry.label_space(name))}
        return [
            described({"const": name}, f"{text}\n\nIts labels: {', '.join(f'`{label}`' for label in space.labels)}.")
            for name, space in spaces.items()
        ]

    def _node(self, section: str, model: type[BaseModel]) -> Schema:
        keys = keys_of(model, section)
        self._definitions.update(keys.definitions)
        own = {key: written for key, written in keys.properties.items() if key not in _OF_THE_COMPONENT}
        if "tune" in own:
            self._definitions["tune"] = self._nodes.key("tuner", own["tune"]["description"])
            own["tune"] = {"$ref": "#/definitions/tune"}
        if "map" in own:
            self._name_spaces(self._definitions[f"{section}.ColumnMap"]["properties"]["space"])
        required = tuple(key for key in keys.required if key not in _OF_THE_COMPONENT)
        node = self._nodes.node(SECTIONS[section].kind, Keys(own, required))
        return self._or_shared(node, keys.properties["share"]) if "share" in keys.properties else node

    def _name_spaces(self, space: Schema) -> None:
        spaces = self._spaces(space["description"])
        if spaces:
            del space["type"]
            space["anyOf"] = [*spaces, _OF_RESOURCE, {"type": "null"}]

    def _or_shared(self, node: Schema, share: Schema) -> Schema:
        """Gives a module, or another application of one: of its ports, the schema knows nothing."""
        shared = described(dict(REFERENCE), share["description"])
        read = described(wiring({"additionalProperties": REFERENCES}), "What it reads this time.")
        keys = Keys({"share": shared, "in": read}, ("share", "in"))
        self._definitions["module.share"] = _mapping(keys, "share", "A module applied once more, to other inputs.")
        alone = {"if": {"required": ["use"]}, "else": {"properties": {"share": shared}}}
        return {
            "type": "object",
            "if": {"type": "object", "required": ["share"]},
            "then": {"$ref": "#/definitions/module.share"},
            "else": node | {"allOf": [*node.get("allOf", []), alone]},
        }

    def _objective(self) -> Schema:
        keys = keys_of(Objective, "objective")
        self._definitions.update(keys.definitions)
        balance, weights = keys.properties["balance"], keys.properties["weights"]
        namespaces = {offer.namespace for offer in self._registry.components("loss")} - {STANDARD}
        for named in (weights, keys.properties["schedules"]):
            named["properties"] = dict.fromkeys((_TASK, *sorted(namespaces)), named["additionalProperties"])
        chosen = self._nodes.key("balancer", balance["description"])
        return _mapping(Keys({**keys.properties, "balance": chosen}), "objective", _docs(Objective))


def _docs(model: type[BaseModel]) -> str:
    return paragraphs(model.__doc__ or "")


def _mapping(keys: Keys, title: str, text: str) -> Schema:
    written: Schema = {"title": title, "type": "object", "properties": dict(keys.properties)}
    if keys.required:
        written["required"] = list(keys.required)
    written["additionalProperties"] = keys.is_open
    return described(written, text)


def _entries(section: str, entry: Schema, model: type[BaseModel]) -> Schema:
    """Gives a section, whose keys are names of the user's."""
    names = {
        "type": "string",
        "pattern": _IDENTIFIER,
        "patternErrorMessage": "A name is of letters, digits and underscores, and starts with a letter.",
        "doNotSuggest": True,
    }
    written = {"title": section, "type": "object", "propertyNames": names, "additionalProperties": entry}
    return described(written, _docs(model))


def _reached(root: Schema, definitions: Mapping[str, Schema]) -> set[str]:
    """Finds the definitions that the file refers to, directly or through others."""
    reached: set[str] = set()
    waiting = [root]
    while waiting:
        names = set(_referred(waiting.pop())) - reached
        reached |= names
        waiting += [definitions[name] for name in names]
    return reached


def _referred(schema: Any) -> Iterator[str]:
    for word, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if word == "$ref" and isinstance(value, str):
            yield value.removeprefix("#/definitions/")
        elif isinstance(value, dict | list):
            yield from _referred(value)
