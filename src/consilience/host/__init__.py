"""Resolves names to plugins: the hooks, discovery by entry points, and the registry.

The JSON Schema is written by a part that is imported when it is asked for, so that a check does not wait for it.
"""

from typing import TYPE_CHECKING, Any

from consilience.host._disabled import DISABLE, disabled_names, safe_mode
from consilience.host._discovery import (
    GROUP,
    HEAVY,
    PLUGIN_ERRORS,
    STANDARD,
    claims,
    consilience_version,
)
from consilience.host._failures import failure, innermost, unknown_dim
from consilience.host._registry import Offer, PluginInfo, Registry, default_registry, register

if TYPE_CHECKING:
    from consilience.host._schema import schema

__all__ = [
    "DISABLE",
    "GROUP",
    "HEAVY",
    "PLUGIN_ERRORS",
    "STANDARD",
    "Offer",
    "PluginInfo",
    "Registry",
    "claims",
    "consilience_version",
    "default_registry",
    "disabled_names",
    "failure",
    "innermost",
    "register",
    "safe_mode",
    "schema",
    "unknown_dim",
]


def __getattr__(name: str) -> Any:
    if name != "schema":
        raise AttributeError(f"module 'consilience.host' has no attribute {name!r}")
    from consilience.host._schema import schema

    return schema
