"""What the command does that needs no torch: check."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from enum import StrEnum

import click

from consilience.cli._report import Report
from consilience.errors import ConsilienceError, DeclarationError, Diagnostic, sort_diagnostics
from consilience.plan import Plan, survey

__all__ = ["Reading", "check_files", "summary"]

_COUNTED = {"inputs": "input", "modules": "module", "losses": "loss", "metrics": "metric"}


class Reading(StrEnum):
    """How much of a fusion a check reads: the file alone, or the data of its sources too."""

    FILE = "file"
    DATA = "data"


def check_files(files: Sequence[str], form: str, reading: Reading = Reading.FILE) -> None:
    """Checks files, and tells what each is, or its faults; exits with 1 when one has errors."""
    with redirect_stdout(sys.stderr):  # what a plugin prints must not stand before the report
        reports = [_report(file, reading) for file in dict.fromkeys(files)]
    if form == "text":
        for report in reports:
            if report.plan is not None:
                click.echo(summary(report.plan, report.warnings))
        _tell([item for report in reports for item in report.diagnostics])
    elif written := _written_as(form, reports):
        click.echo(written)
    if any(report.errors for report in reports):
        click.get_current_context().exit(1)


def _report(file: str, reading: Reading) -> Report:
    try:
        found = survey(file)
    except DeclarationError as error:
        return Report(file, error.diagnostics)
    if found.errors:
        return Report(file, found.diagnostics)
    if reading is Reading.FILE:
        return Report(file, found.diagnostics, found.plan)
    report = Report(file, tuple(sort_diagnostics([*found.diagnostics, *_faults_of_data(file, found.plan)])), found.plan)
    return replace(report, plan=None) if report.errors else report


def _faults_of_data(file: str, plan: Plan) -> tuple[Diagnostic, ...]:
    from consilience.data import examine

    click.echo(f"{file}: reading the data", err=True)
    try:
        return examine(plan)
    except ConsilienceError as error:
        return error.diagnostics


def _written_as(form: str, reports: Sequence[Report]) -> str:
    if form == "sarif":
        from consilience.cli._sarif import to_sarif

        return to_sarif(reports)
    from consilience.cli._machines import to_github, to_json

    return to_json(reports) if form == "json" else to_github(reports)


def _tell(diagnostics: Sequence[Diagnostic]) -> None:
    if diagnostics:
        from consilience.cli._tell import tell

        tell(diagnostics)


def summary(plan: Plan, warnings: int = 0) -> str:
    """Says in two lines what a fusion is made of: nodes, plugins, losses, their weights and what changes those."""
    counts = Counter(node.section for node in plan.nodes.values())
    nodes = ", ".join(_count(counts[section], word) for section, word in _COUNTED.items() if counts[section])
    plugins = f", with {', '.join(plan.namespaces)}" if plan.namespaces else ""
    losses = ", ".join(f"{plan.weight(name):g} {name} ({plan.nodes[name].discipline})" for name in plan.fusion.losses)
    if plan.balancer.varies:
        losses += f"; balance {plan.fusion.objective.balance['use']}"
    if plan.fusion.objective.schedules:
        losses += f"; schedules of {', '.join(plan.fusion.objective.schedules)}"
    what = "no error" if warnings else "no fault"
    return f"{plan.fusion.name}: {what} in {nodes}{plugins}\n  objective  {losses}"


def _count(number: int, word: str) -> str:
    plural = f"{word}es" if word.endswith("s") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"
