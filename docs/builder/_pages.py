"""Gathers the Markdown pages of the repository as the pages of the site.

On a plain code host the pages stand where they are written, the README at the top and those of the disciplines beside
their code. On the site all of them have a place below its front page, and their links are written anew.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from docs.builder._navigation import toctrees
from docs.builder._offers import of_kind

__all__ = ["ROOT", "gathered", "homes", "write"]

ROOT = Path(__file__).parents[2]

_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^### (CN\d{3}) ", re.MULTILINE)
_FILE = re.compile(r"^<!-- file: (\S+) -->\n((?:<!-- .* -->\n)*)```(\w+)\n", re.MULTILINE)


def homes() -> dict[Path, str]:
    """Tells for each Markdown page of the repository the name of its page on the site."""
    found = {ROOT / "README.md": "index", ROOT / "docs/index.md": "pages"}
    found |= {ROOT / f"{name}.md": name.lower() for name in ("CONTRIBUTING", "CHANGELOG")}
    found |= {page: f"disciplines/{page.parent.name}" for page in sorted(ROOT.glob("plugins/*/README.md"))}
    found |= {page: f"examples/{page.parent.name}" for page in sorted(ROOT.glob("examples/*/README.md"))}
    for page in sorted((ROOT / "docs").rglob("*.md")):
        inside = page.relative_to(ROOT / "docs")
        if not inside.parts[0].startswith("_"):
            found.setdefault(page, str(inside.with_suffix("")))
    return found


def gathered() -> dict[str, str]:
    """Gives the text of every page by its name on the site."""
    places = homes()
    pages = {name: _rewritten(page, name, places) for page, name in places.items()}
    for name in [name for name in pages if name.startswith("kinds/")]:
        pages[name] += of_kind(name.removeprefix("kinds/"))
    for name, tree in toctrees(set(pages)).items():
        pages[name] += tree
    return pages


def write(pages: Mapping[str, str], folder: Path) -> None:
    """Writes the pages, and the files that they show or link to, in the place of what the folder held."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in pages.items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for source, kept in _files().items():
        (folder / kept).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / kept)


def _files() -> dict[Path, str]:
    """Lists the files beside the pages that a page shows or links to, with their places on the site."""
    places = homes()
    targets = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in places
        for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
        if not target.startswith(("https://", "#"))
    }
    return {path: _kept(path) for path in sorted(targets) if path.is_file() and path not in places}


def _kept(path: Path) -> str:
    # Markdown that is no page is shown as it is written.
    return f"files/{path.relative_to(ROOT)}" + (".txt" if path.suffix == ".md" else "")


def _rewritten(page: Path, name: str, places: Mapping[Path, str]) -> str:
    """Gives a page's text with links that hold on the site; the number of its lines may change."""

    def target(link: re.Match[str]) -> str:
        file, mark, anchor = link[1].partition("#")
        if link[1].startswith("https://") or not file:
            return link[1]
        path = (page.parent / file).resolve()
        if not path.exists():
            return link[1]  # for Sphinx to tell of
        home = f"{places[path]}.md" if path in places else _kept(path)
        return os.path.relpath(home, Path(name).parent) + mark + anchor

    text = _FILE.sub(_captioned, page.read_text(encoding="utf-8"))
    parts = _FENCE.split(text)
    parts[::2] = [_CODE.sub(lambda found: f"({found[1].lower()})=\n{found[0]}", part) for part in parts[::2]]
    parts[::2] = [_LINK.sub(target, part) for part in parts[::2]]
    return "".join(parts)


def _captioned(block: re.Match[str]) -> str:
    """Shows above a block the name of the file that it is."""
    return f"{block[2]}```{{code-block}} {block[3]}\n:caption: {block[1]}\n\n"
