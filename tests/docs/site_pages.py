"""The pages of a built site: what is in them, where they lead, and what they load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LINKS = {"a": "href", "form": "action"}
PARTS = {"link": "href", "script": "src", "img": "src", "source": "srcset"}


@dataclass
class Page(HTMLParser):
    """What a page has: the anchors in it, where it leads, and the files that it loads."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.source = self.path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {name for name in (given.get("id"), given.get("name")) if name}
        for table, found in ((LINKS, self.links), (PARTS, self.parts)):
            if target := given.get(table.get(tag, "")):
                found.append(target)

    def handle_data(self, data: str) -> None:
        self.text += data

    def at(self, target: str) -> tuple[Path, str]:
        """Gives the file that a link leads to, and the anchor in it."""
        parts = urlsplit(target)
        file = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return file, unquote(parts.fragment)


Site = Mapping[Path, Page]


def read(folder: Path) -> Site:
    """Reads every page of a site."""
    return {path: Page(path) for path in sorted(folder.resolve().rglob("*.html"))}


def is_elsewhere(target: str) -> bool:
    return bool(urlsplit(target).scheme or urlsplit(target).netloc)


def dead(site: Site) -> list[str]:
    """Lists the links, and the files to load, that lead to no file or to no anchor of the page."""
    found = []
    for page in site.values():
        for target in (target for target in (*page.links, *page.parts) if not is_elsewhere(target)):
            file, anchor = page.at(target)
            known = site[file].ids if file in site else set()
            if not file.is_file() or (anchor and file in site and anchor not in known):
                found.append(f"{page.path.name}: {target}")
    return found


def reached(site: Site, start: Path) -> set[Path]:
    """Follows the links from a page."""
    seen, waiting = {start}, [start]
    while waiting:
        page = site[waiting.pop()]
        files = {page.at(target)[0] for target in page.links if not is_elsewhere(target)} & set(site)
        waiting += files - seen
        seen |= files
    return seen
