"""Writes a page for each installed component, from its declaration: ports, keys, and a node of it in a tested page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from docs.builder._examples import Example, examples
from docs.builder._navigation import KINDS, toctree
from docs.builder._offers import home, offers, says, summary

from consilience.declare import SECTIONS, LabelSpace, Many, Port
from consilience.host import STANDARD, Offer, default_registry, schema

__all__ = ["pages"]

_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "{} or more",
}
_TYPES = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "`true` or `false`",
    "array": "list",
    "object": "mapping",
    "null": "nothing",
}
_ELSEWHERE = {"use", "in", "target", "tune"}
"""Keys of a node whose table would say no more than the ports do, or than the file's own page."""


def pages() -> dict[str, str]:
    """Gives the pages of the components, of the label spaces, and the list of both, by name."""
    definitions, found = schema()["definitions"], examples()
    written = {home(offer): _page(offer, definitions, found.get(offer.name)) for offer in offers()}
    spaces = default_registry().label_spaces()
    return {"components/index": _index(), "components/label-spaces": _label_spaces(spaces), **written}


def _index() -> str:
    lines = [
        "# Components",
        "",
        "What is installed here, by kind, as each declares it: the standard components and those of the four",
        "disciplines. `consilience plugins` lists what is installed where you are. The [label spaces](label-spaces.md)",
        "that fields can name stand on a page of their own.",
    ]
    for kind in KINDS:
        lines += [
            "",
            f"## {_plural(kind).capitalize()}",
            "",
            f"See [what {_a(kind).lower()} {kind} promises](../kinds/{kind}.md).",
            "",
        ]
        lines += ["| component | |", "|---|---|"]
        lines += [f"| [`{offer.name}`](../{home(offer)}.md) | {summary(offer)} |" for offer in offers(kind)]
    return "\n".join(lines) + "\n" + toctree([*map(home, offers()), "components/label-spaces"])


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def _page(offer: Offer, definitions: Mapping[str, Any], example: Example | None) -> str:
    kind = offer.component.kind
    link, namespace = f"[{kind}](../../kinds/{kind}.md)", offer.namespace
    whose = f"{_a(kind)} {link} of [{namespace}](../../disciplines/{namespace}.md)"
    whose = f"A standard {link}" if namespace == STANDARD else whose
    lines = [
        f"# `{offer.name}`",
        "",
        f"{whose}, in {offer.distribution} {offer.version}; declared by",
        f"`{offer.component.__module__}.{offer.component.__qualname__}`.",
        "",
        says(offer),
        *_ports(offer.component),
        *_keys(definitions[f"{kind}.{offer.name}"], kind),
        *_example(offer, example),
    ]
    return "\n".join(lines) + "\n"


def _a(noun: str) -> str:
    return "An" if noun[0] in "aeiou" else "A"


def _ports(component: Any) -> Iterator[str]:
    rows = list(_rows(component))
    if rows:
        yield from ("", "## Ports", "", "| | port | type |", "|---|---|---|", *rows)
        yield from ("", "[What these types mean](../../concepts.md#the-types-of-ports).")
    if getattr(component, "static", ()):
        yield from ("", f"Sizes that are known before it is built: {_listed(component.static)}.")


def _rows(component: Any) -> Iterator[str]:
    for word, attribute in (("reads", "inputs"), ("gives", "outputs")):
        for name, port in getattr(component, attribute, {}).items():
            yield f"| {word} | `{name}` | `{_type(port)}` |"
    if getattr(component, "target", None) is not None:
        yield f"| compares with | `target` | `{_type(component.target)}` |"
    if component.kind == "loss":
        yield f"| gives | `value` | `{_type(component.value)}` |"


def _type(port: Port | Many) -> str:
    """Writes a port's type as its declaration does."""
    if isinstance(port, Many):
        each = f", each=({', '.join(map(repr, port.each))},)".replace("'", '"') if port.each else ""
        return f"Many({_type(port.port)}{each})"
    text = f'{port.dtype}["{" ".join(map(str, port.dims))}"]'
    text += f'.below("{port.bound}")' if port.bound else ""
    if port.range is not None:
        text += ".logits()" if port.range.is_logits else f".within({port.range.low:g}, {port.range.high:g})"
    return f"{text} \\| None" if port.is_optional else text


def _keys(written: Mapping[str, Any], kind: str) -> Iterator[str]:
    keys = {key: value for key, value in written["properties"].items() if key not in _ELSEWHERE}
    if not keys:
        yield from ("", "## Keys", "", "None of its own.")
        return
    yield from ("", "## Keys", "", "| key | value | when left out | |", "|---|---|---|---|")
    for key, value in keys.items():
        default = _default(value, is_required=key in written["required"])
        yield f"| `{key}` | {_value(value)} | {default} | {_cell(value.get('description', ''))} |"
    section = next((section for section, base in SECTIONS.items() if base.kind == kind), "")
    if section:
        yield from ("", f"[All that a node of `{section}` can say](../../fusion-file.md#{section}).")


def _default(value: Mapping[str, Any], *, is_required: bool) -> str:
    if is_required:
        return "required"
    return f"`{_yaml(value['default'])}`" if "default" in value else ""


def _value(value: Mapping[str, Any]) -> str:
    """Says in words which values a key takes."""
    if "const" in value:
        return f"`{_yaml(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{_yaml(one)}`" for one in value["enum"] if one is not None)
    if "anyOf" in value:
        return " or ".join(_value(one) for one in value["anyOf"] if one.get("type") != "null")
    words = [value["type"]] if isinstance(value.get("type"), str) else value.get("type", ["value"])
    text = " or ".join(_TYPES.get(word, word) for word in words if word != "null")
    limits = [said.format(f"{value[word]:,g}") for word, said in _LIMITS.items() if word in value]
    items = f" of {_value(value['items'])}" if value.get("items") else ""
    return ", ".join([text + items, *limits])


def _example(offer: Offer, example: Example | None) -> Iterator[str]:
    if example is None:
        return
    where = os.path.relpath(f"{example.page}.md", Path(home(offer)).parent)
    text = yaml.dump(example.node, sort_keys=False, default_flow_style=None, width=100, allow_unicode=True)
    yield from ("", "## Example", "", "```yaml", text.rstrip(), "```", "", f"From [{example.title}]({where}).")


def _label_spaces(names: Iterable[str]) -> str:
    lines = ["# Label spaces", "", "The ordered names that a field, or a dim of classes, can have by one word."]
    for name in names:
        space = default_registry().label_space(name)
        assert space is not None
        lines += ["", f"## `{name}`", "", *_labels(space)]
    return "\n".join(lines) + "\n"


def _labels(space: LabelSpace) -> Iterator[str]:
    yield f"{len(space)} labels, in this order: {_listed(space.labels)}."
    if space.maps:
        yield from ("", f"Data labelled in {_listed(list(space.maps))} can fill a field of it.")
    aliases = [f"{_listed(names)} for `{label}`" for label, names in space.aliases.items()]
    if aliases:
        yield from ("", f"Other names: {'; '.join(aliases)}.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _yaml(value: Any) -> str:
    return yaml.dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")
