"""The plain scalars of YAML 1.2's core schema: what a value without quotes stands for."""

from __future__ import annotations

import re
import sys

__all__ = ["WORDS", "plain_value"]

LONGEST_NUMBER = 4300

WORDS = {"": None, "~": None} | {
    spelling: value
    for word, value in {"null": None, "true": True, "false": False}.items()
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"([-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?))(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def plain_value(text: str) -> str | int | float | bool | None:
    """Resolves a plain scalar by the core schema of YAML 1.2; a number that is not finite raises ValueError."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(text)
    match = _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text)
    if match is None:
        return text
    if len(text) > LONGEST_NUMBER:  # int() would raise, or take quadratic time
        raise ValueError(text)
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    number = int(text, base) if match.re is _INTEGER else float(text)
    if abs(number) > sys.float_info.max or (number == 0 and base == 10 and match[match.lastindex or 0].strip("-+.0")):
        raise ValueError(text)
    return number
