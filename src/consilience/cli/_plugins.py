"""What `consilience plugins` does: lists the installed plugins, and tells every problem of theirs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import click

from consilience.cli._tell import tell
from consilience.errors import Diagnostic, Severity
from consilience.host import PluginInfo, Registry, default_registry

__all__ = ["at_plugin", "doctor", "list_plugins"]


def list_plugins(as_json: bool) -> None:
    """Lists the installed plugins; exits with 1 when one is at fault."""
    with redirect_stdout(sys.stderr):
        registry = default_registry()
        found = registry.plugins()
    click.echo(json.dumps([_written(registry, info) for info in found], indent=2) if as_json else _listing(found))
    _end([at_plugin(info.fault, info.namespace) for info in found if info.fault and not info.is_disabled])


def doctor(as_json: bool) -> None:
    """Examines each plugin in a process of its own, and tells all that is wrong; exits with 1 when something is."""
    from consilience.cli._examined import examined, of_the_environment

    registry = default_registry()
    found = examined(registry)
    told = [at_plugin(fault, one.info.namespace) for one in found for fault in one.faults]
    told = [*of_the_environment(registry), *told]
    if as_json:
        click.echo(json.dumps([one.to_dict() for one in found], indent=2, ensure_ascii=False))
    else:
        rows = [(one.info.namespace, one.info.distribution, one.info.version, one.verdict) for one in found]
        click.echo(_table(("namespace", "distribution", "version", "found"), rows))
    _end(told)


def at_plugin(fault: Diagnostic, namespace: str) -> Diagnostic:
    """Gives the fault of a plugin the place that it has outside any file."""
    return replace(fault, path=("plugins", namespace))


def _end(faults: Sequence[Diagnostic]) -> None:
    if faults:
        tell(faults)
    if any(fault.severity is Severity.ERROR for fault in faults):
        click.get_current_context().exit(1)


def _written(registry: Registry, info: PluginInfo) -> dict[str, Any]:
    offers = [offer for name in info.components if (offer := registry.component(name)) is not None]
    return {
        "namespace": info.namespace,
        "distribution": info.distribution,
        "version": info.version,
        "requires": info.requires,
        "is_disabled": info.is_disabled,
        "components": [
            {
                "name": offer.name,
                "kind": offer.component.kind,
                "code": f"{offer.component.__module__}:{offer.component.__qualname__}",
            }
            for offer in offers
        ],
        "label_spaces": list(info.label_spaces),
        "fault": str(info.fault) if info.fault else None,
    }


def _listing(found: Iterable[PluginInfo]) -> str:
    header = ("namespace", "distribution", "version", "made for", "components")
    return _table(header, [_row(info) for info in found])


def _row(info: PluginInfo) -> tuple[str, ...]:
    names = ", ".join(name.removeprefix(f"{info.namespace}.") for name in info.components)
    offered = "(off)" if info.is_disabled else f"({info.fault.code})" if info.fault else names
    return info.namespace, info.distribution, info.version, info.requires, offered


def _table(header: tuple[str, ...], found: Iterable[tuple[str, ...]]) -> str:
    rows = [header, *found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )
