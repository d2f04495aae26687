"""Reads the literals that can be features: numbers, dates as years with a fraction, and what is true or false."""

from __future__ import annotations

import math
import re

__all__ = ["value_of"]

_XSD = "http://www.w3.org/2001/XMLSchema#"
_INTEGERS = ("integer", "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger", "negativeInteger")
_NUMBERS = frozenset(_XSD + name for name in (*_INTEGERS, "decimal", "double", "float"))
_DATES = frozenset(_XSD + name for name in ("date", "dateTime", "dateTimeStamp", "gYear", "gYearMonth"))
_BOOLEAN = _XSD + "boolean"
_TRUTHS = {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}
_DATE = re.compile(r"(-?\d{4,9})(?:-(\d\d)(?:-(\d\d)(?:T.*)?)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_LONGEST = 40
"""The most characters of a literal that is read: none is written out as a number of gigabytes."""


def value_of(text: str, datatype: str) -> float | None:
    """Gives the number that a literal stands for, or None where it stands for none, or for one without end.

    A date is its year with a fraction: 1941-07-01 is 1941.5. True is 1, and false 0.
    """
    if len(text) > _LONGEST:
        return None
    if datatype == _BOOLEAN:
        return _TRUTHS.get(text.strip())
    if datatype in _DATES:
        return _years(text.strip())
    if datatype not in _NUMBERS:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _years(text: str) -> float | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return year + (month - 1) / 12 + (day - 1) / 372
