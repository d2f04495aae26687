r"""Trains a fusion with its knowledge, and with each null in its place, over seeds; tells the paired differences.

Beside what knowledge is claimed to bring stand four nulls: nothing is linked, only that something is linked, each
entity is always the same wrong one, and any entity each time. They are the values of `control` in `knowledge.mentions`;
another plugin's are named by `--key` and `--values`, the true one first. `--set` changes the file otherwise.

    python benchmarks/nulls_graphs.py
    python benchmarks/nulls.py benchmarks/nulls/medical.yaml --measure validation \
        --over sources.labelled.split.train=[50,200,1000] --draw sources.labelled.split.aside=150

`--over` goes through the values of a key, such as how many rows are labelled. The rows that a `split` deals out do not
depend on the seed: `--draw` gives a key 1 + a number for each seed, so that every seed trains on other rows, and all
sides of a seed on the same. `--measure validation` reads the last measurement of the training, in which a frozen
encoder's features are kept: for files whose rows of validation choose nothing.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measuring import Row, machine, show

from consilience import Fusion
from consilience.evidence import evaluate
from consilience.train import train

CONTROLS = ("none", "absent", "flag", "permuted", "random")
"""The values of `control`: the true entities, and the four nulls."""


def changed(written: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Gives what a file says with another value at a path such as `sources.labelled.split.train`."""
    found = copy.deepcopy(dict(written))
    *parents, key = path.split(".")
    place = found
    for parent in parents:
        place = place.setdefault(parent, {})
    place[key] = value
    return found


def keys_of(written: Mapping[str, Any]) -> list[str]:
    """Lists the paths of `control` in a file: one for each `knowledge.mentions`."""
    inputs = written.get("inputs", {}).items()
    return [f"inputs.{name}.control" for name, node in inputs if node.get("use") == "knowledge.mentions"]


def variants(
    written: Mapping[str, Any], keys: Iterable[str], values: Iterable[str], seed: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Gives the file with each value at all keys, and a seed."""
    seeded = changed(written, "train.seed", seed)
    for value in values:
        told = seeded
        for key in keys:
            told = changed(told, key, value)
        yield value, told


def compared(scores: Mapping[str, Sequence[float]], true: str, place: str = "") -> Iterator[Row]:
    """Gives mean and spread of each side, and how far the true one is above each null, by a paired t-test."""
    from scipy.stats import ttest_rel

    for name, found in scores.items():
        yield Row(f"{place}{name}", round(statistics.mean(found), 4), f"mean of {len(found)} seeds")
        if len(found) > 1:
            yield Row(f"{place}{name}, spread", round(statistics.stdev(found), 4), "standard deviation")
        if name != true:
            gain = [one - other for one, other in zip(scores[true], found, strict=True)]
            yield Row(f"{place}{true} over {name}", round(statistics.mean(gain), 4), "difference", name)
            if len(found) > 1 and len(set(gain)) > 1:
                p = round(float(ttest_rel(scores[true], found).pvalue), 4)
                yield Row(f"{place}{true} over {name}, p", p, "paired t")


@dataclass(frozen=True)
class Results:
    """What was measured before, by what was trained: read from a file of JSON lines, and added to it."""

    path: Path | None
    kept: dict[tuple[str, int, str], Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path | None) -> Results:
        """Reads the file, where there is one."""
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
        return cls(path, {(row["value"], row["seed"], row["changes"]): row["scores"] for row in map(json.loads, lines)})

    def add(self, key: tuple[str, int, str], scores: Mapping[str, float]) -> None:
        """Keeps scores, on disk at once."""
        self.kept[key] = scores
        if self.path:
            row = {**dict(zip(("value", "seed", "changes"), key, strict=True)), "scores": scores}
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")


def measured(fusion: Fusion, runs: str, measure: str) -> dict[str, float]:
    """Trains a fusion, and gives its metrics on a split."""
    run = train(fusion, runs, progress=False)
    if measure == "validation":
        found = run.record["validation"][-1]["metrics"]
    else:
        found = evaluate(run, measure, progress=False).metrics
    shutil.rmtree(run.path)
    return {name: float(value) for name, value in found.items() if isinstance(value, float)}


def assignment(text: str) -> tuple[str, Any]:
    """Reads PATH=JSON."""
    path, _, value = text.partition("=")
    return path, json.loads(value)


def places(over: Sequence[str]) -> Iterator[list[str]]:
    """Gives each combination of the values of `--over`, as changes PATH=JSON."""
    named = [[f"{path}={json.dumps(value)}" for value in values] for path, values in map(assignment, over)]
    return map(list, itertools.product(*named))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fusion", type=Path)
    parser.add_argument("--metric", help="the number that is compared; the file's first metric when left out")
    parser.add_argument("--measure", choices=("test", "validation"), default="test", help="where it is measured (test)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    every = "the path of a key; that of every knowledge.mentions if left out"
    parser.add_argument("--key", action="append", help=every)
    parser.add_argument("--values", nargs="+", default=list(CONTROLS), help="of the key, the true one first")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=JSON", dest="changes")
    parser.add_argument("--over", action="append", default=[], metavar="PATH=[JSON, ...]", help="each of these in turn")
    parser.add_argument("--draw", action="append", default=[], metavar="PATH=NUMBER", help="1 + seed * NUMBER")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given = parser.parse_args(arguments)
    given.written = Fusion.load(given.fusion).to_dict()
    given.key = given.key or keys_of(given.written)
    if not given.key:
        parser.error("the file has no knowledge.mentions; name a key by --key")
    given.metric = given.metric or next(iter(given.written["metrics"]))
    return given


def rows(given: argparse.Namespace, runs: str) -> Iterator[Row]:
    """Trains what no file of results holds yet, and compares the sides at each value of `--over`."""
    results = Results.of(given.results)
    for changes in places(given.over):
        written = given.written
        for path, value in map(assignment, [*given.changes, *changes]):
            written = changed(written, path, value)
        scores: dict[str, list[float]] = {value: [] for value in given.values}
        for seed in given.seeds:
            drawn = written
            for path, step in map(assignment, given.draw):
                drawn = changed(drawn, path, 1 + seed * step)
            for value, told in variants(drawn, given.key, given.values, seed):
                key = (value, seed, " ".join([*given.changes, *changes, *given.draw, given.measure]))
                if key not in results.kept:
                    results.add(key, measured(Fusion(**told, base=given.fusion.parent), runs, given.measure))
                scores[value].append(results.kept[key][given.metric])
        yield from compared(scores, given.values[0], "".join(f"{change}: " for change in changes))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark; what stands in the file of results is not measured again."""
    given = parsed(arguments)
    with tempfile.TemporaryDirectory() as runs:
        show([*rows(given, runs), *machine()], given.json)


if __name__ == "__main__":
    main()
