"""Makes components of the names and settings in a fusion, and tells what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from consilience.declare import (
    SECTIONS,
    Component,
    Fault,
    UnknownDimError,
    Use,
    salvage,
)
from consilience.errors import Diagnostic, Path, is_slip, nearest, with_article
from consilience.host import PLUGIN_ERRORS, Offer, failure, unknown_dim
from consilience.plan._deprecated import tell_deprecated
from consilience.plan._names import namespace_of
from consilience.plan._resolved import Resolved
from consilience.plan._stand_ins import Ask, with_stand_in

__all__ = ["declaration_of", "declare", "offer_of", "tell_own_faults"]


def declare(resolved: Resolved, written: Mapping[str, Any], kind: str, path: Path) -> Component | None:
    """Makes the component that a key such as `tune:` declares, or notes what is wrong with it."""
    offer = offer_of(resolved, written["use"], kind, str(path[-1]), path)
    settings = {key: value for key, value in written.items() if key != "use"}
    return declaration_of(resolved, offer, settings, path) if offer else None


def offer_of(resolved: Resolved, name: str, kind: str, key: str, path: Path) -> Offer | None:
    """Finds the component of a name, or the one that a slip of the pen most likely meant; notes what is wrong."""
    offer = resolved.registry.component(name)
    if offer is None:
        if resolved.registry.load(namespace_of(name)) is None:
            return _unknown_component(resolved, name, kind, key, path)
        return None
    if offer.component.kind != kind:
        names = [found.name for found in resolved.offers(kind)]
        near = nearest(name, names)
        found = f"{name}, which is {with_article(offer.component.kind)}"
        fix = f"{key}: {near}" if near else _elsewhere(offer, kind, key, path)
        resolved.fault("CN209", path, found, _one_of(kind, names), fix)
        return None
    return offer


def _elsewhere(offer: Offer, kind: str, key: str, path: Path) -> str:
    """Says where a node belongs whose component is of another kind than its section."""
    own = next((name for name, other in SECTIONS.items() if other.kind == offer.component.kind), None)
    if own is None or key != "use" or len(path) != 3:
        return f"# name under {key} {with_article(kind)}"
    return f"# move {path[1]} under {own}"


def declaration_of(resolved: Resolved, offer: Offer, settings: Mapping[str, Any], path: Path) -> Component | None:
    """Makes the component with its settings, without those that are at fault, or notes why that cannot be."""

    def validate(left: dict[str, Any]) -> Component:
        text = json.dumps(left, default=lambda value: value.name if isinstance(value, Use) else str(value))
        return offer.component.model_validate_json(text, strict=True, context={"base": resolved.fusion.base})

    try:
        salvaged = salvage(offer.component, settings, validate, path)
    except (TypeError, ValueError, RecursionError):  # what Python can say and a file cannot
        expected, fix = "keys and values that a file can hold", f"use: {offer.name}"
        resolved.fault("CN122", path, "a value that is no text, number, list or mapping", expected, fix)
        return None
    except PLUGIN_ERRORS as error:
        _tell_failure(resolved, offer.distribution, offer.component, path, error)
        return None
    if salvaged.faults:
        resolved.faults.extend(_naming_nodes(resolved, offer.component, fault, path) for fault in salvaged.faults)
        resolved.lost.update(salvaged.lost)
        resolved.salvaged.add(str(path[1]))
    tell_deprecated(resolved, offer, settings, path)
    if salvaged.model is not None and not offer.component.uses():
        tell_own_faults(resolved, salvaged.model, offer.name, path)
    return salvaged.model


def _naming_nodes(resolved: Resolved, component: type[Component], fault: Diagnostic, path: Path) -> Diagnostic:
    """Puts into the fix of a key that names a node one that the file declares."""
    for key, wanted in component.uses().items():
        if fault.path == (*path, key) or (fault.path == path and fault.found == f"no key {key}"):
            names = list(resolved.declared(wanted))
            word = with_article(wanted.component or wanted.kind)
            return replace(fault, fix=f"{key}: {names[0]}" if names else f"# declare {word}, and name it under {key}")
    return fault


def _own_faults(declaration: Component) -> Iterable[Fault]:
    return declaration.faults()


def tell_own_faults(
    resolved: Resolved,
    declaration: Component,
    name: str,
    path: Path,
    ask: Ask = _own_faults,
) -> None:
    """Notes what a component finds wrong with its own settings, once it knows the nodes that they name.

    `ask` is what it is asked by: its method `faults` when left out.
    """
    try:
        faults = [
            told
            for fault in ask(declaration)
            if (told := with_stand_in(resolved, declaration, fault, ask).at(*path)).path not in resolved.lost
        ]
    except PLUGIN_ERRORS as error:
        offer = resolved.registry.component(name)
        _tell_failure(resolved, offer.distribution if offer else name, type(declaration), path, error)
    else:
        resolved.faults.extend(faults)


def _tell_failure(
    resolved: Resolved, distribution: str, component: type[Component], path: Path, error: BaseException
) -> None:
    if isinstance(error, UnknownDimError):
        asked = f"asks for {error.name} of {component.component}"
        resolved.faults.append(unknown_dim(distribution, asked, error, path))
        return
    found = failure(distribution, "check", component.component, error)
    fix = f"# mend {distribution}, or upgrade it"
    resolved.fault("CN207", path, found, "a component that can be checked", fix)


def _one_of(kind: str, names: Iterable[str]) -> str:
    return f"{with_article(kind)}: {', '.join(names) or 'none is installed'}"


def _unknown_component(resolved: Resolved, name: str, kind: str, key: str, path: Path) -> Offer | None:
    names = [offer.name for offer in resolved.offers(kind)]
    if "." in name:
        namespace = name.partition(".")[0] + "."
        names = [other for other in names if other.startswith(namespace)] or names
    near = nearest(name, names)
    expected = _one_of(kind, names)
    fix = f"{key}: {near}" if near else "consilience plugins  # lists what is installed"
    resolved.fault("CN201", path, f"the unknown {kind} {name}", expected, fix)
    if not near or not is_slip(name, near):
        return None
    if key == "use":
        resolved.guessed.add(str(path[1]))
    return resolved.registry.component(near)
