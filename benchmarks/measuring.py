"""Times the sides of a comparison in turns, and shows the figures."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["Row", "Stopwatch", "Times", "in_turns", "machine", "median", "ratio", "show"]


@dataclass(frozen=True)
class Row:
    """One figure; `against` names what a ratio or a difference is taken from."""

    name: str
    value: float | str
    unit: str
    against: str | None = None


@dataclass
class Times:
    """What its rounds took one side, in seconds, by the wall and by the processor."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def append(self, taken: tuple[float, float]) -> None:
        """Adds a round."""
        self.wall.append(taken[0])
        self.cpu.append(taken[1])

    def __add__(self, other: Times) -> Times:
        """Adds two sides, round by round."""
        wall = [a + b for a, b in zip(self.wall, other.wall, strict=True)]
        return Times(wall, [a + b for a, b in zip(self.cpu, other.cpu, strict=True)])


class Stopwatch:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def read(self) -> tuple[float, float]:
        """Gives the seconds since, by the wall and by the processor."""
        cpu = _cpu_seconds() - self._cpu
        return time.perf_counter() - self._wall, cpu


def _cpu_seconds() -> float:
    """Gives what this process took of the processor, with those that it has waited for."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def in_turns(sides: Mapping[str, Callable[[int], object]], rounds: int, warmup: int = 3) -> dict[str, Times]:
    """Runs every side once a round, each second round in the reverse order, and gives what the rounds took."""
    times = {name: Times() for name in sides}
    for number in range(warmup + rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            watch = Stopwatch()
            sides[name](number)
            if number >= warmup:
                times[name].append(watch.read())
    return times


def ratio(name: str, above: Times, below: Times, against: str) -> Iterator[Row]:
    """Gives the median over the rounds of the ratio within a round, by the wall and by the processor.

    Within a round both sides meet the same load of the machine: their ratio is steadier than that of two medians.
    """
    for suffix, over, under in (("", above.wall, below.wall), (" (CPU time)", above.cpu, below.cpu)):
        value = statistics.median(a / b for a, b in zip(over, under, strict=True))
        yield Row(name + suffix, round(value, 4), "ratio", against)


def median(name: str, times: Times) -> Row:
    """Gives the median time of a side's rounds by the wall, in milliseconds."""
    return Row(name, round(statistics.median(times.wall) * 1000, 3), "ms")


def machine() -> Iterator[Row]:
    """Tells on what was measured."""
    yield Row("processor", _processor(), "model")
    yield Row("cores", os.cpu_count() or 0, "cores")
    yield Row("python", platform.python_version(), "version")


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def show(rows: Iterable[Row], as_json: bool) -> None:
    """Prints each figure as soon as it is there: as an object a line, or as a line of a table."""
    for row in rows:
        if as_json:
            print(json.dumps(asdict(row)), flush=True)
            continue
        value = f"{row.value:,.4g}" if isinstance(row.value, float) else str(row.value)
        over = f"against {row.against}" if row.against else ""
        print(f"{row.name:52} {value:>12} {row.unit}{', ' * bool(over)}{over}", flush=True)
