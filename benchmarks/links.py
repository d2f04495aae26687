"""Trains link prediction here and in PyKEEN, by the same regime, an epoch of one and then an epoch of the other."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from measuring import Row

DATA = Path(__file__).parents[2] / "shared" / "data"
GRAPHS = ("rgcn", "compgcn")
SETS = {"umls": "kg_umls", "kinships": "kg_kinships", "wn18rr": "kg_wn18rr", "fb15k237": "kg_fb15k237"}
SIDES = ("transe", "distmult", "complex", "rotate", "rgcn", "compgcn")
DISTANCES = ("transe", "rotate")


@dataclass(frozen=True)
class Regime:
    """How both train: Adam, a loss, and the edges of a step, each asked for from both of its ends."""

    method: str = "one_to_n"
    width: int = 128
    epochs: int = 50
    batch: int = 512
    rate: float = 0.01
    negatives: int = 64
    margin: float = 6.0
    temperature: float = 1.0
    layers: int = 2
    bases: int = 8


REGIMES: Mapping[str, Regime] = {
    "umls": Regime(epochs=40),
    "kinships": Regime(epochs=12),
    "wn18rr": Regime("self_adversarial", width=100, epochs=4, batch=1024, negatives=32),
    "fb15k237": Regime("self_adversarial", width=100, epochs=1, batch=1024, negatives=32, margin=9.0),
}
"""What both sides of a data set are trained by; the rate was chosen on the validation split of UMLS."""
ENCODED: Mapping[str, Mapping[str, Any]] = {
    "umls": {"epochs": 20},
    "kinships": {"epochs": 6},
    "wn18rr": {"epochs": 2, "batch": 8192},
    "fb15k237": {"epochs": 1, "batch": 8192},
}
"""What is otherwise where all of a graph is encoded at each step."""
MOST_ASKED = 1000
"""The test edges that are asked for at most, drawn by a seed of their own: PyKEEN takes minutes to rank more."""


def regime_of(name: str, side: str) -> Regime:
    """Gives what a side is trained by on a data set."""
    return replace(REGIMES[name], **(ENCODED[name] if side in GRAPHS else {}))


def splits_of(name: str) -> tuple[dict[str, list[list[int]]], int, int]:
    """Reads the splits of a data set as numbers from 0, and how many entities and relations they have.

    `asked` are the edges of the test split that are asked for.
    """
    found = {}
    for split in ("train", "valid", "test"):
        [path] = (DATA / SETS[name]).glob(f"{split}.*")
        opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as stream:
            found[split] = [line.rstrip("\n").split("\t") for line in stream]
    every = [triple for rows in found.values() for triple in rows]
    entity = {text: at for at, text in enumerate(sorted({end for h, _, t in every for end in (h, t)}))}
    kind = {text: at for at, text in enumerate(sorted({k for _, k, _ in every}))}
    numbered = {split: [[entity[h], kind[k], entity[t]] for h, k, t in rows] for split, rows in found.items()}
    test = numbered["test"]
    numbered["asked"] = random.Random(0).sample(test, MOST_ASKED) if len(entity) > MOST_ASKED else test
    return numbered, len(entity), len(kind)


class Ours:
    """Trains one of our sides, an epoch whenever it is asked."""

    def __init__(self, name: str, side: str, seed: int, regime: Regime) -> None:
        import torch

        from consilience_knowledge.pretraining import LinkPredictor, Settings, pretrain

        rows, self.entities, self.relations = splits_of(name)
        self.splits = {one: torch.tensor(told) + torch.tensor([1, 0, 1]) for one, told in rows.items()}
        told = {key: value for key, value in asdict(regime).items() if key not in ("rate", "margin", "bases")}
        if side in GRAPHS:
            told |= {"encoder": side, "scorer": "distmult", "bases": regime.bases if side == "rgcn" else None}
        else:
            told |= {"scorer": side}
        told |= {"learning_rate": regime.rate, "margin": margin_of(side, regime), "seed": seed}
        torch.manual_seed(seed)
        self.model = LinkPredictor(self.splits["train"], self.entities + 1, self.relations, Settings(**told))
        self.epochs = pretrain(self.model, self.splits["train"])

    def epoch(self) -> list[float]:
        """Trains for an epoch: seconds of the wall, and of the processor."""
        started = time.perf_counter(), time.process_time()
        next(self.epochs)
        return [time.perf_counter() - started[0], time.process_time() - started[1]]

    def scores(self) -> dict[str, float]:
        """Measures in the end."""
        import torch

        from consilience_knowledge.ranking import Known

        known = Known(torch.cat(list(self.splits.values())), self.entities + 1, self.relations)
        started = time.perf_counter()
        told = self.model.evaluate(self.splits["asked"], known)
        found = {key: told[key] for key in ("mrr", "hits@1", "hits@10")}
        return found | {"evaluation": time.perf_counter() - started}


class PyKEEN:
    """Trains one of PyKEEN's, in a process of its own, which takes one job after another."""

    def __init__(self, python: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        home = {**os.environ, "PYSTOW_HOME": self.folder.name, "OMP_NUM_THREADS": "1"}
        program = [python, str(Path(__file__).parent / "links_pykeen.py")]
        quiet = Path(self.folder.name) / "log"
        with quiet.open("w") as log:
            self.child = subprocess.Popen(
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=home
            )
        self.log = quiet

    def __enter__(self) -> PyKEEN:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.child.terminate()
        self.child.wait()
        self.folder.cleanup()

    def begin(self, name: str, side: str, seed: int, regime: Regime) -> None:
        """Gives it a job."""
        rows, entities, relations = splits_of(name)
        job = {**asdict(regime), "margin": margin_of(side, regime), "side": side, "seed": seed}
        self.say(json.dumps({**job, "entities": entities, "relations": relations, **rows}))

    def say(self, line: str) -> None:
        """Writes a line to it."""
        assert self.child.stdin is not None
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def hear(self) -> Any:
        """Reads its answer."""
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(self.log.read_text()[-2000:])
        return json.loads(line)

    def epoch(self) -> list[float]:
        """Trains for an epoch."""
        self.say("go on")
        told: list[float] = self.hear()
        return told

    def scores(self) -> dict[str, float]:
        """Measures in the end."""
        told: dict[str, float] = self.hear()
        return told


def margin_of(side: str, regime: Regime) -> float:
    """Is the regime's margin for distances, which lie below zero, and none for products, which lie around it."""
    return regime.margin if side in DISTANCES else 0.0


def measured(name: str, side: str, seed: int, regime: Regime, pykeen: PyKEEN | None) -> dict[str, dict[str, Any]]:
    """Trains both sides in turns, and gives the scores and the seconds of their epochs."""
    trained: dict[str, Any] = {"ours": Ours(name, side, seed, regime)}
    if pykeen:
        pykeen.begin(name, side, seed, regime)
        trained["PyKEEN"] = pykeen
    took: dict[str, list[list[float]]] = {whose: [] for whose in trained}
    for number in range(regime.epochs):
        for whose in list(trained)[:: -1 if number % 2 else 1]:
            took[whose].append(trained[whose].epoch())
    return {whose: {**one.scores(), "epochs": took[whose]} for whose, one in trained.items()}


def links(given: argparse.Namespace) -> Iterator[Row]:
    """Gives the scores of every side; what stands in the file of results is not measured again."""
    known = given.results.read_text().splitlines() if given.results and given.results.exists() else []
    kept = {json.dumps(row["key"]): row["found"] for row in map(json.loads, known)}
    with contextlib.ExitStack() as stack:
        pykeen = stack.enter_context(PyKEEN(given.pykeen)) if given.pykeen else None
        for name in given.sets:
            if not (DATA / SETS[name]).is_dir():
                yield Row(f"links {name}", "skipped", f"needs ../shared/data/{SETS[name]}")
                continue
            for side in given.sides:
                regime = replace(regime_of(name, side), **given.regime)
                for seed in given.seeds:
                    key = [name, side, seed, asdict(regime), pykeen is not None]
                    if json.dumps(key) not in kept:
                        kept[json.dumps(key)] = measured(name, side, seed, regime, pykeen)
                        _add(given.results, {"key": key, "found": kept[json.dumps(key)]})
                found = [
                    kept[json.dumps([name, side, seed, asdict(regime), pykeen is not None])] for seed in given.seeds
                ]
                yield from _told(f"{name} {side}", found)


def _told(title: str, found: Sequence[Mapping[str, Mapping[str, Any]]]) -> Iterator[Row]:
    """Sums the seeds up: means and spreads of the scores, and the medians of the epochs but the first."""
    for whose in found[0]:
        for score in ("mrr", "hits@10"):
            values = [one[whose][score] for one in found]
            spread = f"mean of {len(values)} seeds, deviation {statistics.stdev(values) if len(values) > 1 else 0:.3f}"
            yield Row(f"{title} {score}, {whose}", round(statistics.mean(values), 4), spread)
        for at, kind in enumerate(("wall", "CPU")):
            took = [one[at] for each in found for one in each[whose]["epochs"][1:] or each[whose]["epochs"]]
            yield Row(f"{title} epoch, {whose}", round(statistics.median(took), 4), f"{kind} seconds")


def _add(path: Path | None, row: Mapping[str, Any]) -> None:
    if path:
        with path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
