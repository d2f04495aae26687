"""What the command `reproduce` does: train a run again, and tell how the two compare."""

from __future__ import annotations

import json
import os

import click

from consilience.cli._learn import say, stoppable
from consilience.cli._quiet import quiet

__all__ = ["reproduce_run"]


def reproduce_run(path: str, runs: str | None, tolerance: float, as_json: bool) -> None:
    """Runs a run again, and prints the comparison; ends with 1 where something differs beyond the tolerance."""
    quiet()
    from consilience.evidence import reproduce

    with stoppable():
        found = reproduce(path, runs, tolerance, announce=say)
    if os.environ.get("RANK", "0") == "0":  # of the processes of a launcher, one tells
        click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else found.to_text())
    if not found.is_reproduced:
        raise SystemExit(1)
