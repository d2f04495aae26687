"""Compares groups of runs: the same metrics side by side, with their mean and spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consilience.evidence._report import Report
from consilience.evidence._text import table

__all__ = ["Comparison", "Spread", "compare"]


@dataclass(frozen=True)
class Spread:
    """One number of several runs: every value, in the order of the runs."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Their standard deviation (of a sample, n - 1), or None for one value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.4f}" if self.deviation is None else f"{self.mean:.4f} ± {self.deviation:.4f}"


@dataclass(frozen=True)
class Comparison:
    """Groups of runs by name, each with the reports of its seeds."""

    groups: Mapping[str, tuple[Report, ...]]

    def spreads(self) -> dict[str, dict[str, Spread | None]]:
        """Gives each metric that is a number, by group; None where a run of the group lacks it."""
        names = list(dict.fromkeys(name for reports in self.groups.values() for one in reports for name in one.metrics))
        return {
            name: {group: _spread(name, reports) for group, reports in self.groups.items()}
            for name in names
            if any(_spread(name, reports) for reports in self.groups.values())
        }

    def to_dict(self) -> dict[str, Any]:
        """Gives the comparison as JSON holds it."""
        metrics = {
            name: {group: _written(spread) for group, spread in by_group.items()}
            for name, by_group in self.spreads().items()
        }
        runs = {group: [report.run for report in reports] for group, reports in self.groups.items()}
        seeds = {group: [report.seed for report in reports] for group, reports in self.groups.items()}
        return {"metrics": metrics, "seeds": seeds, "runs": runs}

    def to_text(self) -> str:
        """Writes a row for each metric and seed, and one for the mean and the standard deviation over the seeds."""
        rows: list[tuple[str, ...]] = [("", *self.groups)]
        most = max((len(reports) for reports in self.groups.values()), default=0)
        for name, by_group in self.spreads().items():
            if most > 1:
                rows += [
                    (f"{name}, {self._seed(place)}", *(_value(spread, place) for spread in by_group.values()))
                    for place in range(most)
                ]
            rows.append((f"{name}, mean" if most > 1 else name, *(str(spread or "-") for spread in by_group.values())))
        return table(rows)

    def _seed(self, place: int) -> str:
        seeds = {reports[place].seed for reports in self.groups.values() if place < len(reports)}
        return f"seed {seeds.pop()}" if len(seeds) == 1 else f"run {place + 1}"


def compare(groups: Mapping[str, Sequence[Report]]) -> Comparison:
    """Sets groups of reports side by side, such as a fusion and its twin over the same seeds."""
    return Comparison({name: tuple(reports) for name, reports in groups.items()})


def _spread(metric: str, reports: tuple[Report, ...]) -> Spread | None:
    values = [report.metrics.get(metric) for report in reports]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return Spread(tuple(numbers)) if numbers and len(numbers) == len(values) else None


def _value(spread: Spread | None, place: int) -> str:
    return f"{spread.values[place]:.4f}" if spread is not None and place < len(spread.values) else "-"


def _written(spread: Spread | None) -> dict[str, Any] | None:
    return {"values": list(spread.values), "mean": spread.mean, "deviation": spread.deviation} if spread else None
