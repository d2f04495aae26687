"""Checks a saved fusion against the plugins that it was saved with: missing ones, other versions, another plan."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consilience.declare import Fusion, show
from consilience.errors import ConsilienceWarning, DeclarationError, Diagnostic, RunError, Severity
from consilience.host import STANDARD, Registry, default_registry
from consilience.plan import Plan, Purpose, check

__all__ = ["PLAN", "RECORD", "check_as_saved"]

PLAN, RECORD = "plan.json", "record.json"
_SAME = ("component", "settings", "in", "dims", "share", "tune")
"""What of a node decides what its weights mean; its labels are compared by themselves (CN711)."""

_OF_FILES = ("CN5", "CN6")


@dataclass(frozen=True)
class _Made:
    """A distribution, as the record has it or as it is installed; without a version, a plugin of a script."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}" if self.version else "a plugin that a script registered"

    def fix(self, namespace: str) -> str:
        if self.version:
            return f"pip install {self.distribution}=={self.version}"
        return f'consilience.register(plugin, "{namespace}")  # before the model is loaded'


def check_as_saved(
    fusion: Fusion, folder: Path, registry: Registry | None = None, purpose: Purpose = Purpose.LEARN
) -> Plan:
    """Checks the fusion of a saved model or run with the plugins that are here now.

    Raises `RunError` where one is missing (CN720), or is of another version with which the fusion, or its plan, is
    not what it was (CN722); another version that leaves the plan as it was is a warning (CN721). Raises
    `DeclarationError` for faults that are no plugin's.
    """
    registry = registry or default_registry()
    made = _made_with(folder / RECORD)
    try:
        plan = check(fusion, registry, purpose)
    except DeclarationError as error:
        faults = _with_versions(error.diagnostics, fusion, made, registry)
        if faults != error.diagnostics:
            raise RunError(faults) from None
        raise
    others = {
        name: was for name, was in made.items() if name in (STANDARD, *plan.namespaces) and _other(registry, name, was)
    }
    if not others:
        return plan
    differing = [
        _differing((plan.nodes[name].section, name), what, others, registry)
        for name, what in _differences(plan, folder)
    ]
    if differing:
        raise RunError(plan.fusion.locate(differing))
    told = tuple(_another(name, was, registry) for name, was in others.items() if name != STANDARD)
    for diagnostic in told:
        warnings.warn(ConsilienceWarning(diagnostic), stacklevel=2)
    return replace(plan, warnings=(*plan.warnings, *told))


def _made_with(record: Path) -> dict[str, _Made]:
    """Reads the plugins of a record, by namespace; a model from elsewhere may have none."""
    if not record.is_file():
        return {}
    try:
        plugins = json.loads(record.read_text(encoding="utf-8")).get("plugins", {})
        return {name: _Made(str(told["distribution"]), str(told["version"])) for name, told in plugins.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fix = "# take an undamaged copy of the model, or train again"
        raise RunError(Diagnostic("CN704", (), f"{record}: {error!r}", "a readable record", fix)) from None


def _here(registry: Registry, namespace: str) -> _Made:
    info = registry.installed(namespace)
    return _Made(info.distribution, info.version)


def _other(registry: Registry, namespace: str, was: _Made) -> bool:
    return bool(was.version) and _here(registry, namespace) != was


def _with_versions(
    faults: tuple[Diagnostic, ...], fusion: Fusion, made: Mapping[str, _Made], registry: Registry
) -> tuple[Diagnostic, ...]:
    """Says of faults that another version, or none, of a plugin explains which one the model was saved with."""
    written, installed = fusion.to_dict(), registry.namespaces()
    others = {name: was for name, was in made.items() if name in installed and _other(registry, name, was)}
    told = []
    for fault in faults:
        namespace = _namespace(written, fault)
        if fault.code == "CN202" and namespace in made:
            was = made[namespace]
            found = f"the plugin {namespace}, which is not installed; the model was saved with {was}"
            told.append(replace(fault, code="CN720", found=found, expected=str(was), fix=was.fix(namespace)))
        elif others and _may_be_of_a_version(fault, namespace, registry):
            concerned = {namespace: others[namespace]} if namespace in others else others
            told.append(_differing(fault.path, f"{fault.found} ({fault.code})", concerned, registry, fault))
        else:
            told.append(fault)
    return tuple(told)


def _may_be_of_a_version(fault: Diagnostic, namespace: str, registry: Registry) -> bool:
    """Tells whether another version may explain a fault: not one of files, nor of a plugin that is broken."""
    if fault.severity is not Severity.ERROR or fault.code.startswith(_OF_FILES):
        return False
    return fault.code != "CN202" and not (namespace in registry.namespaces() and registry.load(namespace))


def _namespace(written: Mapping[str, Any], fault: Diagnostic) -> str:
    """Gives the namespace that a missing plugin's own place names; of another fault, that of the node it is of."""
    value: Any = written
    names = [""]
    for part in fault.path:
        value = value.get(part) if isinstance(value, Mapping) else None
        names += [value["use"]] if isinstance(value, Mapping) and "use" in value else []
    names += [value] if fault.code == "CN202" and isinstance(value, str) else []
    return str(names[-1]).partition(".")[0]


def _differences(plan: Plan, folder: Path) -> Iterator[tuple[str, str]]:
    """Tells what of the plan's nodes is not as it was, one difference a node."""
    try:
        kept = {node["name"]: node for node in json.loads((folder / PLAN).read_text(encoding="utf-8"))["nodes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return  # without the plan of then there is nothing to compare with
    for node in json.loads(plan.to_json())["nodes"]:
        was = kept.get(node["name"], node)
        key = next((key for key in _SAME if node.get(key) != was.get(key)), None)
        if key is not None:
            yield node["name"], _difference(key, was.get(key), node.get(key))


def _difference(what: str, was: Any, now: Any) -> str:
    """Says what of a node differs: of a mapping, the first key that does."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in sorted({*was, *now}):
            if key not in now:
                return f"{what} without {key}, which was {show(was[key])}"
            if key not in was:
                return f"{what} with {key} {show(now[key])}, which was not there"
            if was[key] != now[key]:
                return f"{what} with {key} {show(now[key])}, which was {show(was[key])}"
    return f"{what} {show(now)}, which was {show(was)}"


def _differing(
    path: tuple[str | int, ...],
    what: str,
    others: Mapping[str, _Made],
    registry: Registry,
    fault: Diagnostic | None = None,
) -> Diagnostic:
    now = " and ".join(str(_here(registry, name)) for name in others)
    was = " and ".join(map(str, others.values()))
    found = f"{what}, with {now}; the model was saved with {was}"
    fix = " ".join(["pip install", *(f"{one.distribution}=={one.version}" for one in others.values())])
    made = Diagnostic("CN722", path, found, "the plan that the weights were trained in", fix)
    return replace(made, place=fault.place, part=fault.part) if fault else made


def _another(namespace: str, was: _Made, registry: Registry) -> Diagnostic:
    found = f"{_here(registry, namespace)}, where the model was saved with {was}; the plan is the same"
    return Diagnostic("CN721", (), found, str(was), was.fix(namespace), severity=Severity.WARNING)
