"""Resolves names to plugins: the hooks, discovery by entry points, and the registry."""

from consilience.host._discovery import PLUGIN_ERRORS, STANDARD, consilience_version, innermost
from consilience.host._registry import Offer, PluginInfo, Registry, default_registry, register

__all__ = [
    "PLUGIN_ERRORS",
    "STANDARD",
    "Offer",
    "PluginInfo",
    "Registry",
    "consilience_version",
    "default_registry",
    "innermost",
    "register",
]
