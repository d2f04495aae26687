"""What `consilience explain` does: a code's meaning, or the list of all codes."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Mapping
from difflib import SequenceMatcher
from itertools import groupby

import click

from consilience.cli._codes import Meaning, meanings
from consilience.cli._tell import has_colours
from consilience.errors import DeclarationError, Diagnostic

__all__ = ["explain_code"]

WIDTH = 100
"""How wide an explanation is at most: a longer line is tiring to read."""

_CODE_SPAN = re.compile(r"`([^`]+)`")


def explain_code(code: str | None) -> None:
    """Prints what a code means, or all codes with their titles."""
    known = meanings()
    if not known:
        fix = "pip install --force-reinstall consilience"
        raise DeclarationError(Diagnostic("CN601", (), "no page of diagnostics", "the page that comes along", fix))
    if code is None:
        click.echo(_listed(known))
    elif code.upper() in known:
        colour = has_colours(sys.stdout)
        click.echo(_explained(known[code.upper()], colour), color=colour)
    elif re.fullmatch(r"CN\d*", code.upper()) or not _is_foreign(code):
        raise click.BadParameter(_advice(code.upper(), known), param_hint="CODE")
    else:
        click.echo(_foreign(code), err=True)
        click.get_current_context().exit(1)


def _explained(meaning: Meaning, has_colour: bool) -> str:
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)
    head = f"{meaning.code} {meaning.title}"
    parts = [textwrap.fill(part, width, break_long_words=False, break_on_hyphens=False) for part in meaning.paragraphs]
    if has_colour:
        head = click.style(head, bold=True)
        parts = [_CODE_SPAN.sub(lambda span: click.style(span[1], fg="cyan"), part) for part in parts]
    return "\n\n".join([head, *parts])


def _listed(known: Mapping[str, Meaning]) -> str:
    parts = []
    for subject, group in groupby(known.values(), lambda meaning: meaning.subject):
        parts.append("\n".join([subject, *(f"  {meaning.code}  {meaning.title}" for meaning in group)]))
    return "\n\n".join(parts)


def _advice(code: str, known: Mapping[str, Meaning]) -> str:
    near = sorted(known, key=lambda name: (-SequenceMatcher(None, code, name).ratio(), _distance(code, name)))[:3]
    shown = "\n".join(f"  {name}  {known[name].title}" for name in sorted(near))
    return f"{code} is no code. The nearest are\n{shown}\n`consilience explain` lists them all."


def _distance(code: str, other: str) -> int:
    return abs(int(re.sub(r"\D", "", code) or 0) - int(re.sub(r"\D", "", other) or 0))


def _is_foreign(code: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z_.-]*\d+", code) is not None


def _foreign(code: str) -> str:
    """Says which plugin a code may be of: its prefix is like a namespace."""
    from consilience.host import claims

    prefix = re.sub(r"[\d_.-]+$", "", code).lower()
    claimed = {
        name: of_name for name, of_name in claims().items() if prefix in (name.lower(), name.lower()[: len(prefix)])
    }
    if not claimed:
        return f"{code} is no code of Consilience, and no installed plugin has a name that begins with {prefix}."
    named = " or ".join(
        f"{name} ({' '.join(part for part in (claim.distribution, claim.version) if part)})"
        for name, [claim, *_] in claimed.items()
    )
    return f"{code} is no code of Consilience. The plugin {named} may tell it, and explains it in its own pages."
