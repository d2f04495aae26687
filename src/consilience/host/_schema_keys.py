"""Writes the keys of a pydantic model as JSON Schema: what an editor completes, explains and checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from consilience.host._discovery import PLUGIN_ERRORS

__all__ = ["Keys", "Schema", "described", "keys_of", "paragraphs"]

Schema = dict[str, Any]

_NAMED = ("properties", "patternProperties", "definitions", "$defs")
"""What holds schemas under names that are no words of JSON Schema."""
_PLAIN = ("const", "default", "enum", "examples")
"""What holds values, and no schemas."""
_OTHER_REGEX = re.compile(r"\(\?[^:=!]|\\[AZz]")
"""What Python's and Rust's patterns have and JavaScript's do not."""

_WHOLE_NUMBER = "^-?[0-9]+$"


@dataclass(frozen=True)
class Keys:
    """The keys of a model: the schema of each, which are required, and what they refer to."""

    properties: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    definitions: Mapping[str, Schema] = field(default_factory=dict)
    is_open: bool = False
    """Whether the model takes further keys."""


class _Generator(GenerateJsonSchema):
    """Lets a key whose type JSON Schema cannot tell be anything; the check knows more of it."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic's own attribute

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        return {}

    def dict_schema(self, schema: core_schema.DictSchema) -> Schema:
        """Tells that the keys are whole numbers where they are: JSON writes them as text."""
        written = super().dict_schema(schema)
        if schema.get("keys_schema", {}).get("type") == "int":
            written["propertyNames"] = {"pattern": _WHOLE_NUMBER}
        return written


def keys_of(model: type[BaseModel], name: str) -> Keys:
    """Gives the keys of a model; the definitions that they refer to stand under names that begin with `name`."""
    try:
        written = model.model_json_schema(ref_template=f"#/definitions/{name}.{{model}}", schema_generator=_Generator)
    except PLUGIN_ERRORS:  # a plugin's own type that fails to tell its schema: the names of the keys remain
        names = [info.alias or key for key, info in model.model_fields.items()]
        return Keys({key: {} for key in names})
    inner = written.get("$defs", {})
    if "$ref" in written:  # a model that holds itself
        written = inner[written["$ref"].removeprefix(f"#/definitions/{name}.")]
    properties = {key: _tidy(schema) for key, schema in written.get("properties", {}).items()}
    for key, message in _deprecated(model).items():
        properties[key]["deprecationMessage"] = message
    definitions = {f"{name}.{key}": _tidy(schema) for key, schema in inner.items()}
    is_open = written.get("additionalProperties") is not False
    return Keys(properties, tuple(written.get("required", ())), definitions, is_open)


def _deprecated(model: type[BaseModel]) -> dict[str, str]:
    """Gives what the keys that should not be used any more say of it: editors know no other word for it."""
    found = {info.alias or key: info.deprecation_message for key, info in model.model_fields.items()}
    return {key: message for key, message in found.items() if message}


def _tidy(schema: Any) -> Any:
    """Leaves out what tells an editor's user nothing, and writes the rest in the words that editors know best."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidied: Schema = {}
    for word, value in schema.items():
        if word in ("title", "discriminator") or (word == "default" and value is None):
            continue
        if word == "pattern" and _OTHER_REGEX.search(value):
            continue
        if word in _NAMED:
            value = {name: _tidy(part) for name, part in value.items()}
        elif word not in _PLAIN:
            value = _tidy(value)
        tidied[word] = value
    described(tidied, paragraphs(tidied.pop("description", "")))
    return _with_properties(_nullable(tidied))


def _nullable(schema: Schema) -> Schema:
    """Writes `T or null` as one schema: a choice of two would be completed and explained as such."""
    choices = schema.get("anyOf", [])
    if len(choices) != 2 or {"type": "null"} not in choices:
        return schema
    [choice] = [other for other in choices if other != {"type": "null"}] or [{}]
    if not isinstance(choice.get("type"), str) or "const" in choice:
        return schema
    merged = {**choice, **schema, "type": [choice["type"], "null"]}
    del merged["anyOf"]
    if "enum" in merged:
        merged["enum"] = [*merged["enum"], None]
    return merged


def _with_properties(schema: Schema) -> Schema:
    """Lists the keys of a mapping whose keys are few: editors complete properties alone."""
    names, value = schema.get("propertyNames", {}).get("enum"), schema.get("additionalProperties")
    if names is None or not isinstance(value, dict):
        return schema
    kept = {word: part for word, part in schema.items() if word != "propertyNames"}
    return kept | {"properties": {name: dict(value) for name in names}, "additionalProperties": False}


def described(schema: Schema, text: str) -> Schema:
    """Adds a description to a schema; editors that can show the code and the paragraphs in it do."""
    if text:
        schema["description"] = text
        if "`" in text or "\n" in text:
            schema["markdownDescription"] = text
    return schema


def paragraphs(text: str) -> str:
    """Joins the lines of each paragraph, which were broken for the eyes of those who read the source."""
    parts = re.split(r"\n\s*\n", cleandoc(text))
    return "\n\n".join(re.sub(r"\s*\n(?!\s*[-*] )\s*", " ", part.strip()) for part in parts if part.strip())
