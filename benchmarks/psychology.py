"""Emotions of GoEmotions and affect of EmoBank on one MiniLM: what each part of the plugin adds to plain losses.

GoEmotions: heads of 28 emotions, Ekman's seven and four groups on one encoder. Each side trains by other losses, and is
measured on test with one half as the threshold, and with thresholds that were tuned on validation. EmoBank: Pearson's r
of valence, arousal and dominance by each loss, and the calibration error before and after the variances are scaled.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from measuring import Row, machine, show
from psychology_models import AFFECT, DATA, EMOTIONS, PAPER, Protocol, affect, emotions, prepare

from consilience import Fusion
from consilience.evidence import evaluate
from consilience.train import Run, train

COMMON = ("seconds a step", "steps", "CPU minutes")
"""What is said of a training."""


def measured(fusion: Fusion, runs: Path) -> dict[str, float]:
    """Trains a model, and gives its scores by name, those of validation too, and what the training took."""
    started, began = time.monotonic(), time.process_time()
    run = train(fusion, runs, progress=False)
    record = run.record["training"]
    found: dict[str, float] = {
        "seconds a step": record["seconds"] / record["steps"],
        "steps": record["steps"],
        "CPU minutes": (time.process_time() - began) / 60,
    }
    for split, before in (("validation", "validation "), ("test", "")):
        for name, value in evaluate(run, split, progress=False).metrics.items():
            each = value if isinstance(value, dict) else {"": value}
            found |= {before + f"{name}_{label}".rstrip("_"): number for label, number in each.items()}
    print(f"{time.monotonic() - started:.0f} s, {run.path}", file=sys.stderr, flush=True)
    if fusion.modules["encoder"].tune == {"use": "full"}:
        keep_encoder(run, run.path / "encoder")
    return found


def keep_encoder(run: Run, folder: Path) -> None:
    """Writes a run's encoder as a checkpoint of transformers, for `--encoder`."""
    run.model().nodes["encoder"].model.save_pretrained(folder)
    run.plan.resources["minilm"].tokenizer().save_pretrained(folder)


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
    parser.add_argument("--epochs", type=float, help="epochs (4; 10 with a frozen encoder)")
    parser.add_argument("--rate", type=float, default=2e-4, help="the learning rate of the encoder (2e-4)")
    parser.add_argument("--head-rate", type=float, default=1e-3, help="the learning rate of the heads (1e-3)")
    parser.add_argument("--weight", type=float, default=4, help="what the loss of the 28 emotions weighs, others 1 (4)")
    parser.add_argument("--batch", type=int, default=64, help="rows a step (64)")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16, with weights in float32")
    parser.add_argument("--keep", type=Path, help="a folder to keep runs and tuned encoders in (none is kept)")
    parser.add_argument("--encoder", help="a folder that --keep has an encoder in, to begin with (MiniLM)")
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
    torch.set_num_threads(given.threads)
    known = given.results.read_text().splitlines() if given.results and given.results.exists() else []
    results = [json.loads(line) for line in known]
    with tempfile.TemporaryDirectory() as path:
        for row in _measure(given, results, Path(path)):
            results.append(row)
            show(_rows(row), given.json)
            if given.results:
                with given.results.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")
    if not given.json:
        print(table(results))
    show(machine(), given.json)


def _measure(given: argparse.Namespace, known: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    protocol = _protocol(given)
    counts = prepare(folder, protocol)
    for seed in given.seeds:
        done = {(row["task"], row["side"]) for row in known if row["seed"] == seed}
        for task, sides in _models(given, done):
            if task == "affect":
                declared = affect(folder, sides[0], seed, protocol)
            else:
                declared = emotions(folder, sides, seed, protocol, counts)
            scores = measured(declared, given.keep or folder / "runs")
            for side in sides:
                own = scores if task == "affect" else _of(side, scores)
                yield {"task": task, "side": side, "seed": seed, "scores": own}


def _protocol(given: argparse.Namespace) -> Protocol:
    is_frozen = given.frozen or given.quick
    rows = given.rows or (2000 if given.quick else None)
    return Protocol(
        train_rows=rows,
        test_rows=1000 if given.quick else None,
        epochs=given.epochs or (10 if is_frozen else 4),
        is_frozen=is_frozen,
        rate=given.rate,
        head_rate=given.head_rate,
        weight=given.weight,
        batch_size=given.batch,
        is_half=given.half,
        checkpoint=str(Path(given.encoder).resolve()) if given.encoder else Protocol.checkpoint,
    )


def _models(given: argparse.Namespace, done: Collection[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Gives the sides that are left to measure, by model: all those of emotions in one where the encoder is frozen."""
    for task, names in (("emotions", EMOTIONS), ("affect", AFFECT)):
        if given.task not in (None, task):
            continue
        sides = [side for side in names if (not given.sides or side in given.sides) and (task, side) not in done]
        if task == "emotions" and sides and (given.frozen or given.quick):
            yield task, sides
        else:
            yield from ((task, [side]) for side in sides)


def _of(side: str, scores: Mapping[str, float]) -> dict[str, float]:
    """Takes out of a model's scores those of one side, and what is common to all."""
    own = {
        name.replace(f"{side}_", "", 1): value
        for name, value in scores.items()
        if name.split(" ")[-1].startswith(f"{side}_")
    }
    common = {name: value for name, value in scores.items() if name in COMMON}
    return common | own


def _rows(row: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in row["scores"].items():
        unit = "s" if name.startswith("seconds") else "steps" if name == "steps" else "score"
        paper = PAPER.get(name.removesuffix("_tuned")) if name.endswith("_tuned") else None
        against = None if paper is None else f"{paper} of BERT-base in the paper"
        yield Row(f"{row['task']}, {row['side']}, seed {row['seed']}: {name}", round(value, 4), unit, against)


if __name__ == "__main__":
    main()
