"""Measures what linguists measure: tagging and parsing, structural probes, acceptability and minimal pairs, on MiniLM.

Reads ../shared/data. `--quick` takes few rows and steps, to see that all works; the figures of docs/benchmarks.md say
with which settings they were taken. With `--results FILE` what was measured before is not measured again. `--on
validation` measures what settings are chosen on: the dev set of the treebank, and held-back rows of CoLA's training.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from linguistics_data import (
    DATA,
    Amount,
    neighbours,
    pair_baselines,
    write_cola,
    write_layers,
    write_pairs,
    write_trees,
)
from linguistics_fusions import MINILM, acceptability, minimal_pairs, probe, treebank
from measuring import machine

from consilience import Fusion
from consilience.evidence import evaluate
from consilience.train import train

LAYERS = 6
"""How many layers MiniLM-L6 has."""
Scores = dict[str, Any]


@dataclass(frozen=True)
class Protocol:
    """How a part is learnt; `fresh` is the rate of what starts at random, where it is another."""

    epochs: float
    batch: int
    rate: float
    fresh: float = 0.0
    half: bool = False
    """Whether it computes in bfloat16, which a processor with AMX does faster."""

    def keys(self, seed: int, steps: int) -> dict[str, Any]:
        """Gives the keys of a training; steps of 0 are as many as the epochs have."""
        told = {"max_steps": steps} if steps else {"epochs": self.epochs}
        rates = {"learning_rate": self.rate, "warmup_steps": 0.1}
        numbers = {"bf16": True, "use_cpu": True, "optim": "adamw_torch_fused"} if self.half else {}
        return {"seed": seed, "batch_size": self.batch, "logging_steps": 50, **rates, **numbers, **told}


PARTS: Mapping[str, Protocol] = {
    "treebank": Protocol(3, 32, 4e-4, fresh=2e-3),
    "probe": Protocol(4, 32, 1e-3),
    "cola": Protocol(4, 32, 1e-4),
    "blimp": Protocol(1, 32, 2e-4),
}


@dataclass(frozen=True)
class Setting:
    """How much is read and learnt, and of what."""

    amount: Amount = field(default_factory=Amount)
    steps: int = 0
    encoder: str = MINILM
    layers: tuple[int, ...] = tuple(range(LAYERS + 1))
    parts: Mapping[str, Protocol] = field(default_factory=lambda: PARTS)

    def keys(self, part: str, seed: int) -> dict[str, Any]:
        """Gives the keys of the training of a part."""
        return self.parts[part].keys(seed, self.steps)

    def told(self, part: str) -> dict[str, Any]:
        """Gives what a result is kept with."""
        return {**vars(self.amount), "steps": self.steps, **vars(self.parts[part])}


def measured(fusion: Fusion, folder: Path) -> Scores:
    """Trains a fusion, and gives its test scores and what they took."""
    started = time.monotonic()
    run = train(fusion, folder / "runs", progress=False)
    middle = time.monotonic()
    metrics = dict(evaluate(run, "test", progress=False).metrics)
    seconds = {"training": round(middle - started), "evaluation": round(time.monotonic() - middle)}
    print(f"{fusion.name}: {seconds}", file=sys.stderr, flush=True)
    return {**metrics, "seconds": seconds}


def sides(part: str, folder: Path, setting: Setting, seed: int) -> Iterator[tuple[str, Callable[[], Scores]]]:
    """Gives what a part measures, by name, each to be run when it is asked for."""
    keys, fresh = setting.keys(part, seed), setting.parts[part].fresh
    if part == "treebank":
        yield part, lambda: measured(treebank(folder, setting.encoder, keys, fresh=fresh), folder)
    elif part == "cola":
        yield part, lambda: measured(acceptability(folder, setting.encoder, keys), folder)
    elif part == "blimp":
        yield part, lambda: measured(minimal_pairs(folder, setting.encoder, keys), folder)
        for name, found in pair_baselines(folder).items():
            yield f"blimp, {name}", lambda found=found: _of_pairs(found)  # type: ignore[misc]
    else:
        for layer in setting.layers:
            yield f"probe, layer {layer}", lambda layer=layer: _probed(folder, setting, seed, layer)  # type: ignore[misc]
        yield "probe, neighbours", lambda: {"uuas": neighbours(folder)}


def _of_pairs(found: Mapping[str, float]) -> Scores:
    return {"blimp": statistics.mean(found.values()), "paradigms": dict(found)}


def _probed(folder: Path, setting: Setting, seed: int, layer: int) -> Scores:
    encoder = write_layers(folder, setting.encoder, layer)
    return measured(probe(folder, encoder, setting.keys("probe", seed)), folder)


WRITERS: Mapping[str, Callable[[Path, Amount], object]] = {
    "treebank": write_trees,
    "probe": write_trees,
    "cola": write_cola,
    "blimp": write_pairs,
}


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Writes the mean and the spread over seeds of every score of every side."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in results:
        own = found.setdefault(row["side"], {})
        for name, value in row["scores"].items():
            if isinstance(value, int | float):
                own.setdefault(name, []).append(value)
    lines = ["| | score | mean | spread | seeds |", "|---|---|---|---|---|"]
    for side, scores in found.items():
        for name, values in scores.items():
            spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else ""
            lines.append(f"| {side} | {name} | {statistics.mean(values):.4f} | {spread} | {len(values)} |")
    return "\n".join(lines)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if left out")
    parser.add_argument("--quick", action="store_true", help="200 rows, 100 test rows, 2 pairs, 20 steps, one seed")
    parser.add_argument("--rows", type=int, default=0, help="training rows (all)")
    parser.add_argument("--test-rows", type=int, default=0, help="test rows (all)")
    parser.add_argument("--pairs", type=int, default=50, help="minimal pairs of each paradigm (50, of 250)")
    parser.add_argument("--on", choices=("test", "validation"), default="test", help="what is measured (test)")
    parser.add_argument("--steps", type=int, default=0, help="optimizer steps of each training (those of the epochs)")
    for name in ("epochs", "rate", "fresh"):
        parser.add_argument(f"--{name}", type=float, help="another than that of the part")
    parser.add_argument(
        "--bf16", action="store_true", help="compute in bfloat16 on the processor, by a fused optimizer"
    )
    parser.add_argument("--layers", type=int, nargs="+", default=list(range(LAYERS + 1)), help="layers to probe (all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the seeds (0 1 2)")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, no table")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return given


def setting_of(given: argparse.Namespace) -> Setting:
    """Gives the setting that the command line asks for."""
    if given.quick:
        return Setting(Amount(200, 100, 2), 20, layers=(0, 3, 6))
    others = {name: value for name in ("epochs", "rate", "fresh") if (value := getattr(given, name)) is not None}
    parts = {name: replace(protocol, half=given.bf16, **others) for name, protocol in PARTS.items()}
    amount = Amount(given.rows, given.test_rows, given.pairs, given.on)
    return Setting(amount, given.steps, layers=tuple(given.layers), parts=parts)


def main(arguments: list[str] | None = None) -> None:
    """Runs the parts that are asked for."""
    given = asked(arguments)
    if not DATA.is_dir():
        print(f"skipped: no data at {DATA}")
        return
    import torch

    torch.set_num_threads(given.threads)
    os.environ.setdefault("CONSILIENCE_CACHE", tempfile.mkdtemp())  # the states of the probed layers, read once alone
    seeds = [0] if given.quick else given.seeds
    results = run_all(given.parts or list(PARTS), setting_of(given), seeds, given.results)
    if not given.json:
        print(table(results))
        for fact in machine():
            print(f"{fact.name}: {fact.value}")


def run_all(parts: Iterable[str], setting: Setting, seeds: Iterable[int], file: Path | None) -> list[dict[str, Any]]:
    """Measures what the file of results has not, and gives all of it."""
    results = [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []
    done = [(row["side"], row["seed"], row["setting"]) for row in results]
    for part in parts:
        with tempfile.TemporaryDirectory() as path:
            WRITERS[part](Path(path), setting.amount)
            for seed in seeds:
                for side, run in sides(part, Path(path), setting, seed):
                    told = setting.told(part)
                    if (side, seed, told) in done:
                        continue
                    row = {"side": side, "seed": seed, "setting": told, "scores": run()}
                    results.append(row)
                    print(json.dumps(row), flush=True)
                    if file:
                        with file.open("a") as stream:
                            stream.write(json.dumps(row) + "\n")
    return results


if __name__ == "__main__":
    main()
