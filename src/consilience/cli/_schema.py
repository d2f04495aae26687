"""What the command `schema` does."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from consilience.errors import DeclarationError, Diagnostic, RunError
from consilience.host import default_registry, schema

__all__ = ["write_schema"]


def write_schema(output: str | None) -> None:
    """Writes the schema to standard output or into a file; then tells, and raises, what plugins at fault leave out."""
    with redirect_stdout(sys.stderr):  # what a plugin prints must not stand before the schema
        registry = default_registry()
        broken = [info for info in registry.plugins() if info.fault is not None]
        text = json.dumps(schema(registry), indent=1, ensure_ascii=False)
    if output is None:
        click.echo(text)
    else:
        _write(output, text + "\n")
    if broken:
        names = ", ".join(info.namespace for info in broken)
        click.echo(f"the schema lacks what these plugins at fault would offer: {names}", err=True)
        raise DeclarationError(info.fault for info in broken if info.fault is not None)


def _write(output: str, text: str) -> None:
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        fix = "--output fusion.schema.json"
        raise RunError(Diagnostic("CN709", ("output",), found, "a file that can be written", fix)) from None
