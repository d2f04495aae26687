"""Runs the kit on installed plugins: `python -m consilience.testing psychology [--json]`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from consilience.testing._check import Status
from consilience.testing._run import run_conformance


@click.command()
@click.argument("namespaces", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Writes every outcome as one line of JSON.")
def main(namespaces: tuple[str, ...], as_json: bool) -> None:
    """Runs every check on the plugins of these namespaces; exits with 1 where one fails."""
    results = [run_conformance(namespace) for namespace in namespaces]
    for result in results:
        if as_json:
            for outcome in result.outcomes:
                click.echo(json.dumps({"namespace": result.namespace, **asdict(outcome)}))
        else:
            for outcome in result.of(Status.FAILED):
                click.echo(outcome.detail)
            click.echo(str(result))
            for outcome in result.of(Status.SKIPPED):
                click.echo(f"  skipped   {outcome.component or result.namespace} {outcome.check}: {outcome.detail}")
    sys.exit(not all(result.is_green for result in results))


if __name__ == "__main__":
    main()
