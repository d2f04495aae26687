"""Looks over the hooks of a plugin."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

import pluggy

from consilience.errors import DeclarationError, Diagnostic, nearest
from consilience.host import _hookspecs

__all__ = ["hook_names", "listed", "misspelt", "unmarked"]


def hook_names() -> list[str]:
    """Lists the names of all hooks, in the order in which they are documented."""
    return [name for name in vars(_hookspecs) if name.startswith("consilience_")]


def unmarked(plugin: object, distribution: str) -> Diagnostic | None:
    """Tells of what pluggy passes over in silence: a class in place of its instance, a hook that nothing marks."""
    if isinstance(plugin, type):
        found = f"{distribution} is the class {plugin.__qualname__}"
        fix = f"register({plugin.__qualname__}(), ...)  # register an instance"
        return Diagnostic("CN205", (), found, "an instance, or a module, with the hooks", fix)
    for name in hook_names():
        hook = getattr(plugin, name, None)
        if callable(hook) and not hasattr(hook, "consilience_impl"):
            found = f"{distribution} has a function {name} that nothing marks as a hook: @hookimpl is missing"
            fix = f"@hookimpl  # from consilience.declare, on the line above def {name}("
            return Diagnostic("CN205", (), found, "@hookimpl above each hook", fix)
    return None


def misspelt(error: pluggy.PluginValidationError, plugin: object, distribution: str) -> Diagnostic:
    """Tells of a hook that pluggy refuses: one of no such name, or with arguments that it is not given."""
    hooks = hook_names()
    marked = [name for name in dir(plugin) if hasattr(getattr(plugin, name, None), "consilience_impl")]
    wrong = next((name for name in marked if name not in hooks), None)
    if wrong is None:
        found = f"{distribution}: {str(error).strip().splitlines()[-1].strip()}"
        return Diagnostic("CN205", (), found, "hooks with the arguments that they are given", _signatures())
    near = nearest(wrong, hooks) or hooks[0]
    found = f"{distribution} implements {wrong}, which is no hook"
    return Diagnostic("CN205", (), found, f"one of {', '.join(hooks)}", f"def {near}(")


def listed(hook: str, implementation: Any, distribution: str) -> Sequence[Any]:
    """Calls one implementation of a hook that offers things; raises `DeclarationError` where it gives no list."""
    given: object = implementation.function()
    if isinstance(given, list | tuple):
        return given
    name = given.__qualname__ if isinstance(given, type) else ""
    shown = name or ("nothing" if given is None else f"a value of type {type(given).__qualname__}")
    fix = f"# mend {distribution}: return [{name or '...'}]"
    found = f"{distribution} gives {shown} from {hook}"
    raise DeclarationError(Diagnostic("CN207", (), found, "hooks that return lists", fix))


def _signatures() -> str:
    hooks = [getattr(_hookspecs, name) for name in hook_names()]
    return "# " + ", ".join(f"{hook.__name__}({', '.join(signature(hook).parameters)})" for hook in hooks)
