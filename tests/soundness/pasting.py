"""Pastes the fix of a diagnostic into a fusion's plain values, as docs/diagnostics.md says that it is pasted."""

from __future__ import annotations

import copy
from typing import Any

from consilience.declare._reader import read_text
from consilience.errors import ConsilienceError, Diagnostic, Part

__all__ = ["pasted"]

_COMMANDS = ("pip ", "hf ", "consilience ", "iconv ", "python ", "cd ", "datasets")
_REMOVE = "# remove the key "


def pasted(written: dict[str, Any], fault: Diagnostic) -> dict[str, Any] | None:
    """Gives the fusion with a fault's fix in it; None for a fix that asks for thought, a shell, or another place."""
    mended = copy.deepcopy(written)
    try:
        return mended if _paste(mended, fault) else None
    except (KeyError, IndexError, TypeError):  # what stands in the way is another fault's
        return None


def _paste(written: dict[str, Any], fault: Diagnostic) -> bool:
    path = list(fault.path)
    if fault.fix.startswith(_REMOVE):
        key = fault.fix.removeprefix(_REMOVE)
        holder = _at(written, path[:-1] if path and path[-1] == key else path)
        return isinstance(holder, dict) and holder.pop(key, holder) is not holder
    if fault.fix.startswith(("#", *_COMMANDS)):
        return False
    part, _, where = fault.fix.partition("  # under ")
    part = part.partition("  #")[0]
    found = _read(part)
    if len(found) != 1:
        return False
    [(key, value)] = found.items()
    if where:
        return _put(_at(written, where.split(".")), key, value)
    if value is None and part.rstrip().endswith(":"):
        return _rename(_at(written, path[:-1]), path[-1], key)
    if key in path:
        last = len(path) - 1 - path[::-1].index(key)
        return _put(_at(written, path[:last]), key, value)
    here = _at(written, path)
    if isinstance(here, dict) and fault.part is not Part.KEY:
        return _put(here, key, value)
    holder = _at(written, path[:-1])
    return _rename(holder, path[-1], key) and _put(holder, key, value)


def _read(text: str) -> dict[str, Any]:
    try:
        value = read_text(text).value
    except ConsilienceError:
        return {}
    return value if isinstance(value, dict) else {}


def _at(written: Any, path: list[Any]) -> Any:
    for part in path:
        written = written[part]
    return written


def _put(holder: Any, key: str, value: Any) -> bool:
    if not isinstance(holder, dict):
        return False
    holder[key] = value
    return True


def _rename(holder: Any, key: Any, other: str) -> bool:
    if not isinstance(holder, dict) or key not in holder:
        return False
    items = [(other if old == key else old, value) for old, value in holder.items()]
    holder.clear()
    holder.update(items)
    return True
