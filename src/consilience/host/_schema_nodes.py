"""Writes a node as JSON Schema: a choice among the components of a kind, and the keys that the chosen one has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from consilience.declare import SECTIONS, Component, Many, Port
from consilience.host._registry import Offer, Registry
from consilience.host._schema_keys import Keys, Schema, described, keys_of, paragraphs

__all__ = ["REFERENCE", "REFERENCES", "Nodes", "wiring"]

REFERENCE: Schema = {"type": "string", "pattern": r"\S"}
"""A node, or a node's port."""

# One schema with several types, and no `anyOf`: then an editor tells what is wrong with the form that was chosen, and
# not that another one could have been. `items` and `properties` stand inside `allOf`, so that completing the key alone
# does not choose a form.
_LISTED: Schema = {"items": REFERENCE, "minItems": 1}
REFERENCES: Schema = {"type": ["string", "array"], "pattern": r"\S", "allOf": [_LISTED]}
"""One of them, or a list."""


def wiring(by_port: Schema) -> Schema:
    """Gives what may stand under `in`, with the schema of the mapping from ports."""
    return REFERENCES | {"type": ["string", "array", "object"], "allOf": [_LISTED, by_port | {"minProperties": 1}]}


class Nodes:
    """Writes the nodes of every section, and the keys in which `use` names a component.

    `definitions` fills with what they refer to.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.definitions: dict[str, Schema] = {}

    def node(self, kind: str, own: Keys) -> Schema:
        """Gives a mapping with `use`, whose other keys are the component's, and a node's `own`."""
        offers = self._registry.components(kind)
        for offer in offers:
            self._define(offer, described(self._component(offer, own), _told(offer)))
        return {"type": "object", **_chosen(offers)}

    def key(self, kind: str, text: str) -> Schema:
        """Gives a key that holds a component: its name alone, or a mapping with `use`."""
        offers = self._registry.components(kind)
        alone = []
        for offer in offers:
            written = self._component(offer, Keys({}))
            self._define(offer, written)
            alone += [_named(offer, text)] if written["required"] == ["use"] else []
        return described({"anyOf": [*alone, {"title": kind, "type": "object"}], "allOf": [_chosen(offers)]}, text)

    def _define(self, offer: Offer, written: Schema) -> None:
        self.definitions[_name(offer)] = written

    def _component(self, offer: Offer, own: Keys) -> Schema:
        component = offer.component
        wired, keys = _wired(component), keys_of(component, _name(offer))
        self.definitions.update(keys.definitions)
        properties: dict[str, Any] = {"use": True, **wired, **own.properties, **keys.properties}
        for name, wanted in component.uses().items():
            key = component.model_fields[name].alias or name
            properties[key] = self._reference(properties[key], wanted)
        return {
            "title": offer.name,
            "type": "object",
            "properties": properties,
            "required": ["use", *wired, *own.required, *keys.required],
            "additionalProperties": keys.is_open,
        }

    def _reference(self, key: Schema, wanted: type[Component]) -> Schema:
        """Adds to a key that names another node which nodes it may name."""
        sections = {kind.kind: section for section, kind in SECTIONS.items() if section != "sources"}
        if wanted.kind not in sections:
            nodes = "any node but a source"
        elif wanted is SECTIONS[sections[wanted.kind]]:
            nodes = f"a node of `{sections[wanted.kind]}`"
        else:
            offers = self._registry.components(wanted.kind)
            fitting = ", ".join(f"`{offer.name}`" for offer in offers if issubclass(offer.component, wanted))
            nodes = f"a node of `{sections[wanted.kind]}` that uses {fitting or 'a component that is not installed'}"
        return described(dict(key), _joined(key.get("description", ""), f"Names {nodes}."))


def _joined(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))


def _name(offer: Offer) -> str:
    return f"{offer.component.kind}.{offer.name}"


def _chosen(offers: Sequence[Offer]) -> Schema:
    """Says of a mapping that `use` names one of the components, which then says what the other keys are."""
    names: Schema = {"anyOf": [_named(offer) for offer in offers]} if offers else {"type": "string"}
    text = "The component: a standard one, or one of a plugin, with the plugin's namespace before the dot."
    known = [{"if": _uses(offer.name), "then": {"$ref": f"#/definitions/{_name(offer)}"}} for offer in offers]
    chosen: Schema = {"properties": {"use": described(names, text)}, "required": ["use"]}
    return chosen | ({"allOf": known} if known else {})


def _named(offer: Offer, text: str = "") -> Schema:
    return described({"title": offer.name, "const": offer.name}, _joined(_told(offer), text))


def _uses(name: str) -> Schema:
    # No `const`: while it completes, yaml-language-server takes the beginning of one for the whole.
    pattern = f"^{re.escape(name)}$"
    return {"type": "object", "properties": {"use": {"type": "string", "pattern": pattern}}, "required": ["use"]}


def _told(offer: Offer) -> str:
    """Tells what a component is: its docstring, its ports, and who offers it."""
    component = offer.component
    docs = (base.__doc__ for base in component.__mro__ if _is_declared(base) and base.__doc__)
    lines = [f"- {word} `{name}`: {_typed(port)}" for word, name, port in _ports(component)]
    goes = f"Deprecated {component.deprecated}." if component.deprecated else ""
    return _joined(goes, paragraphs(next(docs, "")), "\n".join(lines), f"From {offer.distribution}.")


def _is_declared(base: type) -> bool:
    contract = Component.__module__.rpartition(".")[0] + "."
    return issubclass(base, Component) and not base.__module__.startswith(contract)


def _ports(component: Any) -> Iterator[tuple[str, str, Port | Many]]:
    for word, attribute in (("reads", "inputs"), ("gives", "outputs")):
        for name, port in getattr(component, attribute, {}).items():
            yield word, name, port
    target = getattr(component, "target", None)
    if target is not None:
        yield "compares with", "target", target


def _typed(port: Port | Many) -> str:
    many, one = ("one or more ", port.port) if isinstance(port, Many) else ("", port)
    return f"{many}`{one}`{' (optional)' if port.is_optional else ''}"


def _wired(component: Any) -> dict[str, Schema]:
    """Gives the keys that wire a component: `in` where it reads something, `target` where it compares."""
    ports: Mapping[str, Port | Many] = getattr(component, "inputs", {})
    target = getattr(component, "target", None)
    wired: dict[str, Schema] = {}
    if ports:
        lines = "\n".join(f"- `{name}`: {_typed(port)}" for name, port in ports.items())
        text = f"What it reads: a node or `node.port`, a list of them, or a mapping from\n\n{lines}"
        wired["in"] = described(wiring(_by_port(ports)), text)
    if target is not None:
        wired["target"] = described(dict(REFERENCE), f"The field or input port that it compares with: {_typed(target)}")
    return wired


def _by_port(ports: Mapping[str, Port | Many]) -> Schema:
    properties = {name: _port(port) for name, port in ports.items()}
    required = [name for name, port in ports.items() if not port.is_optional]
    mapping: Schema = {"properties": properties, "additionalProperties": False}
    return mapping | ({"required": required} if required else {})


def _port(port: Port | Many) -> Schema:
    most = {} if isinstance(port, Many) else {"maxItems": 1}
    return described(REFERENCES | {"allOf": [_LISTED | most]}, _typed(port))
