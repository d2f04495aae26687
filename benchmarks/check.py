"""Measures the check: a cold one against the imports that it builds on, and how it grows with the fusion.

Prints a table, or with `--json` one object a line. Both sides of the ratio are processes of their own, in turns.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import Row, Stopwatch, Times, in_turns, machine, median, ratio, show
from thousands import write_fusion

from consilience.declare import Fusion
from consilience.plan import survey

BASE = "import pydantic, networkx, pluggy"
DEMO = Path(__file__).parents[1] / "examples" / "film-reviews" / "fusion.yaml"
FITTED = 100
"""The smallest fusion that the line is fitted through: below, what every check costs hides what a node costs."""


def measure_cold(file: Path, rounds: int) -> Iterator[Row]:
    """Measures `consilience check` of a file as a process of its own, against the imports that it builds on."""
    sides = {f"cold check of {file.parent.name}": _check(file), "cold imports": _command([sys.executable, "-c", BASE])}
    check, imports = in_turns(sides, rounds).values()
    yield from ratio("cold check/imports", check, imports, f'python -c "{BASE}"')
    for name, times in zip(sides, (check, imports), strict=True):
        yield from medians(name, times)


def medians(name: str, times: Times) -> Iterator[Row]:
    """Gives the median times of a side's rounds by the wall and by the processor."""
    yield median(name, times)
    yield Row(f"{name} (CPU time)", round(statistics.median(times.cpu) * 1000, 3), "ms")


def measure_large(folder: Path, count: int, faults: int, rounds: int) -> Iterator[Row]:
    """Measures `consilience check` of a large fusion as a process of its own, whole and with faults."""
    files = {f"cold check of {count:,} nodes": write_fusion(folder, count)}
    files[f"cold check of {count:,} nodes, {faults} at fault"] = broken = write_fusion(folder, count, faults)
    times = in_turns({name: _check(file) for name, file in files.items()}, rounds)
    for name, taken in times.items():
        yield from medians(name, taken)
    yield Row(f"diagnostics of {faults} at fault", len(survey(broken).diagnostics), "diagnostics")


def measure_growth(folder: Path, counts: Sequence[int], rounds: int) -> Iterator[Row]:
    """Measures reading and checking apart, in this process, and fits a line through what both took together.

    The processor's time counts: nothing waits, and on a busy machine the wall's tells of the others.
    """
    files = {count: write_fusion(folder, count) for count in counts}
    taken = {count: (Times(), Times()) for count in counts}
    for number in range(rounds + 1):
        for count in counts[:: -1 if number % 2 else 1]:
            for times, seconds in zip(taken[count], _read_and_check(files[count]), strict=True):
                if number:
                    times.append(seconds)
    points = []
    for count, (reading, checking) in taken.items():
        for name, times in (("reading", reading), ("checking", checking)):
            yield Row(f"{name} {count:,} nodes", round(statistics.median(times.cpu) * 1000, 2), "ms of CPU time")
        points.append((count, statistics.median((reading + checking).cpu)))
    fitted = [point for point in points if point[0] >= FITTED]
    if len(fitted) > 2:
        line = fit(fitted)
        against = f"a line through {', '.join(f'{count:,}' for count, _ in fitted)} nodes"
        yield Row("slope", round(line.slope * 1e6, 1), "microseconds a node")
        yield Row("exponent", round(growth(fitted), 3), "of the nodes, that the time grows with; 1 is linear", against)
        yield Row("residual, 1 - R²", round(1 - line.determination, 6), "share of the variance", against)
        yield Row("residual, largest", round(line.largest_residual, 4), "share of the time", against)


@dataclass(frozen=True)
class Line:
    """A line through points, by least squares, and how far from it they lie."""

    slope: float
    start: float
    determination: float
    """R²: the share of the variance that the line explains."""
    largest_residual: float
    """The largest deviation of a point from the line, as a share of the point."""


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Fits a line through points by least squares."""
    slope, start = statistics.linear_regression(*zip(*points, strict=True))
    residuals = [y - (start + slope * x) for x, y in points]
    mean = statistics.fmean(y for _, y in points)
    variance = sum((y - mean) ** 2 for _, y in points)
    largest = max(abs(residual) / y for residual, (_, y) in zip(residuals, points, strict=True))
    return Line(slope, start, 1 - sum(residual**2 for residual in residuals) / variance, largest)


def growth(points: Sequence[tuple[float, float]]) -> float:
    """Gives the power of x that y grows with, by least squares over the logarithms."""
    return fit([(math.log(x), math.log(y)) for x, y in points]).slope


def _read_and_check(file: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    gc.collect()
    gc.disable()  # as the command does
    watch = Stopwatch()
    fusion = Fusion.load(file)
    reading = watch.read()
    watch = Stopwatch()
    found = survey(fusion)
    checking = watch.read()
    gc.enable()
    assert not found.diagnostics, found.diagnostics[0]
    return reading, checking


def _check(file: Path) -> Callable[[int], object]:
    return _command([sys.executable, "-m", "consilience", "check", str(file)])


def _command(arguments: list[str]) -> Callable[[int], object]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run(number: int) -> object:
        done = subprocess.run(arguments, env=environment, capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stderr.decode()
        return done

    return run


def measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures all, in the setting that the command line asks for."""
    yield from machine()
    yield from measure_cold(arguments.file, arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        yield from measure_large(Path(folder), arguments.large, arguments.faults, arguments.rounds)
        yield from measure_growth(Path(folder), arguments.nodes, arguments.rounds)


def options() -> argparse.ArgumentParser:
    """Declares the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object a line")
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count")
    parser.add_argument("--file", type=Path, default=DEMO, help="the fusion file of the cold check")
    parser.add_argument("--large", type=int, default=1000, help="nodes of the fusion that is checked cold")
    parser.add_argument("--faults", type=int, default=100, help="how many of its blocks are at fault in turn")
    sizes = [10, 100, 500, 1000, 2000, 3500, 5000]
    parser.add_argument("--nodes", type=int, nargs="+", default=sizes, help="nodes of the fusions that grow")
    return parser


if __name__ == "__main__":
    chosen = options().parse_args()
    show(measure(chosen), chosen.json)
