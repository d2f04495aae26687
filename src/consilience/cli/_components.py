"""What `consilience components` does: lists what is offered, and tells all of one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from textwrap import indent, wrap
from typing import TYPE_CHECKING

import click

from consilience.cli._main import KINDS
from consilience.cli._plugins import at_plugin
from consilience.errors import DeclarationError, Diagnostic, nearest
from consilience.host import Offer, Registry, default_registry

if TYPE_CHECKING:
    from consilience.host._described import Described, Key

__all__ = ["list_components", "show_component"]

_WIDTH = 100


def list_components(kind: str | None, as_json: bool) -> None:
    """Lists every component of the plugins that load; the others are told, and exit with 1."""
    from consilience.host._described import describe

    registry = default_registry()
    with redirect_stdout(sys.stderr):
        faults = _faults(registry, registry.namespaces())
        found = [describe(offer) for offer in registry.components(kind)]
    click.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False) if as_json else _table(found))
    if faults:
        from consilience.cli._tell import tell

        tell(faults)
        click.get_current_context().exit(1)


def show_component(name: str, as_json: bool) -> None:
    """Tells all of one component."""
    from consilience.host._described import describe

    with redirect_stdout(sys.stderr):
        found = describe(_offer(default_registry(), name))
    click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False) if as_json else "\n".join(_page(found)))


def _faults(registry: Registry, namespaces: Iterable[str]) -> list[Diagnostic]:
    """Loads plugins, and gives what is wrong with them."""
    return [at_plugin(fault, namespace) for namespace in namespaces if (fault := registry.load(namespace))]


def _offer(registry: Registry, name: str) -> Offer:
    namespaces = [name.partition(".")[0]] if "." in name else registry.namespaces()
    faults = _faults(registry, namespaces)
    offer = registry.component(name)
    if offer is not None:
        return offer
    if faults and "." in name:
        raise DeclarationError(faults)
    names = [other.name for other in registry.components()]
    near = nearest(name, names) or next((other for other in names if other.partition(".")[2] == name), None)
    fix = f"consilience components {near}" if near else "consilience components  # lists them"
    raise DeclarationError(
        Diagnostic("CN201", ("components", name), f"the unknown component {name}", "a component that is offered", fix)
    )


def _table(found: list[Described]) -> str:
    lines = []
    for kind in dict.fromkeys(one.kind for one in sorted(found, key=lambda one: KINDS.index(one.kind))):
        chosen = [one for one in found if one.kind == kind]
        width = max(len(one.name) for one in chosen)
        lines += [f"{kind}", *(f"  {one.name.ljust(width)}  {_first(one.help)}" for one in chosen), ""]
    return "\n".join(lines).rstrip()


def _first(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."


def _page(found: Described) -> Iterator[str]:
    origin = f"{found.distribution} {found.version}".strip()
    yield f"{found.name}  ({found.kind}, from {origin}, {found.code})"
    yield ""
    for paragraph in found.help.split("\n\n"):
        yield from wrap(paragraph, _WIDTH)
        yield ""
    rows = {"reads": found.reads, "gives": found.gives, "target": {"": found.target} if found.target else {}}
    for word, ports in rows.items():
        if ports:
            yield f"{word}"
            width = max(map(len, ports))
            yield from (
                f"  {name.ljust(width)}  {port}".replace("    ", "  ", not name) for name, port in ports.items()
            )
            yield ""
    if found.keys:
        yield "keys"
        for key in found.keys:
            yield from _key(key)
        yield ""
    yield f"{found.section}:"
    yield f"  {found.example}"


def _key(key: Key) -> Iterator[str]:
    default = "required" if key.is_required else f"default {key.default}" if key.default else "may be left out"
    yield f"  {key.name}  {', '.join(filter(None, (key.type, key.range, default)))}"
    yield from (indent(line, "      ") for line in wrap(key.help, _WIDTH - 6))
