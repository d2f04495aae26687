"""What `consilience graph` does: draws a fusion, whole or broken, and tells what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import click

from consilience.errors import Diagnostic, RunError
from consilience.plan import Survey, survey

if TYPE_CHECKING:
    from consilience.plan.drawing import Parameters

__all__ = ["Counting", "draw_file"]

_FORMS = {
    ".html": "html",
    ".htm": "html",
    ".svg": "svg",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".md": "mermaid",
    ".txt": "mermaid",
    "": "mermaid",
}
"""The form of a drawing by the suffix of its file."""

_PATIENCE = 2.0
"""The seconds after which somebody wants to know what takes so long."""


class Counting(StrEnum):
    """Whether the modules' parameters are counted, for which they must be built."""

    NONE = "none"
    PARAMETERS = "parameters"


def draw_file(file: str, form: str | None, output: str | None, counting: Counting = Counting.NONE) -> None:
    """Draws a file, to standard output or into another file, whose suffix tells the form unless one is given.

    A broken file is drawn too, as far as it can be understood; its faults are told, and the exit code is 1.
    """
    form = form or _form_of(output)
    if counting is Counting.PARAMETERS and form != "html":
        raise click.UsageError("--parameters are shown on a page alone: add --format html")
    found = survey(file)
    doing = "counting and drawing" if counting is Counting.PARAMETERS else "drawing"
    with _progress(f"{file}: {doing} {len(found.plan.nodes):,} nodes"):
        counts = _parameters(found, counting)
        text = _drawn(found, form, counts)
    for line in _by_discipline(found, counts):
        click.echo(line, err=True)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(text, output)
    if found.diagnostics:
        from consilience.cli._tell import tell

        tell(found.diagnostics)
    if found.errors:
        click.get_current_context().exit(1)


def _by_discipline(found: Survey, counts: Mapping[str, Parameters]) -> Iterator[str]:
    """Says how many parameters the modules of each discipline have."""
    if not counts:
        return
    from consilience.fuse import count_by_discipline

    for name, share in count_by_discipline(found.plan, counts).items():
        added = f", {share.added:,} of them added by tuners" if share.added else ""
        yield f"{name}: {share.trained:,} parameters are trained and {share.frozen:,} are not{added}"


def _drawn(found: Survey, form: str, counts: Mapping[str, Parameters]) -> str:
    from consilience.plan.drawing import to_html, to_mermaid, to_svg

    if form == "html":
        return to_html(found.plan, found.diagnostics, counts)
    return (to_svg if form == "svg" else to_mermaid)(found.plan, found.diagnostics)


def _parameters(found: Survey, counting: Counting) -> Mapping[str, Parameters]:
    if counting is Counting.NONE or found.errors:  # what has errors cannot be built
        return {}
    from consilience.fuse import count_parameters

    return count_parameters(found.plan)


def _form_of(output: str | None) -> str:
    suffix = Path(output).suffix.lower() if output is not None else ""
    if suffix not in _FORMS:
        fix = f"--output {Path(str(output)).with_suffix('.svg')}"
        raise RunError(Diagnostic("CN709", ("output",), str(output), "a name that ends in .html, .svg or .mmd", fix))
    return _FORMS[suffix]


def _write(text: str, output: str) -> None:
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        fix = f"--output graph{Path(output).suffix}"
        raise RunError(Diagnostic("CN709", ("output",), found, "a file that can be written", fix)) from None


@contextmanager
def _progress(doing: str) -> Iterator[None]:
    """Says on standard error what is being done, when it takes long."""
    timer = Timer(_PATIENCE, click.echo, (f"{doing} ...",), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
