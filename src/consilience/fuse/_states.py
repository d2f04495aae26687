"""What plugins keep with a saved model beside its weights: one JSON file, a part for each namespace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.errors import Diagnostic, RunError

if TYPE_CHECKING:
    from consilience.fuse._model import FusedModel

__all__ = ["restore_states", "states_of", "write_states"]

STATES = "plugins.json"


def states_of(model: FusedModel) -> dict[str, Any]:
    """Asks the plugins for what they keep; raises `RunError` where JSON cannot write it, or would give back another."""
    states = model.plan.call("consilience_state", model=model)
    for namespace, state in states.items():
        try:
            if not isinstance(state, Mapping):
                raise TypeError(f"a value of type {type(state).__name__}, and no mapping")
            json.dumps(state, allow_nan=False, ensure_ascii=False).encode("utf-8")
            _refuse_keys(state)
        except (TypeError, ValueError, RecursionError) as error:
            raise RunError(_no_json(namespace, error)) from error
    return states


def write_states(model: FusedModel, folder: Path) -> None:
    """Writes what the plugins keep; no file where none keeps anything."""
    states = states_of(model)
    path = folder / STATES
    path.unlink(missing_ok=True)  # that of a model that was saved here before
    if states:
        path.write_text(json.dumps(states, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def restore_states(model: FusedModel, folder: Path) -> None:
    """Hands back to each plugin what it kept; raises `RunError` for a file that cannot be read."""
    path = folder / STATES
    try:
        states = json.loads(path.read_text(encoding="utf-8"))
        kept = {str(namespace): state for namespace, state in states.items() if isinstance(state, dict)}
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise RunError(_unreadable(path, error)) from None
    for namespace in model.plan.namespaces:
        if namespace in kept:
            model.plan.registry.call("consilience_state_restored", [namespace], model=model, state=kept[namespace])


def _refuse_keys(value: Any, path: str = "") -> None:
    """Raises TypeError for a key that is no text: JSON would make one of it, and hand that back."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(value, dict) and not isinstance(key, str):
            where = f" in {path}" if path else ""
            raise TypeError(f"the key {key}{where}, of type {type(key).__name__}, and no text")
        if isinstance(item, dict | list | tuple):
            _refuse_keys(item, f"{path}.{key}" if path else str(key))


def _no_json(namespace: str, error: Exception) -> Diagnostic:
    found = f"the state of the plugin {namespace}: {' '.join(str(error).split())}"
    fix = f"# mend consilience_state in the plugin {namespace}: numbers, texts, lists and mappings alone"
    return Diagnostic("CN712", (), found, "a mapping that JSON can write", fix)


def _unreadable(path: Path, error: Exception) -> Diagnostic:
    fix = f"# take an undamaged copy of the model, or remove {path.name}: the plugins' own notes are lost then"
    return Diagnostic("CN701", (), f"{path}: {error}", "a JSON mapping of what the plugins keep", fix)
