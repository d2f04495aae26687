"""Makes a trained sentiment model smaller in several ways, and measures what each one costs and how right it is.

MiniLM-L6 learns Rotten Tomatoes. `compress` cuts layers and neurons out of it; the smaller model learns again, by the
labels alone or beside the whole one as its teacher; then `compress` takes out the tokens that no training row has.
In the end all are timed in turns in one process, and plain transformers answers with the smaller encoder.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from complexity_fusions import SIZES, Protocol, taught, whole
from measuring import Row, Times, in_turns, machine, show

from consilience.evidence import Workshop, evaluate
from consilience.train import Run, train
from consilience_complexity.act import asked_of
from consilience_complexity.comparison import Figures, figures, picture
from consilience_complexity.compression import shrink

DATA = Path(__file__).parents[2] / "shared" / "data" / "rotten_tomatoes"
ACTS: Mapping[str, Mapping[str, Any]] = {
    "low-rank 0.9": {"low_rank": 0.9},
    "rank 96": {"rank": 96},
    "int8": {"int8": True},
}
"""What else `compress` can do to the last side: factors that keep so much of the energy or are of a rank, or 8 bits."""
SIDES = ("cut", "labels", "distilled")
"""How a smaller model is made: cut alone, trained again on the labels, or with the whole one as its teacher too."""


def prepare(folder: Path, protocol: Protocol) -> None:
    """Writes the splits as tables, each text once, where it is tested first."""
    seen: set[str] = set()
    for split in ("test", "validation", "train"):
        with (DATA / f"{split}.tsv").open(encoding="utf-8", newline="") as stream:
            rows = list(_once(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE), seen))
        if protocol.rows:
            rows = rows[:: max(1, len(rows) // protocol.rows)][: protocol.rows]
        with (folder / f"reviews-{split}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, ["text", "label"])
            writer.writeheader()
            writer.writerows(rows)


def _once(rows: Iterable[dict[str, str]], seen: set[str]) -> Iterator[dict[str, str]]:
    for row in rows:
        key = "".join(filter(str.isalnum, row["text"].lower()))
        if key and key not in seen:
            seen.add(key)
            yield row


class Maker:
    """Makes runs in a folder, and finds again those that an earlier call made there."""

    def __init__(self, folder: Path, protocol: Protocol) -> None:
        self.folder, self.protocol = folder.resolve(), protocol
        self._known = self.folder / "made.json"
        self._made: dict[str, str] = json.loads(self._known.read_text()) if self._known.exists() else {}

    def teacher(self, seed: int) -> Run:
        """The whole model."""
        fusion = whole(self.folder, self.protocol, seed, self.protocol.epochs)
        return self._run(f"whole, seed {seed}", lambda: train(fusion, self.folder / "runs", progress=False))

    def smaller(self, size: str, side: str, seed: int, teacher: Run, act: str | None = None) -> Run:
        """A smaller one, with the tokens of the training rows alone: what is measured."""
        layers, neurons, learns_from = SIZES[size]
        run = self._run(f"{size} of {teacher.path.name}", lambda: self._cut(teacher, layers=layers, neurons=neurons))
        if side != "cut":
            base = whole(self.folder, self.protocol, seed, self.protocol.again, str(run.path / "encoder"))
            fusion = taught(base, teacher.path, learns_from) if side == "distilled" else base
            name = f"{size}, {side}, seed {seed}, trained"
            run = self._run(name, lambda: train(fusion, self.folder / "runs", progress=False))
        named = f"{size}, {side}, seed {seed}" + (f", {act}" if act else "")
        return self._run(named, lambda: self._cut(run, tokens="seen", **(ACTS[act] if act else {})))

    def _cut(self, run: Run, **asked: Any) -> Run:
        workshop = Workshop()  # as `compress` does, without its measuring: all is measured together in the end
        options = asked_of(workshop, run, asked)
        return workshop.derive(run, None, "smaller", lambda model, folder: shrink(model, run.plan, folder, options, {}))

    def _run(self, name: str, make: Any) -> Run:
        if name not in self._made:
            started = time.process_time()
            self._made[name] = str(make().path)
            self._known.write_text(json.dumps(self._made, indent=1))
            show([Row(f"made: {name}", round(time.process_time() - started), "s of CPU time")], False)
        return Run.open(self._made[name])


def timed(models: Mapping[str, Run], rounds: int) -> tuple[dict[str, Times], dict[str, Times]]:
    """Times all models in turns, on one test row a round, and on the first 32 test rows."""
    loaded = {name: run.model().eval() for name, run in models.items()}
    rows = {name: Workshop().batch(run, "test", 32) for name, run in models.items()}

    def call(name: str, first: int, last: int) -> None:
        with torch.no_grad():
            loaded[name](_part(rows[name], first, last))

    ones = {name: (lambda number, name=name: call(name, number % 32, number % 32 + 1)) for name in models}
    many = {name: (lambda number, name=name: call(name, 0, 32)) for name in models}
    return in_turns(ones, 4 * rounds), in_turns(many, rounds, 1)


def _part(batch: Mapping[str, torch.Tensor], first: int, last: int) -> dict[str, torch.Tensor]:
    part = {name: value[first:last] for name, value in batch.items()}
    length = int(part["tokens.mask"].sum(dim=1).max())
    return part | {name: part[name][:, :length] for name in ("tokens.ids", "tokens.mask")}


def plain(run: Run, rows: Sequence[Mapping[str, str]]) -> float:
    """Gives the accuracy of an encoder as plain transformers loads it, with its tokenizer and a linear layer."""
    from transformers import AutoModel, AutoTokenizer

    encoder = AutoModel.from_pretrained(run.path / "encoder").eval()
    tokenizer = AutoTokenizer.from_pretrained(run.path / "encoder")
    head = run.model().nodes["opinion"].state_dict()
    right = 0
    for start in range(0, len(rows), 32):
        some = rows[start : start + 32]
        text = tokenizer(
            [row["text"] for row in some], padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        with torch.no_grad():
            hidden = encoder(**text).last_hidden_state
        mask = text["attention_mask"].unsqueeze(-1)
        pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        scores = pooled @ head["projection.1.weight"].T + head["projection.1.bias"]
        right += sum(int(row["label"]) == one for row, one in zip(some, scores.argmax(dim=1).tolist(), strict=True))
    return right / len(rows)


def scored(run: Run, split: str) -> float:
    """Gives the accuracy of a run on a split."""
    return float(evaluate(run, split, progress=False).metrics["accuracy"])


def measured(run: Run, name: str, accuracy: float) -> Figures:
    """Counts what a model has and does for a row; its latencies are measured elsewhere, in turns."""
    model = run.model()
    rows = Workshop().batch(run, "test", 32)
    told = figures(name, model, model.nodes["encoder"], rows, {"accuracy": accuracy}, 2)
    size = sum(file.stat().st_size for file in (run.path / "model").glob("*.safetensors"))
    return replace(told, file_megabytes=round(size / 2**20, 3))


def compared(models: Mapping[str, Run], scores: Mapping[str, float], rounds: int) -> Iterator[tuple[Row, Any]]:
    """Times the models in turns, and gives each figure of each of them, beside the first one's."""
    ones, many = timed(models, rounds)
    first = next(iter(models))
    for name, run in models.items():
        told = measured(run, name, scores[name]).to_dict()
        for key, times in (("latency_1", ones), ("latency_32", many)):
            told[key] = round(statistics.median(times[name].wall) * 1000, 2)
            ratios = [a / b for a, b in zip(times[first].cpu, times[name].cpu, strict=True)]
            told[f"{key}_less"] = round(statistics.median(ratios), 3)
        yield Row(name, round(scores[name], 4), "test accuracy"), told


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Writes one line a model: sizes, latencies, how many times less than the whole one, and its accuracy."""
    lines = [
        "| | parameters | encoder | file, MiB | MFLOPs, 1 row | ms, 1 row | ms, 32 rows | accuracy |",
        "|---" * 8 + "|",
    ]
    first = results[0]
    for one in results:
        less = first["encoder_parameters"] / one["encoder_parameters"]
        cells = [
            f"{one['parameters'] / 1e6:.2f} M",
            f"{one['encoder_parameters'] / 1e6:.2f} M ({less:.2f} x less)",
            f"{one['file_megabytes']:.1f}",
            f"{one['flops'] / 1e6:,.0f}",
            f"{one['latency_1']:.1f} ({one['latency_1_less']:.2f} x less)",
            f"{one['latency_32']:.0f} ({one['latency_32_less']:.2f} x less)",
            f"{one['metrics']['accuracy']:.4f}",
        ]
        lines.append(f"| {one['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 rows a split and one epoch: shows that it works")
    parser.add_argument(
        "--sizes", nargs="+", choices=list(SIZES), default=["4 x 512"], help="layers x neurons (4 x 512)"
    )
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help="how; all if left out")
    parser.add_argument(
        "--acts", nargs="*", choices=list(ACTS), default=[], help="further acts on the last side (none)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the smaller models (0 1 2)")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="what is scored (test)")
    parser.add_argument("--folder", type=Path, help="where the runs are kept, to go on from; nowhere if left out")
    parser.add_argument("--epochs", type=float, nargs=2, default=[2, 3], help="of the whole and of the smaller (2 3)")
    parser.add_argument("--rate", type=float, default=1e-4, help="the learning rate (1e-4)")
    parser.add_argument("--float32", action="store_true", help="train in 32 bits, not in bfloat16")
    parser.add_argument("--rounds", type=int, default=20, help="how often 32 rows are timed; one row four times that")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add each model's figures to")
    parser.add_argument("--picture", type=Path, help="an SVG to draw accuracy against latency into")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark; runs that an earlier call made in the folder are not made again."""
    given = _asked(arguments)
    if not DATA.is_dir():
        print(f"skipped: no {DATA}")
        return
    torch.set_num_threads(given.threads)
    rows, epochs = (200, (1, 1)) if given.quick else (None, given.epochs)
    rounds = 2 if given.quick else given.rounds
    protocol = Protocol(rows, *epochs, rounds, not given.float32, given.rate)
    with tempfile.TemporaryDirectory() as path:
        folder = given.folder or Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, protocol)
        results = list(_measure(folder, protocol, given))
        with (folder / f"reviews-{given.split}.csv").open(encoding="utf-8", newline="") as stream:
            texts = list(csv.DictReader(stream))
        maker = Maker(folder, protocol)
        made = maker.smaller(given.sizes[0], given.sides[-1], given.seeds[0], maker.teacher(0))
        show([Row("plain transformers, the last side", round(plain(made, texts), 4), "accuracy")], given.json)
    if not given.json:
        print(table(results))
    if given.picture:
        given.picture.write_text(_drawn(results), encoding="utf-8")
    show(machine(), given.json)


