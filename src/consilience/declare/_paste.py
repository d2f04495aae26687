"""Writes values as a fusion file would, so that a fix can be pasted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from consilience.declare._scalars import plain_value

__all__ = ["paste"]

_PLAIN = re.compile(r"[^\W\d][\w./+@-]*(?:[ :][\w./+@-]+)*|[./~][\w./+@-]*")


def paste(value: object) -> str:
    """Writes a value in YAML's flow style on one line, text without quotes where it can stand so."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{paste(str(key))}: {paste(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(paste(item) for item in value) + "]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and _is_text(value) else json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return paste(str(value))


def _is_text(value: str) -> bool:
    try:
        return plain_value(value) == value
    except ValueError:
        return False
