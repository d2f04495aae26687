"""What the installed plugins offer, by kind."""

from __future__ import annotations

from inspect import cleandoc

from consilience.host import STANDARD, Offer, default_registry

__all__ = ["home", "of_kind", "offers", "says", "summary"]

_KINDS = ("consilience.declare._component", "consilience.declare._kinds")
"""Where the docstrings of whole kinds stand."""


def offers(kind: str | None = None) -> list[Offer]:
    """Lists the components of the installed plugins; raises `RuntimeError` when a plugin is at fault."""
    registry = default_registry()
    broken = [str(plugin.fault) for plugin in registry.plugins() if plugin.fault]
    if broken:
        raise RuntimeError("\n".join(broken))
    return registry.components(kind)


def home(offer: Offer) -> str:
    """Gives the name of a component's page: standard ones stand under `standard`."""
    folder, _, name = offer.name.rpartition(".")
    return f"components/{folder or STANDARD}/{name}"


def says(offer: Offer) -> str:
    """Gives the docstring of a component; that of a base in the same plugin where it has none."""
    own = (base.__doc__ for base in offer.component.__mro__ if base.__module__ not in _KINDS)
    return cleandoc(next(filter(None, own), ""))


def summary(offer: Offer) -> str:
    """Gives the first sentence of a component's docstring."""
    return " ".join(says(offer).partition("\n\n")[0].split())


def of_kind(kind: str) -> str:
    """Writes the list of the installed components of a kind, to stand at the end of the kind's page."""
    found = offers(kind)
    if not found:
        return ""
    rows = [f"| [`{offer.name}`](../{home(offer)}.md) | {summary(offer)} |" for offer in found]
    return "\n".join(["", "## Those that are installed", "", "| component | |", "|---|---|", *rows, ""])