def _measure(folder: Path, protocol: Protocol, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    maker = Maker(folder, protocol)
    models = {"whole": maker.teacher(0)}
    for side in given.sides:
        for size in given.sizes:
            for seed in given.seeds if side != "cut" else given.seeds[:1]:
                models[f"{size}, {side}, seed {seed}"] = maker.smaller(size, side, seed, models["whole"])
    for act in given.acts:
        size, side, seed = given.sizes[0], given.sides[-1], given.seeds[0]
        models[f"{size}, {side}, seed {seed}, {act}"] = maker.smaller(size, side, seed, models["whole"], act)
    scores = {name: scored(run, given.split) for name, run in models.items()}
    for row, told in compared(models, scores, protocol.rounds):
        show([row], given.json)
        if given.results:
            with given.results.open("a") as stream:
                stream.write(json.dumps(told) + "\n")
        yield told


def _drawn(results: Sequence[Mapping[str, Any]]) -> str:
    """Draws accuracy against latency, but for what was only cut; what all have in their names is left out."""
    results = [one for one in results if ", cut" not in one["name"]]
    common = set.intersection(*(set(one["name"].split(", ")) for one in results[1:]))
    named = [
        one | {"name": ", ".join(part for part in one["name"].split(", ") if part not in common)} for one in results
    ]
    return picture([Figures.from_dict(one) for one in named], "accuracy")


if __name__ == "__main__":
    main()
