"""Measures `consilience plugins` with many plugins that use torch, against an environment that has none.

Prints a table, or with `--json` one object a line. Both sides are processes of their own, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fifty import write_environment, write_plugins
from measuring import Row, Times, in_turns, machine, median, ratio, show

_IMPORTED = re.compile(r"^import time:.*\|\s+([\w.]+)$", re.MULTILINE)


def list_plugins(path: Sequence[Path], *options: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Runs `consilience plugins` in a Python that looks for packages in these folders alone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
    command = [sys.executable, "-S", *before, "-m", "consilience", "plugins", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def imported(path: Sequence[Path], package: str) -> list[str]:
    """Lists the modules of a package that `consilience plugins` imports, as Python itself tells them."""
    told = list_plugins(path, before=["-X", "importtime"]).stderr
    return [name for name in _IMPORTED.findall(told) if name.partition(".")[0] == package]


def count_plugins(path: Sequence[Path]) -> int:
    """Counts what `consilience plugins` lists beside the standard components, and sees that none is at fault."""
    done = list_plugins(path, "--json")
    listed = [plugin for plugin in json.loads(done.stdout) if plugin["namespace"] != "standard"]
    assert not any(plugin["fault"] for plugin in listed), done.stderr
    assert all(len(plugin["components"]) == 3 for plugin in listed), done.stdout
    return len(listed)


def _listing(path: Sequence[Path]) -> Callable[[int], object]:
    def run(number: int) -> object:
        done = list_plugins(path)
        assert done.returncode == 0, done.stderr
        return done

    return run


def medians(name: str, times: Times) -> Iterator[Row]:
    """Gives the median times of a side's rounds by the wall and by the processor."""
    yield median(name, times)
    yield Row(f"{name} (CPU time)", round(statistics.median(times.cpu) * 1000, 3), "ms")


def measure_listing(folder: Path, count: int, rounds: int) -> Iterator[Row]:
    """Measures the list of so many plugins against the list of none."""
    none = [write_environment(folder / "environment")]
    many = [*none, write_plugins(folder / "plugins", count)]
    assert (count_plugins(none), count_plugins(many)) == (0, count)
    names = {f"listing {count} plugins": many, "listing 0 plugins": none}
    above, below = in_turns({name: _listing(path) for name, path in names.items()}, rounds).values()
    yield from ratio(f"{count} plugins/0 plugins", above, below, "the same command where no plugin is installed")
    for name, times in zip(names, (above, below), strict=True):
        yield from medians(name, times)
    more = statistics.median(a - b for a, b in zip(above.cpu, below.cpu, strict=True))
    yield Row("a plugin more", round(more / count * 1000, 3), "ms of CPU time")
    for package in ("torch", "transformers"):
        yield Row(f"modules of {package} imported", len(imported(many, package)), "modules")


def measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures all, in the setting that the command line asks for."""
    yield from machine()
    with tempfile.TemporaryDirectory() as folder:
        yield from measure_listing(Path(folder), arguments.plugins, arguments.rounds)


def options() -> argparse.ArgumentParser:
    """Declares the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object a line")
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count")
    parser.add_argument("--plugins", type=int, default=50, help="how many plugins are installed")
    return parser


if __name__ == "__main__":
    chosen = options().parse_args()
    show(measure(chosen), chosen.json)
