"""Resolves names to plugins: the hooks, discovery by entry points, and the registry."""

from consilience.host._discovery import STANDARD, consilience_version
from consilience.host._registry import Offer, PluginInfo, Registry, default_registry, register

__all__ = ["STANDARD", "Offer", "PluginInfo", "Registry", "consilience_version", "default_registry", "register"]
