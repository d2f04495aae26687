"""Measures the page of `consilience graph`: how its drawing and its size grow with the fusion, against the check.

Prints a table, or with `--json` one object a line. The processor's time counts, in turns in one process.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from measuring import Row, Stopwatch, Times, machine, ratio, show
from thousands import write_fusion

from consilience.plan import Survey, survey, to_html


def measure_pages(folder: Path, counts: Sequence[int], rounds: int) -> Iterator[Row]:
    """Measures, for each number of nodes, what the page takes and weighs, and its ratio to the check before it."""
    for count in counts:
        file = write_fusion(folder, count)
        checking, drawing = Times(), Times()
        page = ""
        for number in range(rounds + 1):
            watch = Stopwatch()
            found: Survey = survey(file)
            checked = watch.read()
            watch = Stopwatch()
            page = to_html(found.plan, found.diagnostics)
            if number:
                checking.append(checked)
                drawing.append(watch.read())
        yield Row(f"page of {count:,} nodes", round(sorted(drawing.cpu)[len(drawing.cpu) // 2], 3), "s of CPU time")
        yield from ratio(f"page/check of {count:,} nodes", drawing, checking, f"the check of {count:,} nodes")
        yield Row(f"size of the page of {count:,} nodes", round(len(page.encode()) / 1e6, 3), "MB")


def measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures all, in the setting that the command line asks for."""
    yield from machine()
    with tempfile.TemporaryDirectory() as folder:
        yield from measure_pages(Path(folder), arguments.nodes, arguments.rounds)


def options() -> argparse.ArgumentParser:
    """Declares the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object a line")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count")
    parser.add_argument("--nodes", type=int, nargs="+", default=[30, 100, 300, 1000, 5000], help="nodes of the fusions")
    return parser


if __name__ == "__main__":
    chosen = options().parse_args()
    show(measure(chosen), chosen.json)
