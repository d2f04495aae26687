"""Draws the course of a run: every series of its log over the steps, on one page that needs no network."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path

from consilience.train._runs._chart import chart
from consilience.train._runs._log import logged

__all__ = ["COURSE", "draw_course"]

COURSE = "course.html"
_VALIDATION = "eval_"
_TITLES = {
    "loss": "Losses",
    "share": "Shares of the disciplines",
    "weight": "Weights: what multiplied each loss",
    "balance": "What the balancer gave",
    "": "The objective",
    "metrics": "Validation: metrics",
    "grad_norm": "Norm of the gradient",
    "learning_rate": "Learning rate",
}
_LEFT_OUT = frozenset({"step", "epoch", "train_runtime", "train_samples_per_second", "train_steps_per_second"})
_NOT_A_COURSE = frozenset({"train_loss", "total_flos"})
_STYLE = """
:root { color-scheme: light dark; --ink: #222; --faint: #8888; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --paper: #181818; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 32rem), 1fr)); gap: 2rem; }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--ink); }
.grid { stroke: var(--faint); stroke-width: .5; }
ul { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .3rem 0 0; }
i { display: inline-block; width: .7rem; height: .7rem; margin-right: .35rem; border-radius: 2px; }
"""


def draw_course(run: str | os.PathLike[str]) -> Path | None:
    """Writes `course.html` into the directory of a run, finished or not: its losses, shares and metrics by step.

    Gives None where its log holds none of them yet.
    """
    run = Path(run)
    name = _name(run)
    groups = _groups(run)
    if not groups:
        return None
    drawn = [
        chart(_TITLES.get(group, group), series, frozenset(name for name in series if "validation" in name))
        for group, series in groups.items()
    ]
    page = (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{escape(name)}: the course of a run</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(name)}</h1><p>{escape(run.name)}: by optimizer step. A broken line with dots was measured on the"
        f" validation rows; the numbers are the last ones.</p><main>{''.join(drawn)}</main></html>"
    )
    staged = run / f".{COURSE}.part"
    staged.write_text(page, encoding="utf-8")
    return staged.replace(run / COURSE)


def _groups(run: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Sorts the series of a log into charts, by what stands before the slash of their names."""
    groups: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for line in logged(run):
        for name, value in line.items():
            if name in _LEFT_OUT or name in _NOT_A_COURSE or not isinstance(value, int | float):
                continue
            group, shown = _place(name)
            groups.setdefault(group, {}).setdefault(shown, []).append((int(line["step"]), float(value)))
    order = [*_TITLES, *sorted(groups.keys() - _TITLES.keys())]
    return {group: groups[group] for group in order if group in groups}


def _place(name: str) -> tuple[str, str]:
    """Gives the chart of a series, and its name there."""
    is_validation = name.startswith(_VALIDATION)
    plain = name.removeprefix(_VALIDATION)
    group, slash, own = plain.rpartition("/")
    shown = f"{own}, validation" if is_validation else own
    if slash:
        return group, shown
    if plain == "loss":
        return "", "weighted sum, validation" if is_validation else "weighted sum"
    return ("metrics", shown) if is_validation else (plain, plain)


def _name(run: Path) -> str:
    """Gives the name of the run's fusion, or of its directory where there is no record to tell it."""
    try:
        return str(json.loads((run / "record.json").read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return run.name
