"""Reads minimal pairs from JSON lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["BrokenPair", "read_pairs"]


class BrokenPair(ValueError):
    """A line holds no pair; its text says which and why."""


def read_pairs(path: Path, good: str, bad: str, paradigm: str) -> Iterator[dict[str, Any]]:
    """Gives the pairs of a file, gzipped or not; raises `BrokenPair`."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _pair(line, number, {"good": good, "bad": bad, "paradigm": paradigm})
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BrokenPair(str(error)) from error


def _pair(line: str, number: int, keys: dict[str, str]) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except json.JSONDecodeError as error:
        raise BrokenPair(f"line {number}: no JSON") from error
    lost = [key for key in keys.values() if not isinstance(read, dict) or not isinstance(read.get(key), str)]
    if lost:
        raise BrokenPair(f"line {number}: no text under {lost[0]}")
    row = {column: read[key] for column, key in keys.items()}
    return row | {
        "phenomenon": str(read.get("linguistics_term", "")),
        "field": str(read.get("field", "")),
        "pair": str(read.get("pairID", number)),
    }
