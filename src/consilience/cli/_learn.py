"""What the commands do that learn and measure: train, evaluate."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from consilience.cli._quiet import quiet
from consilience.cli._tell import tell
from consilience.errors import Diagnostic, RunError

if TYPE_CHECKING:
    from consilience.evidence import ChangedData

__all__ = ["evaluate_run", "report_course", "say", "stoppable", "train_file"]


def say(text: str) -> None:
    """Tells the user, on standard error, what goes on."""
    click.echo(text, err=True)


@contextmanager
def stoppable() -> Iterator[None]:
    """Says how a training goes on that a signal stopped, and ends with the signal's exit code."""
    from consilience.train import Interrupted

    try:
        yield
    except Interrupted as stopped:
        say(str(stopped))
        click.get_current_context().exit(stopped.exit_code)


def train_file(file: str | None, runs: str, resume: str | None, accept: tuple[str, ...]) -> None:
    """Trains a file, or goes on with a run, and prints where the run lies."""
    from consilience.plan import check

    if file is None and resume is None:
        raise click.UsageError("Missing argument 'FILE'; or --resume RUN, which has its own.")
    if accept and resume is None:
        raise click.UsageError("--accept goes with --resume RUN: a new run has nothing that it began with.")
    plan = check(file) if file is not None else None  # before torch is imported: a fault is told at once
    if plan is not None and plan.warnings:
        tell(plan.warnings)
    quiet()
    from consilience.train import train

    with stoppable():
        run = train(plan, runs, announce=say, resume=resume, accept=accept)
    if os.environ.get("RANK", "0") == "0":  # of the processes of a launcher, one tells
        click.echo(str(run.path))


def evaluate_run(path: str, split: str, as_json: bool, changed_data: ChangedData) -> None:
    """Evaluates a run, and prints the report."""
    quiet()
    from consilience.evidence import evaluate
    from consilience.train import Run

    run = Run.open(path)
    report = evaluate(run, split, announce=say, changed_data=changed_data)
    click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if as_json else report.to_text())
    say(f"kept in {run.path / f'report-{split}.json'}")


def report_course(path: str) -> None:
    """Draws the course of a run into it, and prints where."""
    from consilience.train import draw_course

    drawn = draw_course(path)
    if drawn is None:
        fix = "consilience train FILE  # prints the directory of its run"
        raise RunError(Diagnostic("CN704", (), f"{path}: no log of losses in it", "the directory of a run", fix))
    click.echo(str(drawn))
