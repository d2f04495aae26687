"""The page of diagnostics, as the command reads it: what each code means, and how it is mended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import consilience

__all__ = ["PAGE", "Meaning", "meanings"]

PAGE = "docs/diagnostics.md"

_HEADING = re.compile(r"^(##|###) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Meaning:
    """One code's heading and paragraphs."""

    code: str
    title: str
    subject: str
    """The heading that it stands under: `Wiring and types`."""
    markdown: str

    @property
    def anchor(self) -> str:
        """The code's heading, as a link in the page leads to it."""
        heading = re.sub(r"[^\w -]", "", f"{self.code} {self.title}".lower())
        return f"{PAGE}#{heading.replace(' ', '-')}"

    @property
    def paragraphs(self) -> list[str]:
        """The paragraphs, each in one line and without links; how to mend begins one of its own."""
        text = re.sub(r"\s+Mend:", "\n\nMend:", _LINK.sub(r"\1", self.markdown))
        return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


@cache
def meanings() -> Mapping[str, Meaning]:
    """Reads the page: every code with its meaning; none where the page is not installed."""
    package = Path(str(consilience.__file__)).parent
    for folder in (package, package.parents[1]):  # the installed package, or the repository of an editable install
        if (folder / PAGE).is_file():
            return _read((folder / PAGE).read_text(encoding="utf-8"))
    return {}


def _read(page: str) -> Mapping[str, Meaning]:
    found: dict[str, Meaning] = {}
    subject = ""
    _, *parts = _HEADING.split(page)
    for level, heading, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if level == "##":
            subject = heading
            continue
        code, _, title = heading.partition(" ")
        found[code] = Meaning(code, title, subject, text.strip())
    return found
