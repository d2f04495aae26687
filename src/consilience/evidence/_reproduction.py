"""What came of running a run again: where the two differ, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from consilience.evidence._text import table

__all__ = ["Change", "Compared", "Reproduction", "Verdict"]


class Verdict(StrEnum):
    """How two values, or two series of them, compare."""

    IDENTICAL = "identical"
    WITHIN = "within tolerance"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Change:
    """Something of the environment that is not as it was."""

    what: str
    was: str
    now: str


@dataclass(frozen=True)
class Compared:
    """A series of the log, or the weights of a node, beside that of the first run."""

    name: str
    verdict: Verdict
    difference: float
    """The largest absolute difference; infinite where one has no value."""
    values: int
    """How many were compared."""
    step: int | None = None
    """Where a series differs most."""


@dataclass(frozen=True)
class Reproduction:
    """A run, the run that was to be the same, and how they compare."""

    run: str
    again: str
    tolerance: float
    environment: tuple[Change, ...]
    series: tuple[Compared, ...]
    weights: tuple[Compared, ...]

    @property
    def is_reproduced(self) -> bool:
        """Whether nothing differs by more than the tolerance."""
        return all(one.verdict is not Verdict.DIFFERENT for one in (*self.series, *self.weights))

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {one.verdict for one in (*self.series, *self.weights)}
        worst = (one for one in (Verdict.DIFFERENT, Verdict.WITHIN) if one in found)
        return next(worst, Verdict.IDENTICAL)

    def to_dict(self) -> dict[str, Any]:
        """Gives the comparison as JSON holds it: an infinite difference is null."""
        parts = {"series": self.series, "weights": self.weights}
        compared = {name: [_written(one) for one in several] for name, several in parts.items()}
        head = {"run": self.run, "again": self.again, "tolerance": self.tolerance, "verdict": str(self.verdict)}
        return {**head, "environment": [asdict(change) for change in self.environment], **compared}

    def to_text(self) -> str:
        """Writes the comparison for people: the environment first."""
        parts = [f"{self.run}\nagain as {self.again}: {self.verdict}"]
        if self.environment:
            rows = [f"  {change.what}: {change.was} -> {change.now}" for change in self.environment]
            parts.append("\n".join(["the environment is not the same", *rows]))
        else:
            parts.append("the environment is the same")
        parts += [_section("validation", (one for one in self.series if one.name.startswith("eval_")))]
        parts += [_section("log", (one for one in self.series if not one.name.startswith("eval_")))]
        parts += [_section("weights", self.weights)]
        return "\n\n".join(part for part in parts if part)


def _written(one: Compared) -> dict[str, Any]:
    difference = one.difference if math.isfinite(one.difference) else None
    return asdict(one) | {"verdict": str(one.verdict), "difference": difference}


def _section(title: str, compared: Iterable[Compared]) -> str:
    rows = [
        (
            f"  {one.name}",
            str(one.verdict),
            "" if one.difference == 0 else f"{one.difference:.3g}" if math.isfinite(one.difference) else "lacking",
            "" if one.step is None else f"at step {one.step:,}",
            f"{one.values:,}",
        )
        for one in compared
    ]
    if not rows:
        return ""
    return table([(title, "", "largest difference", "", "values"), *rows])
