"""Tells of components and keys that go: a warning at the key of the file that uses them, with what to use instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from consilience.declare import Deprecation, paste
from consilience.errors import Part, Path, Severity
from consilience.host import Offer
from consilience.plan._resolved import Resolved

__all__ = ["tell_deprecated"]


def tell_deprecated(resolved: Resolved, offer: Offer, settings: Mapping[str, Any], path: Path) -> None:
    """Notes a warning (CN230) for a deprecated component that stands at a path, and for each deprecated key of it."""
    component = offer.component
    if component.deprecated:
        at = (*path, "use") if len(path) == 2 or settings else path  # `tune: lora` has no key `use`
        others = [other.name for other in resolved.registry.components(component.kind)]
        found, expected, fix = _told(offer.name, component.deprecated, offer, others, f"{at[-1]}: {{}}")
        resolved.fault("CN230", at, found, expected, fix, severity=Severity.WARNING)
    keys = {info.alias or key: info for key, info in component.model_fields.items()}
    for key, value in settings.items():
        message = keys[key].deprecation_message if key in keys else None
        if message and (*path, key) not in resolved.lost:
            found, expected, fix = _told(f"the key {key}", message, offer, keys, f"{{}}: {paste(value)}")
            resolved.fault("CN230", (*path, key), found, expected, fix, Part.KEY, severity=Severity.WARNING)


def _told(what: str, message: str, offer: Offer, known: Collection[str], pasted: str) -> tuple[str, str, str]:
    """Gives found, expected and fix; a plugin may write its message in a form of its own."""
    try:
        deprecation = Deprecation.parse(message)
    except ValueError:
        has_text = message != "deprecated"  # pydantic's word where a plugin gives none
        found = f"{what}, which is deprecated{f': {message}' if has_text else ''}"
        return found, f"what {offer.distribution} keeps", f"# {message if has_text else f'do without {what}'}"
    found = f"{what}, deprecated since {offer.distribution} {deprecation.since} and gone in {deprecation.until}"
    fix = pasted.replace("{}", deprecation.use, 1) if deprecation.use in known else f"# use {deprecation.use}"
    return found, deprecation.use, fix
