"""What `consilience demo` does: the film reviews, fused, against the same file taught by the labels alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import consilience
from consilience.cli._check import summary
from consilience.cli._learn import say, stoppable
from consilience.cli._quiet import quiet
from consilience.declare import Fusion
from consilience.errors import DeclarationError, Diagnostic
from consilience.plan import Plan, check, reduced

if TYPE_CHECKING:
    from consilience.evidence import Report
    from consilience.train import Run

__all__ = ["alone", "example", "run_demo"]

_NAME = "film-reviews"
_NOT_INSTALLED = ("CN202", "CN602")
"""The codes of a plugin, and of a package of data, that is not installed."""
_FUSED, _ALONE = "fused", "labels alone"


def run_demo(runs: str, seeds: int) -> None:
    """Checks, draws, trains and evaluates the example and its twin, for each seed; prints both side by side."""
    started = time.monotonic()
    plan = _checked(example())
    click.echo(summary(plan))
    quiet()
    from consilience.evidence import compare

    first = plan.fusion.train.seed
    reports: dict[str, list[Report]] = {_FUSED: [], _ALONE: []}
    labelled = alone(plan)
    told = ""
    for seed in range(first, first + seeds):
        fused = _learn(_FUSED, _with(plan.fusion, seed=seed), runs, reports)
        fair = _as_many_labels(plan.fusion, labelled, fused.record["training"])
        _learn(_ALONE, _with(labelled, seed=seed, **fair), runs, reports)
        told = told or _difference(plan.fusion.train.batch_size, fair)
    for name, of_name in reports.items():
        click.echo(f"\n{name}, seed {first}\n\n{of_name[0].to_text()}")
    over = f"; mean ± standard deviation over {seeds} seeds" if seeds > 1 else f", seed {first}"
    click.echo(f"\non {reports[_FUSED][0].rows:,} held-out reviews{over}")
    click.echo(f"\n{compare(reports).to_text()}\n\n{told}\n\nruns")
    for name, of_name in reports.items():
        for report in of_name:
            click.echo(f"  {name:<14}seed {report.seed}  {report.run}")
    say(f"in all {time.monotonic() - started:.0f} s")


def example() -> Path:
    """Finds the example's file: inside the installed package, or in the repository of an editable install."""
    package = Path(str(consilience.__file__)).parent
    folders = [package / "examples", package.parents[1] / "examples"]
    for folder in folders:
        if (folder / _NAME / "fusion.yaml").is_file():
            return folder / _NAME / "fusion.yaml"
    found = f"no {_NAME}/fusion.yaml in {' or '.join(map(str, folders))}"
    fix = 'pip install --force-reinstall "consilience[demo]"'
    raise DeclarationError(Diagnostic("CN601", (), found, "the demo's files", fix))


def alone(plan: Plan) -> Fusion:
    """Gives the fusion taught by the labels of its sources alone: the losses whose target is a field."""
    named = [name for name in plan.fusion.losses if (target := plan.target_of(name)) and plan.field_of(target)]
    written = reduced(plan, named).to_dict()
    return Fusion(base=plan.fusion.base, **(written | {"name": f"{plan.fusion.name}-alone"}))


def _checked(file: Path) -> Plan:
    try:
        return check(file)
    except DeclarationError as error:
        absent = [item.path[-1] for item in error.diagnostics if item.code in _NOT_INSTALLED]
        if not absent:
            raise
        found = f"{len(absent)} plugins or packages that the demo uses are not installed"
        fix = 'pip install "consilience[demo]"'
        advice = Diagnostic("CN214", (), found, "the four disciplines, the reviews and the encoder", fix)
        raise DeclarationError([*error.diagnostics, advice]) from None


def _with(fusion: Fusion, **settings: Any) -> Fusion:
    """Gives the fusion with other training settings; the same object, with its text, when nothing changes."""
    now = fusion.train.model_dump()
    if all(key in now and now[key] == value for key, value in settings.items()):
        return fusion
    written = fusion.to_dict()
    written["train"] = written.get("train", {}) | settings
    return Fusion(base=fusion.base, **written)


def _learn(name: str, fusion: Fusion, runs: str, reports: dict[str, list[Report]]) -> Run:
    from consilience.evidence import evaluate
    from consilience.plan import to_svg
    from consilience.train import train

    say(f"\n{name}, seed {fusion.train.seed}")
    plan = check(fusion)
    with stoppable():
        run = train(plan, runs, announce=say)
    drawing = run.path / "graph.svg"
    drawing.write_text(to_svg(plan), encoding="utf-8")
    say(f"graph drawn in {drawing}")
    report = evaluate(run, "test", announce=say)
    reports[name].append(report)
    metrics = ", ".join(f"{key} {value:.4f}" for key, value in report.metrics.items() if isinstance(value, float))
    say(f"test: {metrics}")
    return run


def _as_many_labels(fused: Fusion, twin: Fusion, training: dict[str, Any]) -> dict[str, int]:
    """Gives the steps and the batch size with which the twin sees each labelled row as often as the fused model did."""
    rows: dict[str, int] = training["training_rows"]
    share = sum(rows[name] for name in twin.sources) / sum(rows.values())
    return {"max_steps": training["steps"], "batch_size": max(1, round(fused.train.batch_size * share))}


def _difference(batch_size: int, fair: dict[str, int]) -> str:
    """Says what the twin differs in, beside its losses."""
    return (
        f"'{_ALONE}' keeps the losses whose target is a field, and what they read. "
        f"Both take {fair['max_steps']:,} steps,\n"
        f"'{_FUSED}' with {batch_size} rows each, '{_ALONE}' with {fair['batch_size']}: the labelled share of those,\n"
        f"so that both see each labelled row about as often."
    )
