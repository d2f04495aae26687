"""Tells diagnostics to people: each with an excerpt of what it is about, in colours where a terminal shows them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import click

from consilience.cli._excerpt import WIDTH, Excerpt, Sources, printable
from consilience.errors import Diagnostic, Place, Severity

__all__ = ["count", "has_colours", "render", "tell"]

Paint = Callable[[str, str], str]
"""Gives a text in the colour of its role."""

_ROLES: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "where": {"bold": True},
    "margin": {"fg": "blue"},
    "label": {"fg": "cyan"},
}


def tell(diagnostics: Sequence[Diagnostic], texts: Mapping[str, str] | None = None) -> None:
    """Writes diagnostics to standard error, and how many they are."""
    colour = has_colours(sys.stderr)
    told = render(diagnostics, texts, has_colours=colour)
    click.echo(f"{told}\n\n{count(diagnostics)}", err=True, color=colour)


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str] | None = None, *, has_colours: bool) -> str:
    """Writes diagnostics as text; `texts` gives what lies in no file, by the name that its places carry."""
    sources = Sources(texts)
    paint: Paint = _coloured if has_colours else _plain
    return "\n\n".join(_Telling(item, sources, paint).text() for item in diagnostics)


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """Counts errors and warnings: `3 errors, 1 warning`."""
    severities = [item.severity for item in diagnostics]
    numbers = {severity: severities.count(severity) for severity in Severity}
    return ", ".join(f"{number} {word}{'s'[: number > 1]}" for word, number in numbers.items() if number)


def has_colours(stream: IO[str]) -> bool:
    """Tells whether a stream shows colours: a terminal does, unless `NO_COLOR` is set; any, if `FORCE_COLOR` is."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@dataclass(frozen=True)
class _Telling:
    """One diagnostic on its way to a reader."""

    item: Diagnostic
    sources: Sources
    paint: Paint

    def text(self) -> str:
        item, paint = self.item, self.paint
        head = f"{paint(f'{item.severity} {item.code}', item.severity)} at {paint(printable(item.where), 'where')}"
        is_whole = not item.path and item.place is not None and (item.place.line, item.place.column) == (1, 1)
        lines = [head + self.position(item.place)]
        if not is_whole:  # the first line says nothing of the file as a whole
            lines += self.excerpt(item.place, item.severity)
        for label in ("found", "expected", "fix"):
            shown = printable(getattr(item, label)).replace("\n", "\n" + " " * 12)
            lines.append(f"  {paint(label, 'label')}{' ' * (10 - len(label))}{shown}")
        for related in item.related:
            where = f": {printable(related.where)}" if related.path else ""
            lines.append(f"  {paint(printable(related.message), 'label')}{where}{self.position(related.place)}")
            lines += self.excerpt(related.place, "label")
        return "\n".join(lines)

    def position(self, place: Place | None) -> str:
        return f" ({printable(place.file)}:{place.line}:{place.column})" if place else ""

    def excerpt(self, place: Place | None, role: str) -> list[str]:
        line = self.sources.line(place) if place else None
        if place is None or line is None or not line.strip():
            return []
        margin = f"{place.line:>5} | "
        shown = Excerpt.of(line, place, WIDTH - len(margin))
        until = f" to line {shown.last_line}" if shown.last_line else ""
        blank = " " * (len(margin) - 2) + "| "
        return [
            f"{self.paint(margin, 'margin')}{shown.before}{self.paint(shown.marked, role)}{shown.after}".rstrip(),
            f"{self.paint(blank, 'margin')}{shown.margin}{self.paint(shown.carets + until, role)}",
        ]


def _plain(text: str, role: str) -> str:
    return text


def _coloured(text: str, role: str) -> str:
    return click.style(text, **_ROLES[role]) if text else text
