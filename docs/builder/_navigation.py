"""The order of the pages in the navigation of the site."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["toctrees"]

SECTIONS = {
    "Use": (
        "concepts",
        "fusion-file",
        "python-api",
        "command-line",
        "looking-at-a-fusion",
        "editors",
        "how-to/index",
    ),
    "Write a plugin": (
        "first-discipline",
        "first-plugin",
        "kinds/index",
        "hooks",
        "conformance",
        "contract",
        "quality",
        "examples/*",
    ),
    "Reference": ("components/index", "api/index", "diagnostics", "fault-classes", "glossary"),
    "Disciplines": ("disciplines/*",),
    "Project": ("architecture", "soundness", "benchmarks", "contributing", "changelog", "pages"),
}
"""The sections of the navigation, and their pages in order; a page that is not there yet is passed over."""

KINDS = ("resource", "source", "input", "module", "loss", "metric", "tuner", "balancer")
WRITTEN = {"components/index", "api/index"}
"""The pages that are written from declarations and docstrings."""


def toctrees(pages: set[str]) -> dict[str, str]:
    """Gives, for each page that leads to others, the toctrees to add to it; no page is left out."""
    known = {page for page in pages if page != "index"}
    listed = {caption: list(_expanded(wanted, known | WRITTEN)) for caption, wanted in SECTIONS.items()}
    inside = {"kinds/index": [f"kinds/{kind}" for kind in KINDS], "how-to/index": _inside("how-to/", known)}
    placed = {page for names in (*listed.values(), *inside.values()) for page in names}
    listed["Project"] += sorted(known - placed)
    front = "".join(toctree(names, caption) for caption, names in listed.items())
    return {"index": front} | {page: toctree(names) for page, names in inside.items() if page in known}


def toctree(pages: Iterable[str], caption: str = "") -> str:
    """Writes a toctree of pages by their names from the top."""
    options = [f":caption: {caption}"] if caption else []
    lines = ["```{toctree}", ":hidden:", *options, "", *(f"/{page}" for page in pages), "```"]
    return "\n" + "\n".join(lines) + "\n"


def _expanded(wanted: Iterable[str], known: set[str]) -> Iterable[str]:
    for page in wanted:
        yield from _inside(page.removesuffix("*"), known) if page.endswith("*") else [page] if page in known else []


def _inside(folder: str, known: set[str]) -> list[str]:
    return sorted(page for page in known if page.startswith(folder) and not page.endswith("/index"))
