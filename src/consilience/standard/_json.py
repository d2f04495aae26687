"""Reads the JSON files of a checkpoint, none of them further than a bound: they may come from anywhere."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

__all__ = ["MOST_BYTES", "parse_json", "read_json"]

MOST_BYTES = 16 * 2**20
"""The most bytes that are read; an index or a header of models with thousands of tensors has one or two million."""


def read_json(file: Path) -> Any:
    """Reads a UTF-8 file; raises OSError, or ValueError when it is too large, no file of its own, or no JSON."""
    if stat.S_ISFIFO(file.stat().st_mode):  # it might never end
        raise ValueError("no regular file")
    with file.open("rb") as stream:
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return parse_json(raw)


def parse_json(raw: bytes) -> Any:
    """Parses JSON in UTF-8; raises ValueError, for what is nested too deep as well."""
    try:
        return json.loads(raw.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(str(error)) from None
