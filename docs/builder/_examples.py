"""Finds a node of each component in the fusions that the pages show; the tests check each of those fusions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from docs.builder import _pages

__all__ = ["Example", "examples", "of_tables"]

_BLOCK = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^\| `(tune|balance)` \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
"""A table whose first column has values of a key."""
_VALUE = re.compile(r"`([^`]+)`")
_TUNED = {"use": "text_encoder", "in": "tokens"}
_NODES = ("resources", "sources", "inputs", "modules", "losses", "metrics")


@dataclass(frozen=True)
class Example:
    """A node as a file says it, under the name of its section, and the page that shows it."""

    node: Mapping[str, Any]
    page: str
    title: str


def examples() -> dict[str, Example]:
    """Gives the node of each component that says the most, the first of several."""
    best: dict[str, tuple[int, Example]] = {}
    for page, home in _pages.homes().items():
        for name, node in _of_page(page):
            length = len(str(node))
            if name not in best or length > best[name][0]:
                best[name] = (length, Example(node, home, _title(page)))
    return {name: example for name, (_, example) in best.items()}


def of_tables(text: str) -> Iterator[tuple[str, Any]]:
    """Gives the key `tune` or `balance` with each of its values in a page's tables."""
    for key, rows in _TABLE.findall(text):
        for row in rows.splitlines():
            yield from ((key, yaml.safe_load(value)) for value in _VALUE.findall(row.split("|")[1]))


def _of_page(page: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in of_tables(page.read_text(encoding="utf-8")):
        tuned = {"modules": {"encoder": {**_TUNED, "tune": value}}}
        yield _used(value), tuned if key == "tune" else {"objective": {"balance": value}}
    for marks, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if "broken" in marks or "sketch" in marks:
            continue
        fusion = yaml.safe_load(text)
        for section in _NODES:
            for name, node in (fusion.get(section) or {}).items():
                yield from _of_node(section, name, node)
        balance = (fusion.get("objective") or {}).get("balance")
        if balance:
            yield _used(balance), {"objective": {"balance": balance}}


def _of_node(section: str, name: str, node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "use" in node:
        yield node["use"], {section: {name: node}}
    if "tune" in node:
        yield _used(node["tune"]), {section: {name: node}}


def _used(value: Any) -> str:
    return str(value["use"] if isinstance(value, dict) else value)


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
