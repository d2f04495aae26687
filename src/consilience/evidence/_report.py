"""Reports: what was measured of one run on one split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["AnswerReport", "Report"]


@dataclass(frozen=True)
class AnswerReport:
    """What was measured of one answer, over `count` examples (for labels of words: words) that have the target."""

    answer: str
    field: str
    kind: str
    count: int
    measured: Mapping[str, Any]
    """scikit-learn's classification report as a mapping, or r and errors by the name of each number."""
    text: str
    """The same as a table."""


@dataclass(frozen=True)
class Report:
    """What was measured of one run on one split."""

    name: str
    run: str
    split: str
    rows: int
    seed: int
    metrics: Mapping[str, Any]
    """Numbers by metric; a value a class by label; a confusion as `{"labels": [...], "matrix": [[...], ...]}`."""
    answers: Mapping[str, AnswerReport]
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What plugins measured, by namespace."""
    notes: tuple[str, ...] = ()
    """What could not be measured, and why."""
    seconds: float = 0.0
    device: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Gives the report as JSON holds it: a number that is none becomes null."""
        written: dict[str, Any] = _plain(asdict(self))
        return written

    def to_text(self) -> str:
        """Writes the report for people."""
        from consilience.evidence._text import report_text

        return report_text(self)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)
