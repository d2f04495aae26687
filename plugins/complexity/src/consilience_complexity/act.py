"""Compresses a run: makes the smaller one, measures both, and keeps the comparison in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consilience.declare import Diagnostic, RunError, Workshop
from consilience_complexity.comparison import Figures, figures, picture, table
from consilience_complexity.compression import Asked, shrink

__all__ = ["COMPARISON", "Compressed", "asked_of", "compress_run"]

COMPARISON, PICTURE = "compression.json", "pareto.svg"
_ROWS = 32
_ALL = 1_000_000


@dataclass(frozen=True)
class Compressed:
    """A run and the smaller one that was made of it, both measured on the same rows."""

    before: Figures
    after: Figures
    cut: Mapping[str, Any]
    split: str
    rows: int

    def to_text(self) -> str:
        """Gives what was cut, and the table."""
        lines = []
        for name, value in self.cut.items():
            if isinstance(value, tuple | list):
                lines.append(f"{name}: {value[0]:,} -> {value[1]:,}")
            elif name.startswith("heads that"):
                lines.append(f"{name}: {value:,} (this model of transformers has as many heads as its width says)")
            elif name.startswith("linear layers"):
                lines.append(
                    f"{name}: {value:,} (plain transformers loads whole matrices of floats that give the same)"
                )
        return "\n".join([*lines, "", f"{self.rows:,} rows of {self.split}", table(self.before, self.after)])

    def to_dict(self) -> dict[str, Any]:
        """Gives it as JSON holds it."""
        cut = {name: list(value) if isinstance(value, tuple) else value for name, value in self.cut.items()}
        told = {"before": self.before.to_dict(), "after": self.after.to_dict()}
        return {"cut": cut, "split": self.split, "rows": self.rows, **told}


def compress_run(
    workshop: Workshop, run: Any, runs: str | None, split: str, options: Mapping[str, Any]
) -> tuple[Any, Compressed]:
    """Makes the smaller run, and gives it with the comparison, which it keeps beside a picture.

    Raises `RunError` with what is wrong with the options, the run, or what would be left.
    """
    asked = asked_of(workshop, run, options)
    cut: dict[str, Any] = {}
    made = workshop.derive(run, runs, "smaller", lambda model, folder: shrink(model, run.plan, folder, asked, cut))
    batch = workshop.batch(run, split, _ROWS)
    smaller_batch = workshop.batch(made, split, _ROWS)  # its tokens may have other numbers
    reports = [workshop.evaluate(each, split) for each in (run, made)]
    models = [each.model() for each in (run, made)]
    node = cut["node"]
    before, after = (
        replace(figures(name, model, model.nodes[node], rows, report.metrics), file_megabytes=_file_size(each))
        for name, model, rows, report, each in zip(
            ("before", "after"), models, (batch, smaller_batch), reports, (run, made), strict=True
        )
    )
    told = Compressed(before, after, cut, split, reports[0].rows)
    made.write_json(COMPARISON, {**told.to_dict(), "from": str(Path(run.path).resolve())})
    _draw(made, told)
    return made, told


def asked_of(workshop: Workshop, run: Any, options: Mapping[str, Any]) -> Asked:
    """Reads the options of the command; raises `RunError` (CN776) for layers that are no numbers."""
    layers = options.get("layers")
    tokens = None
    if options.get("tokens"):
        batch = workshop.batch(run, "train", _ALL)
        tokens = frozenset(
            int(token) for name, ids in batch.items() if name.endswith(".ids") for token in ids.unique().tolist()
        )
    return Asked(
        node=options.get("node"),
        layers=None if layers is None else _numbers(layers),
        neurons=options.get("neurons"),
        heads=options.get("heads"),
        below=options.get("below"),
        tokens=tokens,
        energy=options.get("low_rank"),
        rank=options.get("rank"),
        numbers="int8" if options.get("int8") else "float",
    )


def _file_size(run: Any) -> float:
    """Gives the MiB of the weight files of a run's model."""
    return round(sum(file.stat().st_size for file in (Path(run.path) / "model").glob("*.safetensors")) / 2**20, 3)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        fault = Diagnostic("CN776", (), f"--layers {text}", "numbers with commas between them", "--layers 0,2,4")
        raise RunError(fault) from None


def _draw(made: Any, told: Compressed) -> None:
    """Draws the two, and every other run beside them that was made of the same one."""
    known = [told.before, told.after, *_siblings(made)]
    metric = next(iter(set(told.before.metrics) & set(told.after.metrics)), None)
    if metric is not None:
        staged = made.path / f".{PICTURE}.part"
        staged.write_text(picture(known, metric), encoding="utf-8")
        staged.replace(made.path / PICTURE)


def _siblings(made: Any) -> Sequence[Figures]:
    origin = made.record["derived"]["from"]
    found = []
    for file in sorted(made.path.parent.glob(f"*/{COMPARISON}")):
        if file.parent == made.path:
            continue
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            if told["from"] == origin:
                found.append(Figures.from_dict(told["after"] | {"name": file.parent.name[-15:]}))
        except (OSError, ValueError, KeyError, TypeError):  # another's file, or a damaged one: no point of the picture
            continue
    return found
