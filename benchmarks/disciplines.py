"""Trains each discipline's example on film reviews, and the same encoder by the labels alone; shows what each gave."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from measuring import Row, machine, show

from consilience import Fusion
from consilience.evidence import Report, evaluate
from consilience.train import train

ROOT = Path(__file__).parents[1]
NAMES = ("psychology", "linguistics", "knowledge", "complexity")
ALONE = "labels alone"


def fusion_of(name: str, seed: int, rows: int | None = None) -> Fusion:
    """Gives a discipline's example with a seed; fewer `rows` to train and test on make it a trial of the benchmark."""
    file = ROOT / "plugins" / name / "examples" / f"{name}.yaml"
    written = Fusion.load(file).to_dict()
    written["train"] = written.get("train", {}) | {"seed": seed}
    if rows:
        written["sources"]["labelled"] |= {"split": {"test": rows, "train": rows}, "repeat": 1}
        if "unlabelled" in written["sources"]:
            written["sources"]["unlabelled"]["split"] = {"aside": 2 * rows, "train": rows}
    return Fusion(base=file.parent, **written)


def alone(seed: int, rows: int | None = None) -> Fusion:
    """Gives what the examples share: the encoder and the opinion, taught by as many labels in as many steps."""
    example = fusion_of("complexity", seed, rows)
    written = example.to_dict()
    del written["losses"]["size_loss"]
    return Fusion(base=example.base, **(written | {"name": "alone"}))


def figures(report: Report) -> Iterator[tuple[str, float]]:
    """Gives the metrics of a report that are numbers, and what the gates kept."""
    for name, value in report.metrics.items():
        if isinstance(value, float):
            yield name, value
    for section in report.sections.values():
        for name, value in section.items():
            if "gates" in name and isinstance(value, int | float):
                yield name, float(value)


def measured(fusion: Fusion, runs: Path) -> Mapping[str, float]:
    """Trains a fusion, and gives its figures on the held-out reviews."""
    return dict(figures(evaluate(train(fusion, runs, progress=False), "test", progress=False)))


def rows_of(names: list[str], seeds: range, rows: int | None) -> Iterator[Row]:
    """Gives every figure of every discipline and seed, the accuracies beside those of the labels alone."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            base = measured(alone(seed, rows), Path(folder))
            yield Row(f"{ALONE}, accuracy, seed {seed}", base["accuracy"], "share")
            for name in names:
                for figure, value in measured(fusion_of(name, seed, rows), Path(folder)).items():
                    against = f"{base['accuracy']:.3f} by the labels alone" if figure == "accuracy" else None
                    yield Row(f"{name}, {figure}, seed {seed}", value, "", against)


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", default=list(NAMES), metavar="NAME", help="the disciplines; all if left out"
    )
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds (1)")
    parser.add_argument("--rows", type=int, help="so few rows, to try the benchmark itself")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given: Any = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown:
        parser.error(f"no discipline {', '.join(unknown)}; there are {', '.join(NAMES)}")
    show(chain(rows_of(given.names, range(given.seeds), given.rows), machine()), given.json)


if __name__ == "__main__":
    main()
