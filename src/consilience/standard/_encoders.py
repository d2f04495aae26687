"""Finds the pretrained encoder behind a declared module, for the tuners that must know its family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consilience.declare import Checkpoint, Module, Use
from consilience.standard._families import Family, family_of

__all__ = ["family_behind"]


def family_behind(module: Module) -> tuple[Mapping[str, Any], Family | None]:
    """Gives the config.json of the checkpoint that a module runs, and its family; nothing where there is none.

    Raises `DeclarationError` where the config.json cannot be read, and `Unsolved` before the names are resolved.
    """
    for key, kind in type(module).uses().items():
        use = getattr(module, key)
        if issubclass(kind, Checkpoint) and isinstance(use, Use):
            config = use.declared.config()
            family = family_of(config)
            return config, None if family is None or family.fault(config) else family
    return {}, None
