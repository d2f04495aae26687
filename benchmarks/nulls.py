"""Trains a fusion with its knowledge, and with each null in its place, over seeds; tells the paired differences.

Beside what knowledge is claimed to bring stand four nulls: nothing is linked, only that something is linked, each
entity is always the same wrong one, and any entity each time. They are the values of `control` in `knowledge.mentions`;
another plugin's are named by `--key` and `--values`, the true one first. `--set` changes the file otherwise.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def compared(scores: Mapping[str, Sequence[float]], true: str) -> Iterator[Row]:
    """Gives mean and spread of each side, and how far the true one is above each null, by a paired t-test."""
    from scipy.stats import ttest_rel

    for name, found in scores.items():
        yield Row(name, round(statistics.mean(found), 4), f"mean of {len(found)} seeds")
        if len(found) > 1:
            yield Row(f"{name}, spread", round(statistics.stdev(found), 4), "standard deviation")
        if name != true:
            gain = [one - other for one, other in zip(scores[true], found, strict=True)]
            yield Row(f"{true} over {name}", round(statistics.mean(gain), 4), "difference", name)
            if len(found) > 1 and len(set(gain)) > 1:
                yield Row(f"{true} over {name}, p", round(float(ttest_rel(scores[true], found).pvalue), 4), "paired t")


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark; what stands in the file of results is not measured again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fusion", type=Path)
    parser.add_argument("--metric", help="the number that is compared; the file's first metric when left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument(
        "--key", action="append", help="the path of a key; that of every knowledge.mentions if left out"
    )
    parser.add_argument("--values", nargs="+", default=list(CONTROLS), help="of the key, the true one first")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=JSON", dest="changes")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given = parser.parse_args(arguments)
    written = Fusion.load(given.fusion).to_dict()
    for change in given.changes:
        path, _, value = change.partition("=")
        written = changed(written, path, json.loads(value))
    keys = given.key or keys_of(written)
    if not keys:
        parser.error("the file has no knowledge.mentions; name a key by --key")
    metric = given.metric or next(iter(written["metrics"]))
    known = given.results.read_text().splitlines() if given.results and given.results.exists() else []
    kept = {(row["value"], row["seed"], row["changes"]): row["score"] for row in map(json.loads, known)}
    scores: dict[str, list[float]] = {value: [] for value in given.values}
    with tempfile.TemporaryDirectory() as runs:
        for seed in given.seeds:
            for value, told in variants(written, keys, given.values, seed):
                key = (value, seed, " ".join(given.changes))
                if key not in kept:
                    run = train(Fusion(**told, base=given.fusion.parent), runs, progress=False)
                    kept[key] = float(evaluate(run, "test", progress=False).metrics[metric])
                    if given.results:
                        row = {"value": value, "seed": seed, "changes": key[2], "score": kept[key]}
                        with given.results.open("a") as stream:
                            stream.write(json.dumps(row) + "\n")
                scores[value].append(kept[key])
    show([*compared(scores, given.values[0]), *machine()], given.json)


if __name__ == "__main__":
    main()
