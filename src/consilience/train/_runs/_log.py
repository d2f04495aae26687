"""Reads the log of a run, whatever stopped the process that wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["LOG", "logged"]

LOG = "log.jsonl"


def logged(run: Path) -> Iterator[Mapping[str, Any]]:
    """Gives the lines of a run's log; the last one of a run that was killed may not be whole."""
    log = run / LOG
    if not log.is_file():
        return
    for text in log.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            yield line
